// A message that came to a bounce address: what became of each recipient, from whatever evidence
// it holds. The evidence in its order of trust, the first that names anybody decides:
//
//   1. the fields of RFC 3464, of the outermost report where one lies in another;
//   2. a feedback report, RFC 5965, or a notification of Amazon SES;
//   3. fields in which servers name whom they could not reach (X-Failed-Recipients);
//   4. the same fields as in 1 where they stand in plain text;
//   5. the words of the servers that use no standard, dialects.hpp, or their shape, shapes.hpp;
//   6. an answer that no person wrote, RFC 3834.
//
// Ordinary mail gives nothing. The address that it came to is looked at only by its shape and only
// where a server names nobody; whom we have signed it for is asked elsewhere, and worth more than
// all of this.
//
//   for (const Report& report : message_to_reports(tamed_text(octets))) ...
#pragma once

#include <string_view>
#include <vector>

#include "mail/dsn.hpp"

namespace ml {

// `message` is tamed by mime.hpp. Bounded in time and memory by that; never fails.
[[nodiscard]] std::vector<Report> message_to_reports(std::string_view message);

}  // namespace ml
