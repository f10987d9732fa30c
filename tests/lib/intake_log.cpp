#include "queue/intake_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "queue/entry.hpp"
#include "queue/intake_recovery.hpp"
#include "queue/log_segment.hpp"
#include "queue/queue.hpp"
#include "scratch-queue.hpp"

using namespace ml;
using namespace ml::tests;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view other_boot = "00000000-1111-2222-3333-444444444444";
constexpr std::time_t long_ago = 1000000000;

// Of an age that nothing made here has by itself.
QueueEntry old_draft(const Queue& queue, std::string_view name, std::string_view text) {
  QueueEntry entry = draft(queue, name, text);
  REQUIRE(entry.set_age(long_ago));
  return entry;
}

LogSegment open_segment(const Home& home, unsigned number = 0) {
  auto segment = LogSegment::open(home, number, Create::yes);
  REQUIRE(segment);
  REQUIRE(segment->has_value());
  return std::move(**segment);
}

bool is_clean(const Home& home, unsigned number = 0) {
  const auto boot = open_segment(home, number).boot();
  REQUIRE(boot);
  return !boot->has_value();
}

// As a writer that is killed leaves it: logged, and visible.
void log_and_die(const Home& home, QueueEntry entry, std::string_view name,
                 std::string_view boot = other_boot) {
  LogSegment segment = open_segment(home);
  REQUIRE(segment.try_lock());
  LogGroup group;
  REQUIRE(group.add("post", name, entry.file()));
  REQUIRE(segment.append(group, boot));
  REQUIRE(entry.keep(Same::beside));
}

std::vector<std::string> places(const Queue& queue) {
  std::vector<std::string> found;
  REQUIRE(queue.each([&](const EntryFacts& facts) {
    CHECK(facts.born == long_ago);
    found.push_back(facts.place);
  }));
  std::ranges::sort(found);
  return found;
}

// --- what a segment's file holds

std::string segment_of(const Home& home, const Queue& queue,
                       const std::vector<std::vector<std::string>>& groups) {
  LogSegment segment = open_segment(home);
  for (const auto& texts : groups) {
    LogGroup group;
    for (const std::string& text : texts) {
      REQUIRE(group.add("post", "n" + text.substr(0, 3), old_draft(queue, "draft", text).file()));
    }
    REQUIRE(segment.append(group, other_boot));
  }
  auto octets = segment.octets();
  REQUIRE(octets);
  return std::move(*octets);
}

std::vector<std::string> texts_in(std::string_view octets) {
  std::vector<std::string> texts;
  LogReader reader(octets);
  while (const auto record = reader.next()) {
    CHECK(record->queue == "post");
    CHECK(record->name == "n" + std::string(record->octets.substr(0, 3)));
    texts.emplace_back(record->octets);
  }
  return texts;
}

}  // namespace

TEST_CASE_METHOD(QueueHome, "intake log: a segment gives back what it was given", "[intake-log]") {
  const std::string long_text(9000, 'x');
  const auto octets = segment_of(home, queue, {{"one", "", long_text}, {"two"}});
  CHECK(texts_in(octets) == std::vector<std::string>{"one", "", long_text, "two"});
}

TEST_CASE_METHOD(QueueHome, "intake log: a segment cut at any octet gives its whole groups",
                 "[intake-log]") {
  const auto octets = segment_of(home, queue, {{"one", "two"}, {"three"}});
  const std::vector<std::string> both{"one", "two", "three"};
  const std::vector<std::string> first{"one", "two"};
  for (std::size_t length = 0; length <= octets.size(); ++length) {
    const auto texts = texts_in(std::string_view(octets).substr(0, length));
    const bool is_known = texts.empty() || texts == first || texts == both;
    REQUIRE(is_known);
    if (texts.empty()) REQUIRE(length < 4096 + 16 + 2 * 22 + 2 * 8 + 6);
    if (length == octets.size()) REQUIRE(texts == both);
  }
}

TEST_CASE_METHOD(QueueHome, "intake log: no changed octet passes for a group", "[intake-log]") {
  const auto octets = segment_of(home, queue, {{"one", "two"}});
  for (std::size_t i = 4096; i < 4096 + 80; ++i) {
    std::string changed = octets;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    CHECK(texts_in(changed).empty());
  }
}

