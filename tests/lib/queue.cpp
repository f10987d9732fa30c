#include "queue/queue.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "queue/entry.hpp"
#include "scratch-queue.hpp"

using namespace ml;
using namespace ml::tests;

namespace {

void put(const Queue& queue, std::string_view name, std::string_view text) {
  REQUIRE(draft(queue, name, text).keep());
}

Taken take(const Queue& queue, std::string_view name) {
  const auto place = queue.find(name);
  REQUIRE(place);
  REQUIRE(place->has_value());
  auto taken = queue.take(**place);
  REQUIRE(taken);
  REQUIRE(taken->has_value());
  return std::move(**taken);
}

std::vector<EntryFacts> all(const Queue& queue) {
  std::vector<EntryFacts> found;
  REQUIRE(queue.each([&](const EntryFacts& facts) { found.push_back(facts); }));
  return found;
}

}  // namespace

TEST_CASE("queue: one that is not there is made only where that was asked", "[queue]") {
  const Scratch scratch;
  const Home home = scratch.home();
  CHECK(!Queue::open(home, "q", Create::no));
  CHECK(Queue::open(home, "q", Create::yes));
  CHECK(Queue::open(home, "q", Create::no));
  CHECK(Queue::names(home) == std::vector<std::string>{"q"});
}

TEST_CASE_METHOD(QueueHome, "queue: a taken entry is nobody else's until it is let go", "[queue]") {
  put(queue, "one", "text");
  {
    const Taken taken = take(queue, "one");
    const auto again = queue.take(due_place("one"));
    REQUIRE(again);
    CHECK(!again->has_value());
    CHECK(queue.is_taken(due_place("one")));
  }
  CHECK(!queue.is_taken(due_place("one")));
  CHECK(queue.take(due_place("one"))->has_value());
}

TEST_CASE_METHOD(QueueHome, "queue: what is put off is no longer due and keeps name and age",
                 "[queue]") {
  put(queue, "one", "text");
  const auto born = all(queue).front().born;
  REQUIRE(queue.put_off(take(queue, "one"), 600, {3, "busy"}));
  const auto entries = all(queue);
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].name == "one");
  CHECK(entries[0].waits == Waits::later);
  CHECK(entries[0].born == born);
  CHECK(entries[0].next >= std::time(nullptr) + 590);
  CHECK(entries[0].next <= std::time(nullptr) + 700);
}

TEST_CASE_METHOD(QueueHome, "queue: entries put off about the same time share a few directories",
                 "[queue]") {
  for (int i = 0; i < 40; ++i) {
    const std::string name = "e" + std::to_string(i);
    put(queue, name, "text");
    REQUIRE(queue.put_off(take(queue, name), 3600 + 10 * i, {}));
  }
  CHECK(queue.later()->size() <= 4);
}

TEST_CASE_METHOD(QueueHome,
                 "queue: an entry replaced while it is taken is neither removed nor taken twice",
                 "[queue]") {
  put(queue, "one", "first");
  const Taken taken = take(queue, "one");
  put(queue, "one", "second");
  CHECK(all(queue).front().waits == Waits::later);
  REQUIRE(queue.remove(taken));
  REQUIRE(all(queue).size() == 1);
  CHECK(all(queue).front().size == 6);
}

TEST_CASE_METHOD(QueueHome, "queue: the same octets again while an entry is put off change nothing",
                 "[queue]") {
  put(queue, "one", "first");
  REQUIRE(queue.put_off(take(queue, "one"), 600, {}));
  put(queue, "one", "first");
  REQUIRE(all(queue).size() == 1);
  CHECK(all(queue).front().waits == Waits::later);
}

TEST_CASE_METHOD(QueueHome,
                 "queue: beside keeps both where the octets differ and one where they do not",
                 "[queue]") {
  for (const char* const text : {"first", "second", "second", "first"}) {
    REQUIRE(draft(queue, "one", text).keep(Same::beside));
  }
  CHECK(all(queue).size() == 2);
}

TEST_CASE_METHOD(QueueHome, "queue: many kept at once are all there and leave no draft",
                 "[queue]") {
  std::vector<QueueEntry> drafts;
  for (int i = 0; i < 50; ++i) drafts.push_back(draft(queue, "e" + std::to_string(i), "text"));
  Syncer syncer;
  REQUIRE(QueueEntry::keep_all(drafts, syncer));
  drafts.clear();
  CHECK(all(queue).size() == 50);
  CHECK(std::filesystem::is_empty(scratch.path("queue/post/tmp")));
}

TEST_CASE_METHOD(QueueHome, "queue: an entry that moves while all are told of is told of once",
                 "[queue]") {
  put(queue, "due", "text");
  put(queue, "back", "text");
  REQUIRE(queue.put_off(take(queue, "back"), 600, {}));
  std::vector<std::string> told;
  REQUIRE(queue.each([&](const EntryFacts& facts) {
    told.push_back(facts.name);
    if (told.size() > 1) return;
    const auto place = queue.find("back");
    const auto back = queue.take(**place);
    CHECK(queue.release(**back));
    CHECK(queue.put_off(take(queue, "due"), 600, {}));
  }));
  CHECK(told == std::vector<std::string>{"due", "back"});
}

TEST_CASE_METHOD(QueueHome, "queue: what waits is what a runner would take now or later",
                 "[queue]") {
  CHECK(!*queue.has_waiting());
  put(queue, "one", "text");
  CHECK(*queue.has_waiting());
  REQUIRE(queue.put_off(take(queue, "one"), 600, {}));
  CHECK(*queue.has_waiting());
  REQUIRE(queue.hold(**queue.take(**queue.find("one"))));
  CHECK(!*queue.has_waiting());
}

TEST_CASE("queue: a move to a name that is taken loses neither entry", "[queue]") {
  const Scratch scratch;
  const Home home = scratch.home();
  const Queue from = open_queue(home, "a");
  const Queue to = open_queue(home, "b");
  put(from, "one", "first");
  put(to, "one", "second");
  REQUIRE(from.move(take(from, "one"), to, "one", {}));
  CHECK(all(from).empty());
  CHECK(all(to).size() == 2);
}

TEST_CASE_METHOD(QueueHome, "queue: a runner is seen while it lives and no longer", "[queue]") {
  CHECK(!queue.has_runner());
  {
    const auto slot = queue.become_runner(1);
    REQUIRE(slot);
    REQUIRE(slot->has_value());
    CHECK(queue.has_runner());
    CHECK(!queue.become_runner(1)->has_value());
    CHECK(queue.become_runner(2)->has_value());
  }
  CHECK(!queue.has_runner());
}

TEST_CASE("queue: a pause grows with the age between its bounds and by at most a quarter more",
          "[queue]") {
  CHECK(growing_pause(0, 60, 3600, 0) == 60);
  CHECK(growing_pause(600, 60, 3600, 0) == 600);
  CHECK(growing_pause(100000, 60, 3600, 0) == 3600);
  for (std::uint64_t random = 0; random < 1000; ++random) {
    const auto pause = growing_pause(600, 60, 3600, random);
    CHECK((pause >= 600 && pause <= 750));
  }
}
