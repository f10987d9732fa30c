// ml-queue put: standard input, or files, into a queue.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/queue.hpp"

namespace ml {

// Standard input as one entry of the queue, made where there is none; or each file as one, which
// has no `name`: 75 with one. Returns when all are durable: files a few hundred for the price of
// one, none of which can be relied on when this fails. Says so where an entry is there and nobody
// runs the queue.
//
// An ml-stream is stored only after every section has had its `end 0`; a section without a message
// is left out, and a stream of none stores nothing and is done. A failed end is the status here; a
// cut stream is 75; so is an input of no octets, which makes no queue. Neither stores anything.
//
// `name`: of the entry, replacing one of that name. Nothing: the id of a stream's first message,
// beside another entry of that name with other octets; for anything else a name of its own.
[[nodiscard]] Result<Status> put_into(const Home& home, const std::string& queue,
                                      const std::vector<std::string>& files,
                                      const std::optional<std::string>& name);

}  // namespace ml
