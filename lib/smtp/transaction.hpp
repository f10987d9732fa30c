// What a relay is asked to take, and what becomes of it: the words between the stage that owns the
// recipients and whatever delivers to them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "smtp/reply.hpp"
#include "smtp/verdict.hpp"

namespace ml {

// How a message is written: for files, for DATA, for BDAT.
enum class WireForm {
  text,          // LF line ends
  dotted,        // as text_to_wire makes it with Dots::doubled
  chunk,         // the same with Dots::plain
  dotted_ascii,  // for a relay without 8BITMIME; WireMessage::has_8bit where that cannot be
  chunk_ascii,
};

// A message in one of its forms, in as many pieces as suit its owner.
struct WireMessage {
  std::vector<std::string_view> pieces;
  std::uint64_t size = 0;  // of the pieces, in octets
  bool has_8bit = false;
  std::string_view why_8bit{};  // where it was asked for as ASCII and cannot be
};

// Of messages, in octets: more than `over`, at most `up_to`.
struct Sizes {
  std::uint64_t over = 0;
  std::uint64_t up_to = 0;
  [[nodiscard]] bool any() const { return over < up_to; }
  [[nodiscard]] bool has(std::uint64_t size) const { return size > over && size <= up_to; }
};

// What not every relay can take: 8BITMIME, SMTPUTF8, messages of these sizes.
struct Needs {
  bool eight_bit = false;
  bool smtputf8 = false;
  Sizes sizes{};
  [[nodiscard]] bool any() const { return eight_bit || smtputf8 || sizes.any(); }
};

struct Recipient {
  std::uint64_t id = 0;      // the owner's name for it
  std::string_view address;  // parsed and found good: never a control, never a bracket or blank
                             // outside a quoted string
  std::string_view dsn{};    // parameters of its RCPT (mail/dsn_request.hpp), or empty
};

// One MAIL, its RCPTs, its message. The views live until every recipient is settled.
struct Transaction {
  std::string_view sender;  // parsed and found good; empty: the null sender
  std::vector<Recipient> recipients;
  const WireMessage* message = nullptr;
  bool needs_smtputf8 = false;
  // The relay is to make a sender for each recipient out of this one, with these two delimiters
  // (Postfix's XVERP), if it can. Empty: all share the sender as it is.
  std::string_view xverp;
  std::string_view dsn{};  // parameters of its MAIL, or empty
  // Its commands are sent one by one: sent ahead they were not understood.
  bool lockstep = false;
};

enum class Fate {
  delivered,      // the relay has taken it: its business now
  refused,        // for good, by a reply that is about this recipient
  left,           // not now, not there; the reply says why
  again,          // nothing was said about it: offer it once more, elsewhere or later
  misunderstood,  // the relay did not understand what was sent ahead: once more, in lockstep
  unanswered,     // the whole message was sent and no reply came: it may or may not be delivered
};

// Hears of each recipient: perhaps that it is in flight, then its fate, exactly once for each time
// it was given away. `reply` lives during the call.
class Outcomes {
 public:
  virtual ~Outcomes() = default;
  // The octets that can complete its delivery are about to be written.
  virtual void in_flight(std::uint64_t /*id*/) {}
  virtual void settled(std::uint64_t id, Fate fate, const Reply& reply) = 0;
};

}  // namespace ml
