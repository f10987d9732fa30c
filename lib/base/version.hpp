// The version of the suite, as --version prints it.
#pragma once

#include <string_view>

namespace ml {

inline constexpr std::string_view version = "0.1.0";

}  // namespace ml
