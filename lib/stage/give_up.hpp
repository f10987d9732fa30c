// A stream that was tried for days: its recipients become records for ml-bounce (RFC 3463 4.4.7,
// delivery time expired), in the queue `bounces`, and never mail to its author.
//
//   auto told = tell_bounces(home, taken, "4.4.7 given up after 432000 s: ...", *rest);
//   if (told && *told == SectionsTold::all) queue.remove(taken);
//   if (told && *told == SectionsTold::some) queue.replace(taken, rest->draft(), ...);
#pragma once

#include <string_view>

#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/entry.hpp"
#include "queue/queue.hpp"

namespace ml {

// The sections of an entry that were told.
enum class SectionsTold { nothing, some, all };

// Stores, durably, the entry's sections that have a list and recipients, each recipient with
// status=4.4.7 and with reply= and relay= of the last attempt by its journal, else the reply= that
// the entry has, else `why`; and wakes the runner of that queue. The other sections are written to
// the draft `rest` where there are both. SectionsTold::nothing, and nothing stored or written: no
// whole ml-stream, or one without such a section.
[[nodiscard]] Result<SectionsTold> tell_bounces(const Home& home, const Taken& taken,
                                                std::string_view why, const QueueEntry& rest);

}  // namespace ml