TEST_CASE_METHOD(QueueHome, "intake log: what an earlier use left behind does not count",
                 "[intake-log]") {
  LogSegment segment = open_segment(home);
  REQUIRE(segment.fill_up());
  for (const int groups : {3, 1}) {
    for (int i = 0; i < groups; ++i) {
      LogGroup group;
      REQUIRE(group.add("post", "nold", old_draft(queue, "draft", "old").file()));
      REQUIRE(segment.append(group, other_boot));
    }
    const auto octets = segment.octets();
    REQUIRE(octets);
    CHECK(texts_in(*octets).size() == static_cast<std::size_t>(groups));
    REQUIRE(segment.clean());
  }
  const auto octets = segment.octets();
  REQUIRE(octets);
  CHECK(texts_in(*octets).empty());
}

// --- recovery: a row of the table each

TEST_CASE_METHOD(QueueHome,
                 "intake log: after a power cut an entry that is gone is there again with its age",
                 "[intake-log]") {
  log_and_die(home, old_draft(queue, "one", "whole"), "one");
  const std::string file = queue.path(due_place("one"));
  fs::remove(file);
  REQUIRE(recover_intake(home));
  CHECK(places(queue) == std::vector{due_place("one")});
  CHECK(read_file(file, 100) == "whole");
  CHECK(is_clean(home));
  REQUIRE(recover_intake(home));
  CHECK(places(queue).size() == 1);
}

TEST_CASE_METHOD(QueueHome,
                 "intake log: after a power cut a damaged entry is whole wherever it waits",
                 "[intake-log]") {
  const auto damage = GENERATE(as<std::string>{}, "", "who", "whole", "\0\0\0\0\0", "zzzzzzzzz");
  const auto where = GENERATE(as<std::string>{}, "", "later/2000000000", "held");
  log_and_die(home, old_draft(queue, "one", "whole"), "one");
  std::string place = due_place("one");
  if (!where.empty()) {
    fs::create_directory(queue.path(where));
    fs::rename(queue.path(place), queue.path(where + "/one"));
    place = where + "/one";
  }
  std::ofstream(queue.path(place), std::ios::trunc) << damage;
  REQUIRE(recover_intake(home));
  CHECK(places(queue) == std::vector{place});
  CHECK(read_file(queue.path(place), 100) == "whole");
}

TEST_CASE_METHOD(QueueHome,
                 "intake log: after a power cut a cut entry is whole although its inode is another",
                 "[intake-log]") {
  const auto damage = GENERATE(as<std::string>{}, "", "who");
  log_and_die(home, old_draft(queue, "one", "whole"), "one");
  const std::string file = queue.path(due_place("one"));
  std::ofstream(file + ".new") << damage;
  fs::rename(file + ".new", file);
  REQUIRE(recover_intake(home));
  CHECK(places(queue) == std::vector{due_place("one")});
  CHECK(read_file(file, 100) == "whole");
}

TEST_CASE_METHOD(QueueHome, "intake log: an entry that somebody else put there stays as it is",
                 "[intake-log]") {
  log_and_die(home, old_draft(queue, "one", "whole"), "one");
  const std::string file = queue.path(due_place("one"));
  const auto logged = open_file(file, O_RDONLY);  // so that nobody else has its number
  REQUIRE(logged);
  fs::remove(file);
  REQUIRE(old_draft(queue, "one", "whole").keep());
  struct stat before{};
  REQUIRE(stat(file.c_str(), &before) == 0);
  REQUIRE(recover_intake(home));
  struct stat after{};
  REQUIRE(stat(file.c_str(), &after) == 0);
  CHECK(before.st_ino == after.st_ino);
  CHECK(places(queue).size() == 1);
}

TEST_CASE_METHOD(
    QueueHome,
    "intake log: where another entry has taken the name the logged one is kept beside it",
    "[intake-log]") {
  REQUIRE(old_draft(queue, "one", "first").keep());
  log_and_die(home, old_draft(queue, "one", "second"), "one");
  const std::string beside =
      queue.path(due_place(QueueEntry::name_beside("one", sha256("second"))));
  SECTION("as it was") {}
  SECTION("gone") {
    fs::remove(beside);
  }
  SECTION("damaged") {
    std::ofstream(beside, std::ios::trunc) << "zzzzzzzzz";
  }
  SECTION("and the first one is done") {
    fs::remove(queue.path(due_place("one")));
  }
  REQUIRE(recover_intake(home));
  CHECK(read_file(beside, 100) == "second");
  CHECK(places(queue).size() <= 2);
  REQUIRE(recover_intake(home));
}

