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

// Does a pipeline that mail of this list can come to hand over to the relays of the site, or to the
// default one? Not where each ml-send has its --via.
[[nodiscard]] bool sends_by_relays_of_site(const Settings& settings);

}  // namespace ml
