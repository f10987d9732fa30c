// What a bounce says to people: the words of the server, and the header of the message that came
// back, wherever they stand in it.
//
//   const auto notice = message_to_notice(message, text_to_parts(message));
//   notice.text        "Delivery to the following recipient failed permanently:\n\n  ann@c.org\n"
//   notice.returned    "Received: ...\nTo: ann@c.org\n"
//
// The words are UTF-8 whatever they came in, and text where they came as HTML. What a server has
// put behind them of the message itself is cut off: at a part of its own, at a line that announces
// it ("--- Below this line is a copy of the message."), or where a header begins.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "mail/mime.hpp"

namespace ml {

inline constexpr std::size_t longest_notice = std::size_t{64} << 10;

struct Notice {
  std::string from;            // the address, lower case; empty where From names none
  std::string envelope;        // "from: ...\nsubject: ...\nx-mailer: ...\n", decoded, lower case
  std::string to;              // the address that it came to: who sent the message; lower case
  std::string verp;            // the recipient that this address names by its shape, or empty
  std::string text;            // at most longest_notice
  std::string returned;        // header block with LF line ends; empty where none came back
  bool from_daemon = false;    // it says that no person wrote it and a mail server did
  bool subject_fails = false;  // its subject speaks of a failure
  bool is_answer = false;      // its subject begins with Re: or its like, and it names the message
};

[[nodiscard]] Notice message_to_notice(std::string_view message, std::span<const MimePart> parts);

// True for vacations and other answers by programs that are not about a failure, RFC 3834.
[[nodiscard]] bool is_auto_reply(std::string_view head, const Notice& notice);

}  // namespace ml
