// A stream of refused recipients, as ml-send and the queues write it, read by ml-bounce: a relay's
// word at the time of delivery is a bounce that needs no decoding.
#pragma once

#include "base/result.hpp"
#include "stage/bounce_home.hpp"
#include "stage/bounce_steps.hpp"
#include "stream/reader.hpp"

namespace ml {

// Marks them. The first failure, in a section or in judging it; a record that is no refusal for
// good is 75, when all others of its section are marked, and so is a section that names no list.
[[nodiscard]] Result<Status> judge_refusals(Reader& in, BounceHome& home, BounceSteps& steps);

}  // namespace ml
