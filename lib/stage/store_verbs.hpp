// The verbs of ml-store: the command line of each, and what is called for it.
//
//   constexpr std::array verbs{Verb{"count", store_verb::count, "LIST", "how many there are"}};
#pragma once

#include "base/result.hpp"
#include "base/verbs.hpp"

namespace ml::store_verb {

[[nodiscard]] Result<Status> import_list(VerbLine& line);
[[nodiscard]] Result<Status> export_list(VerbLine& line);
[[nodiscard]] Result<Status> add(VerbLine& line);
[[nodiscard]] Result<Status> remove(VerbLine& line);
[[nodiscard]] Result<Status> set(VerbLine& line);
[[nodiscard]] Result<Status> show(VerbLine& line);
[[nodiscard]] Result<Status> count(VerbLine& line);
[[nodiscard]] Result<Status> suppress(VerbLine& line);
[[nodiscard]] Result<Status> unsuppress(VerbLine& line);
[[nodiscard]] Result<Status> suppressed(VerbLine& line);
[[nodiscard]] Result<Status> check(VerbLine& line);
[[nodiscard]] Result<Status> copy(VerbLine& line);

}  // namespace ml::store_verb
