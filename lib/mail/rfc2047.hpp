// Encoded words, RFC 2047: header values to UTF-8 text and back.
//
//   decode_words("=?iso-8859-1?q?caf=E9?= au lait")  ->  "café au lait"
//   encode_text("café au lait", 9)                   ->  "=?utf-8?q?caf=C3=A9?= au lait"
//   encode_phrase("Ann B. Author", 6)                ->  "\"Ann B. Author\""
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ml {

// A field's value as text in one line: unfolded, encoded words decoded, always UTF-8. Blanks
// between two encoded words fall, as section 6.2 says; a word in a charset that we do not know
// stays as it is; controls become blanks. Works as well where words touch other text or stand in
// quotes, which is forbidden and common.
[[nodiscard]] std::string decode_words(std::string_view value);

// A value for an unstructured field (Subject), folded so that no line passes 76 octets where a
// blank allows it, and none ever 998. What is ASCII stays as it is, the words from the first to
// the last that are not become encoded words in UTF-8. Controls become blanks. `column`: how much
// of the first line is taken, the field's name, colon and blank.
[[nodiscard]] std::string encode_text(std::string_view text, std::size_t column);
void append_encoded_text(std::string& to, std::string_view text, std::size_t column);

// A display name (RFC 5322 phrase): atoms, a quoted string, or encoded words.
[[nodiscard]] std::string encode_phrase(std::string_view text, std::size_t column);
void append_encoded_phrase(std::string& to, std::string_view text, std::size_t column);

}  // namespace ml
