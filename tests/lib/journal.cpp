#include "queue/journal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "queue/journals.hpp"
#include "scratch.hpp"

using namespace ml;
using ml::tests::Scratch;

namespace {

constexpr std::int64_t now = 1'795'000'000;

JournalTerms terms(std::string id = "r1") {
  JournalTerms these;
  these.id = std::move(id);
  these.message.emplace().fill(7);
  return these;
}

Journal open_journal(const Home& home, const JournalTerms& these = terms()) {
  auto journal = Journal::open(home, these, now);
  if (!journal) FAIL(journal.error().text);
  return std::move(*journal);
}

// What the journal knows of an address, as its letter; '-' for nothing.
char known(Journal& journal, std::string_view address) {
  const auto before = journal.before(address);
  REQUIRE(before);
  return before->outcome ? static_cast<char>(*before->outcome) : '-';
}

SlotNumber begin(Journal& journal, std::string_view address) {
  const auto before = journal.before(address);
  REQUIRE(before);
  const auto slot = journal.reserve(*before);
  REQUIRE(slot);
  journal.fly(*slot, now);
  return *slot;
}

SlotNumber settle(Journal& journal, std::string_view address, Outcome outcome) {
  const SlotNumber slot = begin(journal, address);
  REQUIRE(journal.settle(slot, outcome, {.address = address, .relay = "relay", .reply = "250 ok"},
                         now));
  return slot;
}

std::string address(int number) {
  return "user" + std::to_string(number) + "@example.org";
}

// Closes a journal whose recipients from address(1) on have these outcomes; gives the terms of an
// entry that keeps what is left.
JournalTerms closed_with(const Home& home, std::initializer_list<Outcome> outcomes) {
  Journal journal = open_journal(home);
  JournalTerms entry = terms();
  const auto mark = journal.mark();
  REQUIRE(mark);
  entry.mark = *mark;
  int number = 0;
  for (const Outcome outcome : outcomes) settle(journal, address(++number), outcome);
  REQUIRE(journal.close(now));
  return entry;
}

std::filesystem::path directory(const Home& home) {
  return home.path(journal_path("r1", ""));
}

// Runs `run` in a child that dies of SIGKILL wherever run() asks for it.
void in_killed_child(const std::function<void()>& run) {
  const pid_t child = fork();
  if (child == 0) {
    run();
    raise(SIGKILL);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
}

}  // namespace

TEST_CASE("journal: a new one knows nobody", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  Journal journal = open_journal(home);
  CHECK_FALSE(journal.closed());
  CHECK(known(journal, address(1)) == '-');
}

TEST_CASE("journal: who is delivered or refused is settled for the next run and nobody else is",
          "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  const std::map<Outcome, bool> settled{{Outcome::delivered, true},
                                        {Outcome::refused, true},
                                        {Outcome::left, true},
                                        {Outcome::deferred, false},
                                        {Outcome::unanswered, false}};
  {
    Journal journal = open_journal(home);
    for (const auto& [outcome, is] : settled) {
      settle(journal, std::string(1, static_cast<char>(outcome)) + "@x.org", outcome);
    }
  }
  Journal again = open_journal(home);
  for (const auto& [outcome, is] : settled) {
    const auto before = again.before(std::string(1, static_cast<char>(outcome)) + "@x.org");
    REQUIRE(before);
    REQUIRE(before->outcome == outcome);
    CHECK(again.is_settled(*before) == is);
  }
}

TEST_CASE("journal: a kill after each record leaves every record before it", "[journal]") {
  constexpr int recipients = 5;
  // Two steps a recipient: in flight, then delivered.
  for (int steps = 0; steps <= 2 * recipients; ++steps) {
    const Scratch scratch;
    const Home home = scratch.home();
    in_killed_child([&] {
      Journal journal = open_journal(home);
      for (int step = 0; step < steps; step += 2) {
        const SlotNumber slot = begin(journal, address(step / 2));
        if (step + 1 == steps) raise(SIGKILL);
        REQUIRE(journal.settle(slot, Outcome::delivered, {}, now));
      }
      raise(SIGKILL);
    });
    Journal journal = open_journal(home);
    for (int i = 0; i < recipients; ++i) {
      const char want = 2 * i + 1 < steps ? 'D' : 2 * i < steps ? 'U' : '-';
      CHECK(known(journal, address(i)) == want);
    }
  }
}

