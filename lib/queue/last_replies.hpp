// What was last said of each recipient of a message, by a relay or by ourselves of why none was
// asked, out of the log of its journal: for those who are told in the end. It remembers where in
// the log that stands, a dozen octets a slot.
//
//   auto last = LastReplies::read(directory, slots);
//   auto said = last->of(slot);                 // *said: nothing, or relay and reply
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "queue/journal_log.hpp"

namespace ml {

class LastReplies {
 public:
  struct Said {
    std::string relay;  // "-": none was asked
    std::string reply;  // "450 4.2.0 later", printable
  };

  // Of a journal with so many slots.
  [[nodiscard]] static Result<LastReplies> read(std::string directory, SlotNumber slots);
  // Why the recipient does not have the message. Nothing: no line says so, for a kill may have
  // taken it.
  [[nodiscard]] Result<std::optional<Said>> of(SlotNumber slot);

 private:
  std::string directory_;
  std::vector<std::optional<LogPlace>> places_;  // by slot
  std::string room_;
};

}  // namespace ml
