// What is asked of the notices about a message's delivery: parameters of MAIL and RCPT, RFC 3461.
//
//   dsn_mail_parameters("hdrs", "x1")                                   " RET=HDRS ENVID=x1"
//   dsn_rcpt_parameters("failure,delay", "rfc822;ann+x@example.org")
//                                " NOTIFY=FAILURE,DELAY ORCPT=rfc822;ann+2Bx@example.org"
//
// Each begins with a blank, or is empty. What is no such value is 75 and says why: nothing of it
// reaches the wire.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ml {

// `ret`: full or hdrs. `envid`: at most 100 octets of printable ASCII.
[[nodiscard]] Result<std::string> dsn_mail_parameters(const std::optional<std::string>& ret,
                                                      const std::optional<std::string>& envid);

// `notify`: never, or some of success, failure, delay. `orcpt`: a kind of address, a semicolon, the
// address in printable ASCII.
[[nodiscard]] Result<std::string> dsn_rcpt_parameters(const std::optional<std::string>& notify,
                                                      const std::optional<std::string>& orcpt);

// RFC 3461 4: "+", "=" and what is no visible ASCII as +HH.
[[nodiscard]] std::string text_to_xtext(std::string_view text);

}  // namespace ml