TEST_CASE("journal: a recipient taken up again keeps its one slot", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  SlotNumber slot{};
  {
    Journal journal = open_journal(home);
    slot = settle(journal, address(1), Outcome::deferred);
  }
  {
    Journal journal = open_journal(home);
    CHECK(settle(journal, address(1), Outcome::delivered) == slot);
  }
  Journal journal = open_journal(home);
  CHECK(known(journal, address(1)) == 'D');
}

TEST_CASE("journal: the fuse takes a refusal back", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  {
    Journal journal = open_journal(home);
    const SlotNumber slot = begin(journal, address(1));
    REQUIRE(journal.settle(slot, Outcome::refused, {}, now));
    REQUIRE(journal.amend(slot, Outcome::deferred, {}, now));
  }
  Journal journal = open_journal(home);
  CHECK(known(journal, address(1)) == 'T');
}

TEST_CASE("journal: each refusal is told once whoever else there is", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  const auto refused = [](Journal& journal, int number) {
    const auto before = journal.before(address(number));
    REQUIRE(before);
    REQUIRE(before->outcome == Outcome::refused);
    CHECK(journal.is_settled(*before));
    return *before;
  };
  {
    Journal journal = open_journal(home);
    settle(journal, address(0), Outcome::delivered);
    const SlotNumber first = begin(journal, address(1));
    REQUIRE(journal.settle(first, Outcome::refused, {}, now));
    REQUIRE(journal.told(first));
    settle(journal, address(2), Outcome::refused);
  }
  {
    // Not all of them come again: the first two do not.
    Journal journal = open_journal(home);
    const auto second = refused(journal, 2);
    CHECK_FALSE(second.told);
    REQUIRE(journal.told(*second.slot));
    REQUIRE(journal.close(now));
  }
  Journal journal = open_journal(home);
  CHECK(refused(journal, 1).told);
  CHECK(refused(journal, 2).told);
  REQUIRE(journal.closed());
  CHECK(journal.closed()->totals.refused == 2);
}

TEST_CASE("journal: whose refusal nobody was told of waits for a run that meets him", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  {
    Journal journal = open_journal(home);
    settle(journal, "has@x.org", Outcome::delivered);
    settle(journal, "refused@x.org", Outcome::refused);
    settle(journal, "later@x.org", Outcome::deferred);
    const SlotNumber told = begin(journal, "told@x.org");
    REQUIRE(journal.settle(told, Outcome::refused, {}, now));
    REQUIRE(journal.told(told));
    settle(journal, "met@x.org", Outcome::refused);
  }
  Journal journal = open_journal(home);
  CHECK(known(journal, "met@x.org") == 'R');
  std::string waiting;
  for (const std::string who : {"has", "refused", "later", "told", "met", "unknown"}) {
    const auto waits = journal.waits_unmet(who + "@x.org");
    REQUIRE(waits);
    if (*waits) waiting += who + ' ';
  }
  CHECK(waiting == "refused later unknown ");
}

