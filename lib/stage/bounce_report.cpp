#include "stage/bounce_report.hpp"

#include <fcntl.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/fd.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "mail/bounce.hpp"
#include "mail/diagnosis.hpp"
#include "mail/mime.hpp"
#include "stage/backlog.hpp"
#include "stage/bounce_message.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_shown = 1000;

void put_text(Out& out, const Report& report) {
  const auto field = [&](std::string_view text, char end) {
    out.put(text.empty() ? "-" : printable(text, longest_shown));
    out.put(end);
  };
  field(report.address(), '\t');
  field(action_to_text(report.action), '\t');
  field(telling_status(report), '\t');
  field(bounce_class_to_text(bounce_class(report)), '\t');
  field(report.diagnostic, '\n');
}

void put_json(Out& out, std::string_view which, const Report& report) {
  std::string line = "{";
  const auto member = [&](std::string_view name, std::string_view text) {
    if (text.empty() || text == "-") return;
    if (line.size() > 1) line.push_back(',');
    append_json(line, name);
    line.push_back(':');
    append_json(line, text);
  };
  member("message", which);
  member("address", report.address());
  member("action", action_to_text(report.action));
  member("status", telling_status(report));
  member("class", bounce_class_to_text(bounce_class(report)));
  member("diagnostic", report.diagnostic);
  out.put(line);
  out.put("}\n");
}

}  // namespace

Result<Status> bounce_report(int input, const BounceReportOptions& options, Out& out) {
  const BacklogCall call = [&](std::string_view which, std::string&& octets) -> Result<> {
    for (const Report& report : message_to_reports(tamed_text(octets))) {
      if (options.json) {
        put_json(out, which, report);
      } else {
        put_text(out, report);
      }
    }
    return out.failed() ? out.flush() : Result<>();
  };
  Result<> read;
  if (options.maildir) {
    read = each_of_maildir(*options.maildir, call);
  } else if (options.mbox && *options.mbox != "-") {
    auto file = open_file(*options.mbox, O_RDONLY);
    if (!file) return fail(file);
    read = each_of_mbox(file->get(), *options.mbox, call);
  } else if (options.mbox) {
    read = each_of_mbox(input, "standard input", call);
  } else {
    auto message = read_bounce(input, {});
    if (!message) return fail(message);
    if (message->empty()) return retry("the input is empty: no message came");
    read = call("", std::move(*message));
  }
  if (!read) return fail(read);
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  return Status::done;
}

}  // namespace ml
