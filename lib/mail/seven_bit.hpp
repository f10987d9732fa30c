// A message with 8-bit text as one without, for a server that knows no 8BITMIME (RFC 6152 3).
//
// Text becomes quoted-printable, any other part base64, attached messages part by part; parts that
// are ASCII keep every octet, and so do all fields but Content-Transfer-Encoding.
//
//   auto recoded = message_to_7bit(message);     // both with LF line ends
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ml {

// What could not be told apart from the original by its reader is made; anything else is 65 and
// says why: signed (DKIM, ARC) or sealed (multipart/signed, multipart/encrypted) text, 8-bit text
// in fields or between parts, a part that says it is encoded and is not.
[[nodiscard]] Result<std::string> message_to_7bit(std::string_view message);

}  // namespace ml