TEST_CASE("journal: a message to one person costs a page", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  Journal journal = open_journal(home);
  settle(journal, address(1), Outcome::delivered);
  CHECK(std::filesystem::file_size(directory(home) / "slots.0000") == 4096);
  for (int i = 2; i < 1000; ++i) settle(journal, address(i), Outcome::delivered);
  CHECK(std::filesystem::file_size(directory(home) / "slots.0000") == 65'536);
}

TEST_CASE("journal: the entry that keeps the left ones sends to them and no other stream does",
          "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  const std::string mark = closed_with(home, {Outcome::left}).mark;
  for (const auto& [bears, settled] :
       std::map<std::string, bool>{{"", true}, {"another", true}, {mark, false}}) {
    JournalTerms these = terms();
    these.mark = bears;
    Journal journal = open_journal(home, these);
    const auto before = journal.before(address(1));
    REQUIRE(before);
    CHECK(journal.is_settled(*before) == settled);
    CHECK(journal.closed().has_value() == bears.empty());
    CHECK(*journal.mark() == mark);
  }
}

TEST_CASE("journal: an entry whose journal was pruned is sent and not done", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  const JournalTerms these = closed_with(home, {Outcome::left});
  const auto pruned = prune_journals(home, now + 10'000'000'000, 1, 20'000'000'000);
  REQUIRE(pruned);
  CHECK(*pruned == 1);
  CHECK(open_journal(home).closed());
  Journal journal = open_journal(home, these);
  CHECK_FALSE(journal.closed());
  CHECK(journal.is_from_entry());
  CHECK(known(journal, address(1)) == '-');
}

TEST_CASE("journal: a second run of one id is told who holds it", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  const Journal journal = open_journal(home);
  const auto second = Journal::open(home, terms(), now);
  REQUIRE_FALSE(second);
  CHECK(second.error().status == Status::retry);
  CHECK(second.error().text.find(std::to_string(getpid())) != std::string::npos);
  CHECK(Journal::open(home, terms("r2"), now));
}

TEST_CASE("journal: another message under the same id is refused", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  { const Journal journal = open_journal(home); }
  JournalTerms other = terms();
  other.message->fill(8);
  const auto opened = Journal::open(home, other, now);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().text.find("another message") != std::string::npos);
}

TEST_CASE("journal: whatever of it cannot be made durable is not tried again", "[journal]") {
  const auto durable = GENERATE(
      as<std::function<Result<>(Journal&)>>(), [](Journal& journal) { return journal.sync(now); },
      [](Journal& journal) { return journal.sync_if_due(now + 10); });
  const Scratch scratch;
  const Home home = scratch.home();
  Journal journal = open_journal(home);
  settle(journal, address(1), Outcome::delivered);
  const auto aside = directory(home).string() + "-away";
  std::filesystem::rename(directory(home), aside);
  CHECK_FALSE(durable(journal));
  std::filesystem::rename(aside, directory(home));
  CHECK_FALSE(durable(journal));
  CHECK_FALSE(journal.close(now));
  CHECK_FALSE(std::filesystem::exists(directory(home) / "closed"));
}

TEST_CASE("journal: no link leads it out of its home", "[journal]") {
  const auto link = GENERATE(as<std::string>(), "", "slots.0000", "log.0000", ".head", "lock");
  const Scratch scratch;
  const Home home = scratch.home();
  const auto elsewhere = scratch.path("elsewhere");
  if (link.empty()) {
    std::filesystem::create_directory(elsewhere);
    std::filesystem::create_directories(directory(home).parent_path());
  } else {
    std::ofstream(elsewhere) << "theirs";
    std::filesystem::create_directories(directory(home));
  }
  std::filesystem::create_symlink(elsewhere,
                                  link.empty() ? directory(home) : directory(home) / link);
  auto journal = Journal::open(home, terms(), now);
  if (journal && link == "slots.0000") {
    const auto before = journal->before(address(1));
    REQUIRE(before);
    CHECK_FALSE(journal->reserve(*before));
  } else {
    CHECK_FALSE(journal);
  }
  if (link.empty()) CHECK(std::filesystem::is_empty(elsewhere));
  if (!link.empty()) CHECK(std::filesystem::file_size(elsewhere) == 6);
}

