// Text in other people's charsets to UTF-8; the only door to iconv(3).
//
//   charset_to_utf8("ISO-8859-1", "caf\xE9")  ->  "café"
//   charset_to_utf8("x-klingon", octets)      ->  nothing
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ml {

// What cannot be converted becomes U+FFFD, so that the result is always UTF-8. Nothing: a charset
// that is unknown, or not among those that mail is written in: a name out of a message never
// chooses which of iconv's many rarely used converters is loaded.
[[nodiscard]] std::optional<std::string> charset_to_utf8(std::string_view charset,
                                                         std::string_view octets);

// The text with U+FFFD for each octet that is no part of UTF-8.
[[nodiscard]] std::string clean_utf8(std::string_view text);

// The length of the UTF-8 sequence that `text` begins with; 1 for an octet that begins none.
[[nodiscard]] std::size_t utf8_length(std::string_view text);

}  // namespace ml
