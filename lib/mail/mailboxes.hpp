// The mailboxes that a From, Sender, To or Cc field names: RFC 5322 3.4, with the obsolete forms
// of 4.4 and the groups of RFC 6854.
//
//   mailboxes("\"Author, A.\" <ann@example.org>, bob@example.com (Bob)")
//     -> ann@example.org, bob@example.com
//
// Display names and comments are dropped. What is no legal address is passed over: the caller sees
// it by what is missing. Linear in the value's size, whatever it holds.
#pragma once

#include <string_view>
#include <vector>

#include "mail/address.hpp"

namespace ml {

// `value`: what stands behind the colon, folded or not.
[[nodiscard]] std::vector<Address> mailboxes(std::string_view value);

}  // namespace ml
