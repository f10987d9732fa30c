// What a relay is asked to take, and what becomes of it: the words between the stage that owns the
// recipients and whatever delivers to them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "smtp/reply.hpp"
#include "smtp/verdict.hpp"

namespace ml {

// A message in both its forms, each in as many pieces as suit its owner.
struct WireMessage {
  std::vector<std::string_view> pieces;  // as text_to_wire makes them, dots doubled
  std::uint64_t size = 0;                // of these pieces, in octets
  bool has_8bit = false;
  std::vector<std::string_view> text;  // with LF line ends, for those who take files
};

struct Recipient {
  std::uint64_t id = 0;      // the owner's name for it
  std::string_view address;  // parsed and found good: never a control, never a bracket or blank
                             // outside a quoted string
};

// One MAIL, its RCPTs, its message. The views live until every recipient is settled.
struct Transaction {
  std::string_view sender;  // parsed and found good; empty: the null sender
  std::vector<Recipient> recipients;
  const WireMessage* message = nullptr;
  bool needs_smtputf8 = false;
};

enum class Fate {
  delivered,   // the relay has taken it: its business now
  refused,     // for good, by a reply that is about this recipient
  left,        // not now, not there; the reply says why
  again,       // nothing was said about it: offer it once more, elsewhere or later
  unanswered,  // the whole message was sent and no reply came: it may or may not be delivered
};

// Hears the fate of each recipient, exactly once for each time it was given away. `reply` lives
// during the call.
class Outcomes {
 public:
  virtual ~Outcomes() = default;
  virtual void settled(std::uint64_t id, Fate fate, const Reply& reply) = 0;
};

}  // namespace ml
