// Reads ml-stream(5), whatever it is fed: a total function from octets to sections.
//
// Every section comes out as an optional message, its rcpts, and one end. Where the input is cut
// or malformed, the reader itself makes the end: status 75, the line number and the reason as
// its text, found_here set. It then passes over everything up to the next message or end record,
// so that later sections still go out. A filter needs no other error path:
//
//   Reader in(0);
//   for (;;) switch (in.next()) {
//     case Record::message: out.pass(in.line()); break;
//     case Record::rcpt:    out.pass(in.line()); break;
//     case Record::end:     out.end(in.end());  verdict.add(in.end()); break;
//     case Record::none:    return verdict.status();
//   }
//
// An input of no octets, a last line without LF, a `message` before the section's end, a rcpt
// outside a section, an unknown record, a missing, empty or malformed field, NUL or another
// control, octets that are not UTF-8, an over-long line: each is such an end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/lines.hpp"
#include "base/result.hpp"
#include "stream/plain_rcpt.hpp"
#include "stream/record.hpp"

namespace ml {

enum class Record { message, rcpt, end, none };

class Reader {
 public:
  // The longest message line: base64 of a message of 100 MiB and its fields.
  static constexpr std::size_t longest_line = std::size_t{140} << 20;

  // `first`: octets already read from `fd` by the caller. `longest`: of a line, in octets.
  explicit Reader(int fd, std::string_view first = {}, std::size_t longest = longest_line);

  // The next record; none at the end of the input, after every section has had its end.
  [[nodiscard]] Record next();

  // The same without a detour for nearly every rcpt: one that waits in memory and is plain. False:
  // next() knows.
  [[nodiscard]] bool take_plain_rcpt();

  // Of the current record; views live until next().
  [[nodiscard]] std::string_view line() const { return line_; }  // without its LF
  [[nodiscard]] const MessageRecord& message() const { return message_; }
  [[nodiscard]] const RcptRecord& rcpt() const { return rcpt_; }
  [[nodiscard]] const EndRecord& end() const { return end_; }

  // True when the next record is in memory, so that next() cannot block.
  [[nodiscard]] bool ready();
  // Where it is not: reads once, for who waits until the input can be read. True: next() cannot
  // block now, but in a line that is too long.
  [[nodiscard]] bool read_once();

 private:
  // between: no section is open. inside: its message was given out, its end was not.
  // skipping: it has had its end from us, its remaining lines are passed over.
  enum class State { between, inside, skipping, closed };

  [[nodiscard]] Record parse();
  [[nodiscard]] Record parse_message();
  [[nodiscard]] Record parse_rcpt();
  [[nodiscard]] Record parse_end();
  [[nodiscard]] bool leaves_skipped_section();
  [[nodiscard]] Record cut_by_message();
  [[nodiscard]] Record close(std::string_view why);
  [[nodiscard]] Record broken(std::string_view why);

  Lines lines_;
  std::string_view line_;
  MessageRecord message_;
  RcptRecord rcpt_;
  EndRecord end_;
  std::string reason_;  // backs end_.text where we made it
  State state_ = State::between;
  bool any_record_ = false;
  bool too_long_ = false;   // line_ is only the beginning of the line
  bool held_back_ = false;  // line_ is a message that cut the section before it
};

[[gnu::always_inline]] inline bool Reader::take_plain_rcpt() {
  if (state_ != State::inside) return false;
  const PlainRcpt plain = find_plain_rcpt(lines_.pending());
  if (plain.size == 0 || !lines_.take_found(plain.size, line_)) return false;
  const char* const address = line_.data() + PlainRcpt::address;
  const char* const end = line_.data() + plain.end;
  const char* const line_end = line_.data() + line_.size();
  rcpt_.address = {address, end};
  rcpt_.at = plain.at - PlainRcpt::address;
  rcpt_.sender = {end + 1, line_end};
  rcpt_.attributes = Attributes({line_end, line_end});  // none, and where they would stand
  return true;
}

// True if `text` (the first octets of an input) begins a stream: "message\t", "end\t".
[[nodiscard]] bool begins_stream(std::string_view text);
// True if it does not yet, and more octets could make one of it.
[[nodiscard]] bool may_begin_stream(std::string_view text);

// What `fd` begins with, read until it is clear whether that is a stream; empty: it is empty.
[[nodiscard]] Result<std::string> first_octets(int fd);

}  // namespace ml
