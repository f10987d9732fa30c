// The verbs of ml-queue: the command line of each, and what is called for it.
//
//   constexpr std::array verbs{Verb{"put", queue_verb::put, "QUEUE [FILE...]", "store an entry"}};
#pragma once

#include "base/result.hpp"
#include "base/verbs.hpp"

namespace ml::queue_verb {

[[nodiscard]] Result<Status> put(VerbLine& line);
[[nodiscard]] Result<Status> run(VerbLine& line);
[[nodiscard]] Result<Status> list(VerbLine& line);
[[nodiscard]] Result<Status> show(VerbLine& line);
[[nodiscard]] Result<Status> retry_entries(VerbLine& line);
[[nodiscard]] Result<Status> hold(VerbLine& line);
[[nodiscard]] Result<Status> release(VerbLine& line);
[[nodiscard]] Result<Status> remove(VerbLine& line);

}  // namespace ml::queue_verb
