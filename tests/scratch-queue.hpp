// A home with a queue in it, and short words for the tests that use one.
#pragma once

#include <catch2/catch.hpp>

#include <string_view>
#include <utility>

#include "queue/entry.hpp"
#include "queue/queue.hpp"
#include "scratch.hpp"

namespace ml::tests {

inline Queue open_queue(const Home& home, std::string_view name = "post") {
  auto queue = Queue::open(home, name, Create::yes);
  REQUIRE(queue);
  return std::move(*queue);
}

inline QueueEntry draft(const Queue& queue, std::string_view name, std::string_view text) {
  auto entry = QueueEntry::create(queue, name);
  REQUIRE(entry);
  REQUIRE(write_all(entry->fd(), text, "entry"));
  return std::move(*entry);
}

// For TEST_CASE_METHOD.
struct QueueHome {
  Scratch scratch;
  Home home = scratch.home();
  Queue queue = open_queue(home);
};

}  // namespace ml::tests
