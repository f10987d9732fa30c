// A verdict of ours (base/result.hpp) as the reply that an LMTP client gets for a recipient.
//
//   verdict_to_reply({Status::denied, "5.7.1 only subscribers may post to news@x.org"})
//     -> "550 5.7.1 only subscribers may post to news@x.org"
//
//   | verdict                    | reply                                                    |
//   | -------------------------- | -------------------------------------------------------- |
//   | 65 77 with 5.1.x 5.2.x     | 550                                                      |
//   | 65 77 with 5.2.3 5.3.4     | 552: too big                                             |
//   | 65 77 with 5.7.x           | 550                                                      |
//   | 65 77 with another 5.x.x   | 554                                                      |
//   | 65 77 without a code       | 554 5.6.0                                                |
//   | all else with 4.x.x        | 451                                                      |
//   | all else                   | 451 4.3.0                                                |
#pragma once

#include <string>

#include "base/result.hpp"

namespace ml {

// One line without CRLF, printable, at most 500 octets (RFC 5321 4.5.3.1.5: 512 with CRLF).
[[nodiscard]] std::string verdict_to_reply(const Error& verdict);

}  // namespace ml
