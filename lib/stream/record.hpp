// The records of ml-stream(5), as views into the reader's line, and their escaping.
//
//   message <id> <sender> <base64> [key=value ...]
//   rcpt    <address> <sender> [key=value ...]
//   end     <status> [text]
//
// LF ends a line, one TAB separates fields, no field is empty. Views live until the reader's
// next call.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ml {

// The fields after a record's fixed ones, still escaped: "name=Ann\ttoken=x7", or empty.
class Attributes {
 public:
  Attributes() = default;
  explicit Attributes(std::string_view text) : text_(text) {}

  [[nodiscard]] std::string_view text() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }
  // The value of `key`, unescaped; nothing if it is not there.
  [[nodiscard]] std::optional<std::string> value(std::string_view key) const;
  // The same, still escaped: no allocation.
  [[nodiscard]] std::optional<std::string_view> raw(std::string_view key) const;
  // Calls with each key and its escaped value, in order.
  template <class Call>
  void each(Call&& call) const {
    for (std::string_view rest = text_; !rest.empty();) {
      const auto tab = rest.find('\t');
      const std::string_view field = rest.substr(0, tab);
      const auto equals = field.find('=');
      call(field.substr(0, equals), field.substr(equals + 1));
      rest.remove_prefix(tab == std::string_view::npos ? rest.size() : tab + 1);
    }
  }

 private:
  std::string_view text_;
};

// Appends "\tkey=value", the value escaped.
void append_attribute(std::string& to, std::string_view key, std::string_view value);
// The attributes with `key` set to `value` (in its place, or last), or taken out (nullopt).
[[nodiscard]] std::string with_attribute(Attributes attributes, std::string_view key,
                                         std::optional<std::string_view> value);

// `[a-z][a-z0-9_.-]*`
[[nodiscard]] bool is_key(std::string_view text);
// Keys that an input column may not have: list author token status reply attempts relay left
// part, and all that begin "ml.". ("name" is reserved too, but means the same everywhere.)
[[nodiscard]] bool is_reserved_key(std::string_view key);
// `[A-Za-z0-9._-]{1,64}`, no leading dot.
[[nodiscard]] bool is_id(std::string_view text);

// No control but TAB, and UTF-8: what every line of a stream must be.
[[nodiscard]] bool is_clean_line(std::string_view line);
// The fields behind a line's fixed ones: none, or key=value each, well escaped. `line` is the
// whole line that they end.
[[nodiscard]] bool are_attributes(std::string_view line, std::string_view fields);
// Takes the field up to the next TAB off `fields`. Behind the last TAB nothing is left, which a
// caller sees as an empty field.
std::string_view take_field(std::string_view& fields);

// TAB, LF, CR and `\` as \t \n \r \\ and back; nothing for a lone or unknown backslash sequence.
void append_escaped(std::string& to, std::string_view value);
[[nodiscard]] std::optional<std::string> unescaped(std::string_view text);

struct MessageRecord {
  std::string_view id;
  std::string_view sender;  // envelope sender without brackets; "<>": the null sender
  std::string_view base64;  // the RFC 5322 message, LF line ends, not yet decoded
  Attributes attributes;
  std::uint64_t line_number = 0;
};

// The message, decoded; bad base64 is 75 with the line number.
[[nodiscard]] Result<std::string> decoded_message(const MessageRecord& record);

struct RcptRecord {
  std::string_view address;
  std::string_view sender;  // "-": the message's own; "<>": the null sender
  Attributes attributes;
};

// A whole rcpt line without its LF, or the reason why it is none. For lines that come from
// elsewhere than a stream, such as the command of ml-rcpts.
[[nodiscard]] std::expected<RcptRecord, std::string_view> line_to_rcpt(std::string_view line);

struct EndRecord {
  int status = 0;
  std::string_view text;  // still escaped; often empty
  bool found_here = false;  // this reader found the section cut or malformed: ours to report
};

}  // namespace ml
