// ml-bounce: whose mail failed, for good or for now, and by whose fault.
//
// The bounce address that the message came to says who: signed by us, it is believed; nothing else
// is. The delivery report in the message says what. A subscriber is marked, once a message, only
// where the report says failed with a lasting fault of the recipient's own
// (counts_against_recipient) and the address is at most 21 days old. Everything else marks nobody:
// plain mail, delays, successes, vacations, forgeries, what cannot be read; the log says so and the
// status is 0, because no retry would change it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "stream/writer.hpp"

namespace ml {

struct BounceOptions {
  std::optional<std::string> list;      // as the operator names it: marks for this one only
  std::vector<std::string> recipients;  // where the message may have come to, likeliest first
  std::optional<std::string> home;
};

// Reads one message, or a stream of recipients that ml-send was refused, from `input`. What is
// written is a stream of notices, none as yet: a bare end.
//
//   rcpt ... reply=550 5.1.1 ...   550, 551, 553 or 556 with 5.1.x, 5.2.x or no status: marked
//   any other rcpt                 75: what it says would be lost
[[nodiscard]] Result<Status> bounce(int input, Writer& out, const BounceOptions& options);

}  // namespace ml
