// What waits in the queues, for people and for monitors.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/home.hpp"
#include "base/json.hpp"
#include "base/result.hpp"
#include "queue/queue.hpp"

namespace ml {

// One line an entry, TABs between: name, state (due, running, later or held), age, time to the
// next attempt, recipients ("-" where it is no ml-stream or names none), octets, attempts, last
// reason. By age, oldest first. JSON: an array of objects, times in seconds.
// Of the queue held, whose entries are held, also list, From and Subject of each post.
// Of a queue that our programs make by themselves (create_if_own()) there is none before its first.
[[nodiscard]] Result<std::string> entries_text(const Home& home, std::string_view queue, Form form);

// One line a queue: name, entries due, later and held, age of the oldest, octets, and whether a
// runner is there.
[[nodiscard]] Result<std::string> queues_text(const Home& home, Form form);

// The same numbers for Prometheus, written beside `file` and renamed to it.
[[nodiscard]] Result<> write_metrics(const Home& home, const std::string& file);

// One entry, as in entries_text; nothing if it is not there.
[[nodiscard]] Result<std::optional<std::string>> entry_text(const Queue& queue,
                                                            std::string_view name, Form form);

// The first message of an entry that is a stream, else Status::no; nothing if it is not there.
[[nodiscard]] Result<std::optional<std::string>> entry_message(const Queue& queue,
                                                               std::string_view name);

}  // namespace ml
