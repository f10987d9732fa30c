// One bounce message: whose it is, by the addresses that it may have come to; what it says of them,
// by the reports in it; and what is done about that.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "stage/bounce_home.hpp"
#include "stage/bounce_steps.hpp"

namespace ml {

// `recipients`: the addresses that it came to, where that is known; else its header tells. Why
// nobody is marked is told to the log. A failure is the store's, or of writing.
[[nodiscard]] Result<> judge_bounce(std::string message, const std::vector<std::string>& recipients,
                                    BounceHome& home, BounceSteps& steps);

}  // namespace ml
