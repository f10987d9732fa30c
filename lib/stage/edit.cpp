#include "stage/edit.hpp"

#include <string_view>
#include <utility>

#include "base/coprocess.hpp"
#include "mail/header.hpp"
#include "mail/message.hpp"
#include "stream/filter.hpp"

namespace ml {
namespace {

Result<> check_ending(const Ending& ending, const std::string& name) {
  if (ending.signal != 0) return retry("{} was ended by signal {}", name, ending.signal);
  const auto status = static_cast<Status>(ending.status);
  if (status == Status::rejected)
    return failure(status, "5.6.0 the message was refused by {}", name);
  if (status == Status::denied) return failure(status, "5.7.1 the message was refused by {}", name);
  if (status != Status::done) return retry("{} left with status {}", name, ending.status);
  return {};
}

Result<std::string> edited(const MessageRecord& message, const std::vector<std::string>& command) {
  auto text = decoded_message(message);
  if (!text) return fail(text);
  auto running = Coprocess::start(command);
  if (!running) return fail(running);

  std::string output;
  bool too_big = false;
  const auto take = [&](std::string_view octets) {
    too_big = too_big || output.size() + octets.size() > largest_message;
    if (!too_big) output.append(octets);
  };
  if (auto fed = running->feed(*text, take); !fed) return fail(fed);
  auto ending = running->finish(take);
  if (!ending) return fail(ending);
  const std::string& name = command.front();
  if (auto checked = check_ending(*ending, name); !checked) return fail(checked);

  const auto no_message = [&](std::string_view why) {
    return retry("the output of {} is no message: {}", name, why);
  };
  if (too_big) return no_message("it is over 100 MiB");
  if (output.empty()) return no_message("it is empty");
  auto intake = octets_to_message(std::move(output));
  if (!intake) return no_message("it has a NUL");
  if (!first_field(intake->message)) return no_message("it does not begin with a header field");
  return std::move(intake->message);
}

struct Editing {
  const std::vector<std::string>& command;
  Writer& out;

  Result<> message(Reader& in) {
    const MessageRecord& message = in.message();
    auto text = edited(message, command);
    if (!text) return fail(text);
    std::string attributes(message.attributes.text());
    if (!attributes.empty()) attributes.insert(0, 1, '\t');
    out.message(message.id, message.sender, *text, attributes);
    return {};
  }
  Result<> recipient(Reader& in) {
    out.pass(in.line());
    return {};
  }
  static Result<> finish(Reader&, Result<> so_far) { return so_far; }
};

}  // namespace

Result<Status> edit(Reader& in, Writer& out, const std::vector<std::string>& command) {
  Editing editing{command, out};
  return filter(in, out, editing);
}

}  // namespace ml
