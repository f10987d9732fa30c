// What ml-list check sees of a relay: whether it answers, where it is on this machine.
#pragma once

#include <optional>
#include <string>

namespace ml {

// Of --via. A URI that is none, or a relay on this machine that nobody listens on: why, for people.
// One elsewhere, or that is looked up, is not asked: nothing.
[[nodiscard]] std::optional<std::string> relay_fault(const std::string& uri);

}  // namespace ml
