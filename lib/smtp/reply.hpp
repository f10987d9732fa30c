// What an SMTP or LMTP relay answers (RFC 5321 4.2, RFC 2034), out of octets cut anywhere.
//
//   ReplyParser parser;
//   while (parser.take(octets) == ReplyParser::Found::reply) use(parser.reply());
//
// A total function: whatever comes is a reply, an unfinished one, or garbage. Memory is bounded:
// a line over 4096 octets or a reply over 64 KiB is garbage, and the first 512 octets of what it
// says are kept.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "mail/enhanced_code.hpp"

namespace ml {

struct Reply {
  int code = 0;           // 200 to 599
  EnhancedCode enhanced;  // of the first line that has one
  std::string said;       // "550 5.1.1 User unknown": its lines joined by a blank, as they came
  std::size_t head = 0;   // octets of that before the text
  bool ours = false;      // no relay said it

  // Without the codes.
  [[nodiscard]] std::string_view text() const { return std::string_view(said).substr(head); }
  [[nodiscard]] bool positive() const { return code >= 200 && code < 300; }
  [[nodiscard]] bool transient() const { return code >= 400 && code < 500; }
  [[nodiscard]] bool permanent() const { return code >= 500; }
};

// What it said, made printable: for records and for people.
[[nodiscard]] std::string reply_to_text(const Reply& reply);
void append_reply(std::string& to, const Reply& reply);

// A reply of our own about what never reached a relay; `code` is what a relay would have said.
[[nodiscard]] Reply local_reply(int code, EnhancedCode enhanced, std::string_view text);

class ReplyParser {
 public:
  enum class Found {
    nothing,  // all of `octets` is used, the reply is not whole yet
    reply,    // reply() is whole; `octets` is what follows it
    garbage,  // this is not SMTP; nothing further can be understood
  };

  // Takes octets off the front of `octets`, up to the end of one reply.
  [[nodiscard]] Found take(std::string_view& octets);
  // What take() is given next is the beginning of a reply.
  [[nodiscard]] bool between_replies() const { return whole_; }
  // Takes a whole line that begins with `code`, "250 ", off the front, unread; false, and nothing
  // is taken, where the next reply is another, not whole, or too long.
  [[nodiscard]] bool pass(std::string_view& octets, const char (&code)[5]) const;
  // Valid until the next take().
  [[nodiscard]] const Reply& reply() const { return reply_; }
  // The line that was none.
  [[nodiscard]] std::string_view garbage() const { return line_; }
  // Each line of the text of a reply of several lines, separated by LF; for EHLO, whose lines
  // matter.
  [[nodiscard]] const std::string& lines() const { return lines_; }

 private:
  enum class Step { more, last, garbage };
  [[nodiscard]] bool take_single(std::string_view& octets);
  [[nodiscard]] Step take_line(std::string_view line);
  void begin_reply(std::string_view line);
  void add_line(std::string_view text);

  Reply reply_;
  std::string line_;  // an unfinished line
  std::string lines_;
  std::size_t size_ = 0;  // of the reply so far
  bool first_ = true;     // its first line is due
  bool whole_ = true;     // the last reply was given out
};

}  // namespace ml
