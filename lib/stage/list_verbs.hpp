// The verbs of ml-list: the command line of each, and what is called for it.
//
//   constexpr std::array verbs{Verb{"route", list_verb::route, "ADDRESS", "whose it is"}};
#pragma once

#include "base/result.hpp"
#include "base/verbs.hpp"

namespace ml::list_verb {

[[nodiscard]] Result<Status> create(VerbLine& line);
[[nodiscard]] Result<Status> show(VerbLine& line);
[[nodiscard]] Result<Status> remove(VerbLine& line);
[[nodiscard]] Result<Status> check(VerbLine& line);
[[nodiscard]] Result<Status> route(VerbLine& line);
[[nodiscard]] Result<Status> mta(VerbLine& line);

}  // namespace ml::list_verb