TEST_CASE("journal: whoever only looks whether it is in use keeps nobody from it", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  closed_with(home, {Outcome::delivered});
  // Looks until somebody has opened it, as ml-log does.
  const pid_t looker = fork();
  if (looker == 0) {
    for (;;) {
      const int fd = ::open((directory(home) / "lock").c_str(), O_RDONLY);
      flock(fd, LOCK_SH | LOCK_NB);
      ::close(fd);
    }
  }
  bool open = true;
  for (int i = 0; i < 200; ++i) open = Journal::open(home, terms(), now).has_value() && open;
  kill(looker, SIGKILL);
  waitpid(looker, nullptr, 0);
  CHECK(open);
}

TEST_CASE("journal: the parts of one sharing out stand beside each other", "[journal]") {
  const Scratch scratch;
  const Home home = *open_home(scratch.path("home"), Create::yes);
  JournalTerms part = terms("m.1");
  part.part = "1/2";
  Journal first = open_journal(home, part);
  settle(first, "ann@example.org", Outcome::delivered);
  part.part = "2/2";
  Journal second = open_journal(home, part);
  CHECK(known(second, "ann@example.org") == '-');
}

TEST_CASE("journal: the whole or another sharing out of a begun message is refused", "[journal]") {
  const auto [begun, next] = GENERATE(table<std::string, std::string>(
      {{"1/2", "1/3"}, {"1/2", "3/3"}, {"1/2", ""}, {"", "1/2"}, {"", "1/1"}}));
  const Scratch scratch;
  const Home home = *open_home(scratch.path("home"), Create::yes);
  JournalTerms these = terms("m.1");
  these.part = begun;
  { const Journal journal = open_journal(home, these); }
  these.part = next;
  const auto refused = Journal::open(home, these, now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().status == Status::retry);
  CHECK(refused.error().text.find("m.1 was begun as") == 0);
  // Nor does the attempt stand in the way of those who go on as it was begun.
  these.part = begun;
  CHECK(Journal::open(home, these, now));
}

TEST_CASE("journal: an id that begins like another is none of its parts", "[journal]") {
  const Scratch scratch;
  const Home home = *open_home(scratch.path("home"), Create::yes);
  // All below one directory, whatever their hashes are.
  for (int i = 0; i < 3000; ++i) {
    const std::string id = fmt::format("m.{}", i);
    if (!journal_path(id, "").starts_with(journal_path("m", "").substr(0, 11))) continue;
    const Journal journal = open_journal(home, terms(id));
  }
  JournalTerms part = terms("m");
  part.part = "1/2";
  CHECK(Journal::open(home, part, now));
}

TEST_CASE("journal: a part is a number of a number", "[journal]") {
  const Scratch scratch;
  const Home home = *open_home(scratch.path("home"), Create::yes);
  JournalTerms these = terms();
  these.part = GENERATE(as<std::string>(), "2", "0/2", "3/2", "1/", "/2", "1/2/3", "a/b", "../x");
  const auto refused = Journal::open(home, these, now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find("not of the form K/N") != std::string::npos);
}

TEST_CASE("journal: a closed one says when and how many until it is begun anew", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  {
    Journal journal = open_journal(home);
    settle(journal, address(1), Outcome::deferred);
    settle(journal, address(2), Outcome::delivered);
  }
  {
    Journal journal = open_journal(home);
    settle(journal, address(1), Outcome::delivered);
    for (int i = 3; i < 5; ++i) settle(journal, address(i), Outcome::refused);
    for (int i = 5; i < 8; ++i) settle(journal, address(i), Outcome::left);
    REQUIRE(journal.close(now + 5));
  }
  {
    const Journal journal = open_journal(home);
    REQUIRE(journal.closed());
    CHECK(journal.closed()->time == now + 5);
    CHECK(journal.closed()->totals.delivered == 2);
    CHECK(journal.closed()->totals.refused == 2);
    CHECK(journal.closed()->totals.left == 3);
  }
  REQUIRE(Journal::begin_anew(home, terms()));
  Journal journal = open_journal(home);
  CHECK_FALSE(journal.closed());
  CHECK(known(journal, address(1)) == '-');
}

