// The records of ml-stream(5), as views into the reader's line, and their escaping.
//
//   message <id> <sender> <base64> [key=value ...]
//   rcpt    <address> <sender> [key=value ...]
//   end     <status> [text]
//
// LF ends a line, one TAB separates fields, no field is empty. Views live until the reader's
// next call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/attributes.hpp"
#include "base/result.hpp"

namespace ml {

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

struct MessageRecord {
  std::string_view id;
  std::string_view sender;  // envelope sender without brackets; "<>": the null sender
  std::string_view base64;  // the RFC 5322 message, LF line ends, not yet decoded
  Attributes attributes;
  std::uint64_t line_number = 0;
};

// The message, decoded; bad base64 is 75 with the line number.
[[nodiscard]] Result<std::string> decoded_message(const MessageRecord& record);

struct RcptRecord {  // views into the line, never null: each can be found again in a copy of it
  std::string_view address;
  std::string_view sender;  // "-": the message's own; "<>": the null sender
  Attributes attributes;
  std::size_t at = 0;  // of the address's last @, in it; none: its size
};

// A whole rcpt line without its LF, or the reason why it is none. For lines that come from
// elsewhere than a stream, such as the command of ml-rcpts.
[[nodiscard]] std::expected<RcptRecord, std::string_view> line_to_rcpt(std::string_view line);

struct EndRecord {
  int status = 0;
  std::string_view text;    // still escaped; often empty
  bool found_here = false;  // this reader found the section cut or malformed: ours to report
};

}  // namespace ml
