// What a person asks of single entries: look, try now, hold, release, remove.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/queue.hpp"

namespace ml {

enum class Ask {
  retry,    // due now; from the queue `failed`, due in the queue where it failed
  hold,     // no runner takes it
  release,  // due again: in `to`, which is made; without one in its own, from `held` in its role's
  remove,
};

// Does it for each name, and says which it could not: 1 if one is not there, 75 if a command has
// one just now. No names: with Ask::retry all that wait for their time, else Status::usage. A queue
// that runs by itself (stage/runner.hpp) and in which something is due by it has a runner then.
[[nodiscard]] Result<Status> ask(const Home& home, const std::string& queue, Ask what,
                                 const std::vector<std::string>& names,
                                 const std::optional<std::string>& to = {});

// The octets of an entry to standard output. Not there: 1.
[[nodiscard]] Result<Status> show_entry(const Queue& queue, const std::string& name);

}  // namespace ml
