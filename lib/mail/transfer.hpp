// Content transfer encodings, RFC 2045 6.7 and 6.8: what stands in mail, to octets and back.
//
// Decoders never fail: mail is full of encodings that are slightly wrong, and every mail reader
// shows what can be shown.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ml {

// Characters outside the alphabet are passed over; it ends at the first '=' or at the end.
[[nodiscard]] std::string base64_text_to_octets(std::string_view text);

// An '=' that begins neither an escape nor a soft line break stays as it is; blanks at the end of
// a line were added on the way and go.
[[nodiscard]] std::string quoted_printable_to_octets(std::string_view text);

// True of most words, of nothing empty: as quoted-printable, from the beginning of a line to the
// end of one or to a soft_break(), they are what they are.
[[nodiscard]] bool is_quoted_as_it_stands(std::string_view text);

// Text of our own as quoted-printable, piece after piece, in lines of at most 76 octets.
//
// `column` is the length of the line so far. LF is a line break, every other octet is the same in
// the end. No line begins with "." (SMTP), "-" (a MIME boundary) or "From " (mbox).
class QuotedPrintable {
 public:
  explicit QuotedPrintable(std::string& to) : to_(to) {}

  void add(std::string_view text);
  // A line break that readers drop, unless the line is empty.
  void soft_break();

 private:
  [[nodiscard]] std::string_view plain_run(std::string_view line) const;
  void put(std::string_view encoded);
  void add_line(std::string_view line);

  std::string& to_;
  std::size_t column_ = 0;
};

}  // namespace ml
