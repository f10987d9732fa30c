// Who stands in From, Sender, To, Cc, Reply-To: the addresses of a field as RFC 5322 3.4 has them.
//
//   field_to_mailboxes("\"Ann B.\" <ann@example.org>, Team: bob@example.com (Bob),
//   cy@example.net;")
//   ->  {"Ann B.", ann@example.org}, {"Bob", bob@example.com}, {"", cy@example.net}
//
// Groups give their members; comments, quoted strings, folding, blanks around dots and the old
// routes (<@a,@b:ann@example.org>) are understood. Mail is written by anybody: what is no address
// is left out and what stands beside it is found. One pass, no recursion, whatever the text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mail/address.hpp"

namespace ml {

struct Mailbox {
  std::string name;  // display name, decoded, UTF-8 without controls; else the comment behind a
                     // bare address; often empty
  Address address;
};

// `value`: what stands behind the colon, folded or not.
[[nodiscard]] std::vector<Mailbox> field_to_mailboxes(std::string_view value);

// The addresses alone.
[[nodiscard]] std::vector<Address> mailboxes(std::string_view value);

}  // namespace ml
