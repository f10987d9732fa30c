#include "stage/give_up.hpp"

#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/attributes.hpp"
#include "base/diag.hpp"
#include "queue/entry.hpp"
#include "stage/runner.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

constexpr std::string_view queue_name = "bounces";

Result<> rewind(const Fd& entry) {
  if (lseek(entry.get(), 0, SEEK_SET) == 0) return {};
  return system_failure("cannot read an entry again", errno);
}

// Whole, and a list's message with a recipient in it.
bool concerns_recipients(const Fd& entry) {
  Reader in(entry.get());
  Verdict verdict;
  bool has_list = false;
  bool found = false;
  for (Record record = in.next(); record != Record::none; record = in.next()) {
    if (record == Record::message) has_list = in.message().attributes.raw("list").has_value();
    if (record == Record::rcpt) found = found || has_list;
    if (record == Record::end) verdict.add(in.end());
  }
  return found && !verdict.failed();
}

void write_rcpt(Writer& out, const RcptRecord& rcpt, std::string_view why) {
  std::string attributes = with_attribute(rcpt.attributes, "status", "4.4.7");
  if (!Attributes(attributes).raw("reply")) {
    attributes = with_attribute(Attributes(attributes), "reply", why);
  }
  out.rcpt(rcpt.address, rcpt.sender, '\t' + attributes);
}

Result<> write_records(const Fd& entry, std::string_view why, Writer& out) {
  Reader in(entry.get());
  bool has_list = false;
  for (Record record = in.next(); record != Record::none; record = in.next()) {
    if (record == Record::message) has_list = in.message().attributes.raw("list").has_value();
    if (!has_list) continue;
    if (record == Record::message) out.pass(in.line());
    if (record == Record::rcpt) write_rcpt(out, in.rcpt(), why);
    if (record == Record::end) out.end(in.end());
  }
  return out.flush();
}

}  // namespace

Result<bool> tell_bounces(const Home& home, const Taken& taken, std::string_view why) {
  if (auto again = rewind(taken.fd()); !again) return fail(again);
  if (!concerns_recipients(taken.fd())) return false;
  if (auto again = rewind(taken.fd()); !again) return fail(again);
  auto entry = QueueEntry::create(home, queue_name, taken.facts().name.substr(0, 64));
  if (!entry) return fail(entry);
  Writer out(entry->fd(), "an entry of the queue bounces");
  if (auto written = write_records(taken.fd(), why, out); !written) return fail(written);
  if (auto kept = entry->keep(Same::beside); !kept) return fail(kept);
  // The records are safe whether or not somebody can be found who runs them now.
  if (auto woken = wake_runner(home, queue_name); !woken) log(woken.error().text);
  return true;
}

}  // namespace ml
