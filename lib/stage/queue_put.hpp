// ml-queue put: standard input, or files, into a queue.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/queue.hpp"

namespace ml {

// Stores what `fd` says as one entry and returns when it is durable. An ml-stream is stored only
// after every section has had its `end 0`; a section without a message is left out, and a stream
// of none stores nothing and is done. A failed end is the status here; a cut stream, and an input
// of no octets, is 75. Neither stores anything.
//
// `name`: of the entry, replacing one of that name. Nothing: the id of a stream's first message,
// beside another entry of that name with other octets; for anything else a name of its own.
// True if an entry is there now.
[[nodiscard]] Result<bool> put(int fd, const Queue& queue, const std::optional<std::string>& name);

// Each file as put() would store it from its descriptor, but a few hundred for the price of one:
// they are durable when this returns, none can be relied on when it fails.
[[nodiscard]] Result<bool> put_files(const std::vector<std::string>& files, const Queue& queue);

// Standard input as an entry of the queue, made where there is none; or the files, which have no
// `name`: 75 with one. Says so where an entry is there and nobody runs the queue.
[[nodiscard]] Result<Status> put_into(const Home& home, const std::string& queue,
                                      const std::vector<std::string>& files,
                                      const std::optional<std::string>& name);

}  // namespace ml
