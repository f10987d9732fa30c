// A whole message: octets from outside to the form that mlpipe keeps, and that form taken apart.
//
// Inside, a message has LF line ends. Nothing else is changed on the way in, and no part of it is
// ever lost: what looks like no header is body.
//
//   auto intake = octets_to_message(std::move(*input));
//   if (!intake) return fail(intake);                      // 65: a NUL
//   const MessageParts parts = split_message(intake->message);
//   std::string out = my_fields + std::string(parts.head) + parts.separator + parts.body;
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ml {

// No message that goes on its way is larger, whatever a list's max-size: a line of ml-stream(5) has
// room for it in base64.
inline constexpr std::size_t largest_message = std::size_t{100} << 20;

struct IncomingMessage {
  std::string message;  // LF line ends, no `From ` line
  // What a leading `From ` line (mbox, UUCP) named as envelope sender, as it stood there: an
  // address, MAILER-DAEMON, or empty. Nothing where there was no such line.
  std::optional<std::string> from_line;
};

// CRLF and bare CR become LF; one leading `From ` line is taken off; all else stays, a blank line
// more at the very end (Exim) and a last line without LF too. A NUL is 65, `5.6.0 ...`.
[[nodiscard]] Result<IncomingMessage> octets_to_message(std::string octets);

struct MessageParts {
  std::string_view head;       // the header block: whole fields, each with its LF
  std::string_view separator;  // the blank line, "\n"; empty where there is none
  std::string_view body;
};

// Views into `message`; the three joined are the message. The head ends, as for mail servers, at
// the first line that is neither a field nor the continuation of one: at the blank line, or where
// there is none at the first line that must be body. A message may be all head or all body.
[[nodiscard]] MessageParts split_message(std::string_view message);

}  // namespace ml
