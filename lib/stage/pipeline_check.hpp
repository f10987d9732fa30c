// What ml-list check sees of the pipelines of a list before any mail goes through them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "list/settings.hpp"

namespace ml {

// A fault a line, for people: a pipeline without a stage, a stage that is no program, a last stage
// that delivers nothing. `programs`: the directory of ours. What the shell runs is not looked into.
[[nodiscard]] std::vector<std::string> pipeline_faults(const Settings& settings,
                                                       std::string_view programs);

}  // namespace ml