TEST_CASE("journal: a closed one is opened again for who is new and closed with all", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  {
    Journal journal = open_journal(home);
    settle(journal, address(1), Outcome::delivered);
    settle(journal, address(2), Outcome::left);
    REQUIRE(journal.close(now));
  }
  // Killed before, and after, somebody new is in flight.
  for (const bool flies : {false, true}) {
    in_killed_child([&] {
      Journal journal = open_journal(home);
      const auto before = journal.before(address(3));
      REQUIRE(before);
      const auto slot = journal.reserve(*before);
      REQUIRE(slot);
      if (flies) journal.fly(*slot, now);
      raise(SIGKILL);
    });
    CHECK_FALSE(std::filesystem::exists(directory(home) / "closed"));
    Journal journal = open_journal(home);
    CHECK_FALSE(journal.closed());
    CHECK(known(journal, address(1)) == 'D');
    CHECK(known(journal, address(2)) == 'L');
    CHECK(known(journal, address(3)) == (flies ? 'U' : '-'));
  }
  {
    Journal journal = open_journal(home);
    settle(journal, address(3), Outcome::delivered);
    REQUIRE(journal.close(now + 5));
  }
  const Journal journal = open_journal(home);
  REQUIRE(journal.closed());
  CHECK_FALSE(journal.is_stub());
  CHECK(journal.closed()->totals.delivered == 2);
  CHECK(journal.closed()->totals.left == 1);
}

TEST_CASE("journal: while somebody of another stream waits it is neither closed nor forgotten",
          "[journal]") {
  const auto waits = GENERATE(Outcome::deferred, Outcome::unanswered, Outcome::in_flight);
  const auto comes_first = GENERATE(true, false);
  const Scratch scratch;
  const Home home = scratch.home();
  const auto settle_other = [&] {
    Journal journal = open_journal(home);
    settle(journal, address(2), Outcome::delivered);
    REQUIRE(journal.close(now));
  };
  if (!comes_first) settle_other();
  {
    Journal journal = open_journal(home);
    const SlotNumber slot = begin(journal, address(1));
    if (waits != Outcome::in_flight) REQUIRE(journal.settle(slot, waits, {}, now));
  }
  settle_other();
  REQUIRE(prune_journals(home, now + 10'000'000'000, 1, 20'000'000'000) == 0U);
  {
    Journal journal = open_journal(home);
    CHECK_FALSE(journal.closed());
    CHECK(known(journal, address(1)) == (waits == Outcome::deferred ? 'T' : 'U'));
    CHECK(known(journal, address(2)) == 'D');
  }
  {
    Journal journal = open_journal(home);
    settle(journal, address(1), Outcome::delivered);
    REQUIRE(journal.close(now));
  }
  CHECK(open_journal(home).closed());
}

TEST_CASE("journal: a stream with the mark of another journal opens a closed one for who is new",
          "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  JournalTerms other = closed_with(home, {Outcome::delivered, Outcome::left});
  other.mark = "0123456789abcdef";
  in_killed_child([&] {
    Journal journal = open_journal(home, other);
    begin(journal, address(3));
    raise(SIGKILL);
  });
  CHECK_FALSE(std::filesystem::exists(directory(home) / "closed"));
  Journal journal = open_journal(home);
  CHECK(known(journal, address(3)) == 'U');
}

TEST_CASE("journal: an entry taken up leaves a closed one closed", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  const JournalTerms entry = closed_with(home, {Outcome::delivered, Outcome::left});
  in_killed_child([&] {
    Journal journal = open_journal(home, entry);
    begin(journal, address(2));
    raise(SIGKILL);
  });
  CHECK(open_journal(home).closed());
}

