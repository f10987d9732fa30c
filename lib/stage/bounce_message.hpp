// The input of ml-bounce as one message.
#pragma once

#include <string>

#include "base/result.hpp"

namespace ml {

// The whole message as far as it is of use, behind what is `begun` of it already; the rest is read
// and dropped, so that nobody who writes it to us sees a closed pipe.
[[nodiscard]] Result<std::string> read_bounce(int input, std::string begun);

}  // namespace ml
