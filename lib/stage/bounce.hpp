// ml-bounce: whose mail failed, for good or for now, and by whose fault; and what follows from it.
//
// The bounce address that the message came to says who: signed by us, it is believed; nothing else
// is. The message says what. A subscriber is marked, once a message, only where it says failed with
// a lasting fault of the recipient's own (counts_against_recipient) and the address is at most 21
// days old. Everything else marks nobody: plain mail, delays, successes, vacations, forgeries, what
// cannot be read; the log says so and the status is 0, because no retry would change it.
//
// Beside that: a message that a share of the list's domains refuse is to blame itself, and its
// marks are taken back; a bounce under a shared address sends a probe to whom it names; a complaint
// with our signature in it suppresses the address. list/bounce_rules.hpp has the rest.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/out.hpp"
#include "base/result.hpp"
#include "stream/writer.hpp"

namespace ml {

struct BounceOptions {
  std::optional<std::string> list;      // as the operator names it: marks for this one only
  std::vector<std::string> recipients;  // where the message may have come to, likeliest first
  std::optional<std::string> home;
  std::chrono::system_clock::time_point now;
};

// Reads one message, or a stream of recipients that ml-send was refused, from `input`. What is
// written is a stream of probes and notices for ml-send, or a bare end.
//
//   rcpt ... reply=550 5.1.1 ...   550, 551, 553 or 556 with 5.1.x, 5.2.x or no status: marked
//   rcpt ... status=4.4.7 ...      given up by a queue: logged; marked if full or missing
//   any other rcpt                 75: what it says would be lost; the others are marked
[[nodiscard]] Result<Status> bounce(int input, Writer& out, const BounceOptions& options);

// What time brings, for one list or for all: probes, notices, recoveries, steps down.
[[nodiscard]] Result<Status> bounce_sweep(Writer& out, const BounceOptions& options);

// How a subscriber of options.list stands, for a person.
[[nodiscard]] Result<Status> bounce_explain(Out& out, const std::string& subscriber,
                                            const BounceOptions& options);

}  // namespace ml