TEST_CASE("journal: what an entry keeps stays with it whatever comes of an attempt", "[journal]") {
  const auto outcome = GENERATE(Outcome::deferred, Outcome::unanswered, Outcome::in_flight);
  const Scratch scratch;
  const Home home = scratch.home();
  const JournalTerms these = closed_with(home, {Outcome::left});
  in_killed_child([&] {
    Journal journal = open_journal(home, these);
    const SlotNumber slot = begin(journal, address(1));
    if (outcome != Outcome::in_flight) REQUIRE(journal.settle(slot, outcome, {}, now));
    raise(SIGKILL);
  });
  {
    Journal journal = open_journal(home);
    const auto before = journal.before(address(1));
    REQUIRE(before);
    CHECK(journal.is_settled(*before));
  }
  Journal journal = open_journal(home, these);
  const auto before = journal.before(address(1));
  REQUIRE(before);
  CHECK_FALSE(journal.is_settled(*before));
  CHECK(before->outcome == (outcome == Outcome::deferred ? Outcome::left : Outcome::unanswered));
}

TEST_CASE("journal: a stub stays one when an entry has brought some of its recipients back",
          "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  const JournalTerms these = closed_with(home, {Outcome::delivered, Outcome::left});
  REQUIRE(prune_journals(home, now + 10'000'000'000, 1, 20'000'000'000));
  for (int run = 0; run < 2; ++run) {
    Journal journal = open_journal(home, these);
    if (run == 0) settle(journal, address(2), Outcome::delivered);
    REQUIRE(journal.close(now));
  }
  const Journal journal = open_journal(home);
  REQUIRE(journal.closed());
  CHECK(journal.is_stub());
  CHECK(journal.closed()->totals.delivered == 2);
  CHECK(journal.closed()->totals.left == 0);
}

TEST_CASE("journal: the log names address and relay and reply and keeps to its fields",
          "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  {
    Journal journal = open_journal(home);
    REQUIRE(journal.settle(begin(journal, "a@x.org"), Outcome::delivered,
                           {.address = "a@x.org", .relay = "r", .reply = "250 a\tb\nD\t1"}, now));
    REQUIRE(journal.sync(now));
  }
  std::ifstream log(directory(home) / "log.0000");
  std::string line;
  std::getline(log, line);
  CHECK(line == "D\t1795000000\ta@x.org\tr\t250 a\\x09b\\x0aD\\x091\t0");
}

TEST_CASE("journal: a file cut at any octet never makes a false outcome", "[journal]") {
  const Scratch scratch;
  const Home home = scratch.home();
  {
    Journal journal = open_journal(home);
    for (int i = 0; i < 3; ++i) settle(journal, address(i), Outcome::delivered);
    REQUIRE(journal.close(now));
  }
  for (const char* name : {"head", "closed", "slots.0000", "log.0000", "lock"}) {
    const auto path = directory(home) / name;
    const auto whole = std::filesystem::file_size(path);
    const auto octets = std::min<std::uintmax_t>(whole, 3 * sizeof(Slot));
    std::vector<char> text(octets);
    std::ifstream(path, std::ios::binary).read(text.data(), static_cast<std::streamsize>(octets));
    for (std::uintmax_t size = 0; size < octets; ++size) {
      std::filesystem::resize_file(path, size);
      auto journal = Journal::open(home, terms(), now);
      if (!journal) {
        CHECK(journal.error().status == Status::retry);
      } else {
        for (int i = 0; i < 3; ++i) {
          const char outcome = known(*journal, address(i));
          CHECK((outcome == 'D' || outcome == '-'));
        }
        CHECK(known(*journal, address(9)) == '-');
      }
      std::ofstream(path, std::ios::binary | std::ios::trunc)
          .write(text.data(), static_cast<std::streamsize>(octets));
      if (whole > octets) std::filesystem::resize_file(path, whole);
    }
  }
}

TEST_CASE("journal: a slot whose check does not hold counts as no record", "[journal]") {
  Slot slot{};
  CHECK(slot.state() == 0);
  slot.hash = {1, 2};
  slot.change(3, 'D');
  CHECK(slot.state() == 'D');
  slot.hash[1] ^= 1;
  CHECK(slot.state() == 0);
}
