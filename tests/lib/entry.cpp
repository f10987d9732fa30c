#include "queue/entry.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "scratch.hpp"

using namespace ml;
using ml::tests::Scratch;

namespace {

// Every file below the queue, the drafts too, each below the home.
std::vector<std::string> files(const Scratch& scratch) {
  std::vector<std::string> found;
  const std::string queue = scratch.path("queue");
  if (!std::filesystem::exists(queue)) return found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(queue)) {
    if (!entry.is_directory() && entry.path().filename() != "synced") {
      found.push_back(std::filesystem::relative(entry.path(), scratch.path("")).string());
    }
  }
  return found;
}

void put(const Home& home, std::string_view name, std::string_view text) {
  auto entry = QueueEntry::create(home, "held", name);
  REQUIRE(entry);
  REQUIRE(write_all(entry->fd(), text, "entry"));
  REQUIRE(entry->keep());
}

}  // namespace

TEST_CASE("entry: one that is kept stands in its hashed directory for its owner alone", "[queue]") {
  const Scratch scratch;
  const Home home = scratch.home();
  put(home, "r1", "text\n");
  const std::string path = "queue/held/" + due_place("r1");
  CHECK(files(scratch) == std::vector{path});
  CHECK(path.substr(12) == "/r1");
  CHECK(scratch.read(path) == "text\n");
  struct stat about{};
  REQUIRE(stat(home.path(path).c_str(), &about) == 0);
  CHECK((about.st_mode & 07777) == 0600);
}

TEST_CASE("entry: one that is not kept leaves nothing", "[queue]") {
  const Scratch scratch;
  const Home home = scratch.home();
  {
    auto entry = QueueEntry::create(home, "held", "r1");
    REQUIRE(entry);
    REQUIRE(write_all(entry->fd(), "half", "entry"));
    CHECK(files(scratch).size() == 1);
    const QueueEntry moved = std::move(*entry);
    CHECK(files(scratch).size() == 1);
  }
  CHECK(files(scratch).empty());
}

TEST_CASE("entry: the same name twice is one entry", "[queue]") {
  const Scratch scratch;
  const Home home = scratch.home();
  put(home, "r1", "first");
  put(home, "r1", "second");
  CHECK(files(scratch).size() == 1);
  CHECK(scratch.read("queue/held/" + due_place("r1")) == "second");
}

TEST_CASE("entry: a process that dies before keep leaves no entry", "[queue]") {
  const Scratch scratch;
  const Home home = scratch.home();
  const pid_t child = fork();
  if (child == 0) {
    const auto entry = QueueEntry::create(home, "held", "r1");
    _exit(entry && write_all(entry->fd(), "half", "entry") ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  const auto found = files(scratch);
  REQUIRE(found.size() == 1);
  CHECK(found.front().substr(0, 15) == "queue/held/tmp/");
}

TEST_CASE("entry: a name that could leave the queue is refused", "[queue]") {
  const Scratch scratch;
  const Home home = scratch.home();
  const std::string long_name(65, 'x');
  for (const std::string& name :
       {std::string(), std::string(".."), std::string("../x"), std::string("a/b"),
        std::string(".x"), std::string("a b"), std::string("a\0b", 3), long_name}) {
    CAPTURE(name);
    CHECK(!QueueEntry::create(home, "held", name));
    CHECK(!QueueEntry::create(home, name, "r1"));
  }
}
