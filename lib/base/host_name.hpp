// What this host calls itself.
#pragma once

#include <string>

namespace ml {

// As the kernel has it: with or without a domain, "localhost" where it has none. It may be anything
// that somebody set.
[[nodiscard]] std::string host_name();

}  // namespace ml