TEST_CASE_METHOD(QueueHome,
                 "intake log: where only the process died nothing comes back that is done",
                 "[intake-log]") {
  log_and_die(home, old_draft(queue, "one", "whole"), "one", boot_id());
  fs::remove(queue.path(due_place("one")));
  REQUIRE(recover_intake(home));
  CHECK(places(queue).empty());
  CHECK(is_clean(home));
}

TEST_CASE_METHOD(QueueHome, "intake log: what a failed checkpoint doubts is written anew",
                 "[intake-log]") {
  log_and_die(home, old_draft(queue, "one", "whole"), "one", boot_id());
  REQUIRE(open_segment(home).doubt());
  const std::string file = queue.path(due_place("one"));
  const auto opened = open_file(file, O_RDONLY);
  REQUIRE(opened);
  REQUIRE(recover_intake(home));
  CHECK(!is_same_file(*opened, file));
  CHECK(read_file(file, 100) == "whole");
  CHECK(is_clean(home));
}

TEST_CASE_METHOD(QueueHome, "intake log: the segment of a writer that lives is left alone",
                 "[intake-log]") {
  log_and_die(home, old_draft(queue, "one", "whole"), "one", boot_id());
  const LogSegment lives = open_segment(home);
  REQUIRE(lives.try_lock());
  REQUIRE(recover_intake(home));
  CHECK(!is_clean(home));
}

TEST_CASE_METHOD(QueueHome, "intake log: two that recover at once restore an entry once",
                 "[intake-log]") {
  constexpr int count = 300;
  {
    LogSegment segment = open_segment(home);
    for (int i = 0; i < count; ++i) {
      const std::string name = "n" + std::to_string(i);
      LogGroup group;
      REQUIRE(group.add("post", name, old_draft(queue, name, "text of " + name).file()));
      REQUIRE(segment.append(group, other_boot));
    }
  }
  std::vector<pid_t> children;
  for (int i = 0; i < 2; ++i) {
    children.push_back(fork());
    if (children.back() == 0) _exit(recover_intake(scratch.home()) ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  CHECK(places(queue).size() == count);
  CHECK(is_clean(home));
}

// --- writing

TEST_CASE_METHOD(QueueHome, "intake log: a writer that leaves has its entries and clean segments",
                 "[intake-log]") {
  {
    IntakeLog log(home);
    Syncer syncer;
    for (int round = 0; round < 3; ++round) {
      std::vector<QueueEntry> drafts;
      for (int i = 0; i < 5; ++i) {
        const std::string name = "n" + std::to_string(round) + std::to_string(i);
        drafts.push_back(old_draft(queue, name, "text of " + name));
      }
      REQUIRE(QueueEntry::keep_all(drafts, log, syncer, Same::beside));
      CHECK(!is_clean(home));
    }
  }
  CHECK(places(queue).size() == 15);
  CHECK(is_clean(home, 0));
  CHECK(is_clean(home, 1));
}

TEST_CASE_METHOD(QueueHome, "intake log: more than both segments hold goes in without a wait",
                 "[intake-log]") {
  IntakeLog log(home);
  Syncer syncer;
  const std::string text(std::size_t{900} << 10, 'x');
  for (int round = 0; round < 12; ++round) {
    std::vector<QueueEntry> drafts;
    for (int i = 0; i < 4; ++i) {
      drafts.push_back(old_draft(queue, "n" + std::to_string(round * 4 + i), text));
    }
    REQUIRE(QueueEntry::keep_all(drafts, log, syncer, Same::beside));
  }
  CHECK(places(queue).size() == 48);
}

TEST_CASE_METHOD(QueueHome, "intake log: a group beyond its measure is kept by its files",
                 "[intake-log]") {
  IntakeLog log(home);
  Syncer syncer;
  const std::string text(LogGroup::largest / 4, 'x');
  std::vector<QueueEntry> drafts;
  for (int i = 0; i < 4; ++i) drafts.push_back(old_draft(queue, "n" + std::to_string(i), text));
  REQUIRE(QueueEntry::keep_all(drafts, log, syncer, Same::beside));
  CHECK(places(queue).size() == 4);
  CHECK(is_clean(home));
}
