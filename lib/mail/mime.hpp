// The structure of a foreign message, for reading bounces; the only door to libmimetic.
//
// The library is fed only what it can digest, and what it is fed cannot make it slow: CR and CRLF
// become LF and NUL goes; at most longest_mime_text octets are looked at, at most
// longest_mime_field of a field with its continuations; a text that names Content-Type more than
// most_content_types times, which bounds parts and nesting, is not parsed at all. What the library
// throws is caught. It gives structure only: fields, transfer encodings and addresses are ours.
//
//   const std::string text = tamed_text(octets);
//   for (const MimePart& part : text_to_parts(text)) ...each leaf, in order...
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ml {

inline constexpr std::size_t longest_mime_text = std::size_t{4} << 20;
inline constexpr std::size_t longest_mime_field = std::size_t{64} << 10;
inline constexpr std::size_t most_content_types = 200;

// A message as everything here wants it: see above. A leading `From ` line is gone too.
[[nodiscard]] std::string tamed_text(std::string_view message);

// One leaf. A multipart appears as what is in it; a message/rfc822 as its header, of the type
// text/rfc822-headers, and what is in it.
struct MimePart {
  std::string type;       // "text/plain": lower case, without parameters
  std::string charset;    // as given, or empty
  std::string head;       // its own fields, a line each
  std::string text;       // transfer encoding undone, LF line ends, any charset
  unsigned depth = 0;     // how many multiparts and messages it lies in
  unsigned messages = 0;  // how many message/rfc822 of them
};

// The leaves in the order of the text, never none. Where the text is beyond the bounds above or
// beyond the library, parts.hpp takes it apart as far as its own bounds go; where that does not do
// either, all of it is one text/plain. `text` is tamed.
[[nodiscard]] std::vector<MimePart> text_to_parts(std::string_view text);

// The transfer encoding undone, CR and NUL gone.
[[nodiscard]] std::string decoded_body(std::string_view body, std::string_view encoding);

}  // namespace ml
