#include "stage/expand.hpp"

#include <utility>

#include "base/attributes.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/message.hpp"
#include "stage/bare_message.hpp"
#include "stage/expansion.hpp"
#include "stage/merge.hpp"
#include "stage/own_copy.hpp"
#include "stage/section_role.hpp"
#include "stream/filter.hpp"
#include "stream/reader.hpp"

namespace ml {
namespace {

Result<Status> expand_message(Expansion& expansion, const ExpandOptions& options, std::string first,
                              int input, Writer& out) {
  if (expansion.lists().empty() && options.to.empty()) return nobody_named();
  if (options.id && !is_id(*options.id)) {
    return retry("--id takes up to 64 of A-Z a-z 0-9 . _ -, no dot first, not '{}'",
                 printable(*options.id, 80));
  }
  auto rest = read_all(input, largest_message, "standard input");
  if (!rest) return fail(rest);
  std::optional<ListName> list;
  if (!expansion.lists().empty()) list = expansion.lists().front();
  auto message =
      octets_to_bare_message(std::move(first) + *rest, {options.sender, options.id, list});
  if (!message) return fail(message);
  expansion.begin_section(message->id, std::nullopt);
  if (expansion.expands_lists()) {
    expansion.name(OwnCopies(split_message(message->text).head, {}));
  }
  if (options.merge == Merge::yes) {
    auto slots = mark_merge(message->text, message->attributes);
    if (!slots) return fail(slots);
    expansion.fill(std::move(*slots));
  }
  if (!expansion.part().empty()) append_attribute(message->attributes, "part", expansion.part());
  out.message(message->id, message->sender, message->text, message->attributes);
  if (auto added = expansion.add_recipients(out); !added) return fail(added);
  out.end(Status::done, "");
  return Status::done;
}

// What a stream's messages are given on their way.
struct Changes {
  std::optional<std::string> sender;
  Merge merge = Merge::no;
};

// The part that this shard makes of a section, on its message line.
Result<> add_part(const MessageRecord& message, std::string_view part, std::string& attributes) {
  if (part.empty()) return {};
  if (const auto before = message.attributes.value("part")) {
    return retry("--shard: the message {} is part {} of a send already", message.id,
                 printable(*before, 40));
  }
  append_attribute(attributes, "part", part);
  return {};
}

Result<> pass_message(const MessageRecord& message, std::string_view line, const Changes& changes,
                      Expansion& expansion, Writer& out) {
  std::string attributes;
  if (!message.attributes.empty()) attributes.append("\t").append(message.attributes.text());
  if (auto added = add_part(message, expansion.part(), attributes); !added) return added;
  const std::string_view sender = changes.sender ? *changes.sender : message.sender;
  if (changes.merge == Merge::yes) {
    auto text = decoded_message(message);
    if (!text) return fail(text);
    auto slots = mark_merge(*text, attributes);
    if (!slots) return fail(slots);
    expansion.fill(std::move(*slots));
    out.message(message.id, sender, *text, attributes);
  } else if (changes.sender || !expansion.part().empty()) {
    std::string& to = out.buffer();
    to.append("message\t").append(message.id).append("\t").append(sender);
    to.append("\t").append(message.base64).append(attributes).push_back('\n');
    out.settle();
  } else {
    out.pass(line);
  }
  return {};
}

void begin_section(const MessageRecord& message, Expansion& expansion) {
  expansion.begin_section(message.id, message.attributes.value("list"),
                          role_besides_post(message.attributes));
  if (!expansion.expands_lists()) return;
  expansion.name(
      OwnCopies(base64_to_head(message.base64), message.attributes.value("author").value_or("")));
}

struct Expanding {
  Expansion& expansion;
  const Changes& changes;
  Writer& out;
  bool has_message = false;  // the section has

  Result<> message(Reader& in) {
    has_message = true;
    begin_section(in.message(), expansion);
    return pass_message(in.message(), in.line(), changes, expansion, out);
  }
  Result<> recipient(Reader& in) {
    if (expansion.add_present(in.rcpt().address)) out.pass(in.line());
    return {};
  }
  // A section that failed before this stage is not expanded: its message comes again.
  Result<> finish(Reader& in, Result<> so_far) {
    if (!std::exchange(has_message, false) || !so_far || in.end().status != 0) return so_far;
    return expansion.add_recipients(out);
  }
};

// What fails before a section could end is told to the stages behind in an end of our own.
Result<Status> refuse(const Error& error, Writer& out) {
  out.end(error.status, error.text);
  return Failure(error);
}

Result<Status> expand_input(const ExpandOptions& options, int input, Writer& out) {
  Expansion expansion(options);
  if (auto opened = expansion.open(); !opened) return refuse(opened.error(), out);
  auto first = first_octets(input);
  if (!first) return refuse(first.error(), out);
  if (!first->empty() && !begins_stream(*first) && !may_begin_stream(*first)) {
    auto expanded = expand_message(expansion, options, std::move(*first), input, out);
    return expanded ? expanded : refuse(expanded.error(), out);
  }
  if (options.id) {
    return refuse(retry("--id names a bare message; the sections of a stream have theirs").error(),
                  out);
  }
  Changes changes{std::nullopt, options.merge};
  if (options.sender) {
    auto sender = text_to_sender(*options.sender);
    if (!sender) return refuse(sender.error(), out);
    changes.sender = std::move(*sender);
  }
  Reader in(input, *first);
  Expanding expanding{expansion, changes, out};
  return filter(in, out, expanding);
}

}  // namespace

Result<Status> expand(const ExpandOptions& options, int input, Writer& out) {
  auto expanded = expand_input(options, input, out);
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  return expanded;
}

}  // namespace ml
