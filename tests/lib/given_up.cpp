#include "stage/given_up.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <csignal>
#include <cstdint>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "queue/journals.hpp"
#include "scratch-queue.hpp"

using namespace ml;
using ml::tests::draft;
using ml::tests::QueueHome;

namespace {

constexpr std::int64_t now = 1'795'000'000;
constexpr std::string_view text = "Subject: hello\n\nHello.\n";
const std::vector<std::string> everybody{"d@x.org", "r@x.org", "l1@x.org", "l2@x.org"};

JournalTerms terms_of(std::string mark) {
  JournalTerms terms;
  terms.id = "a";
  terms.message = sha256(text);
  terms.mark = std::move(mark);
  return terms;
}

class Fixture : public QueueHome {
 public:
  // d... has it, r... was refused and told of, an entry keeps all others: its section.
  std::string leave(const std::vector<std::string>& addresses) {
    auto journal = Journal::open(home, terms_of(""), now);
    REQUIRE(journal);
    auto made = journal->mark();
    REQUIRE(made);
    mark = *made;
    for (const std::string& address : addresses) {
      const auto slot = reserve(*journal, address);
      Outcome outcome = Outcome::deferred;
      if (address.front() == 'd') outcome = Outcome::delivered;
      if (address.front() == 'r') outcome = Outcome::refused;
      REQUIRE(journal->settle(slot, outcome, {address, "smtp://relay", "450 4.2.0 later"}, now));
      if (address.front() == 'r') REQUIRE(journal->told(slot));
      if (address.front() != 'l') continue;
      REQUIRE(journal->amend(slot, Outcome::left, {address, "-", "to the queue"}, now));
    }
    REQUIRE(journal->close(now));
    return section("\tml.left=" + mark, {"l1@x.org", "l2@x.org"});
  }

  static std::string section(const std::string& attributes,
                             const std::vector<std::string>& addresses) {
    std::string stream = "message\ta\tb@x.org\t";
    append_base64(stream, text);
    stream.append(attributes).append("\n");
    for (const std::string& address : addresses) stream.append("rcpt\t" + address + "\t-\n");
    return stream + "end\t0\n";
  }

  Taken taken(const std::string& entry) {
    REQUIRE(draft(queue, "entry", entry).keep());
    auto taken = queue.take(due_place("entry"));
    REQUIRE((taken && *taken));
    return std::move(**taken);
  }

  Result<GivenUp> give_up(const Taken& entry, Sections which = Sections::all) {
    return GivenUp::record(home, entry.fd(), which, "removed");
  }

  // To whom a stream of everybody sends, of the entry or another one; all of them get it.
  std::string sends(const std::string& mark_of_it) {
    auto journal = Journal::open(home, terms_of(mark_of_it), now);
    REQUIRE(journal);
    std::string all;
    for (const std::string& address : everybody) {
      const auto before = journal->before(address);
      REQUIRE(before);
      if (journal->is_settled(*before)) continue;
      const auto slot = journal->reserve(*before);
      REQUIRE(slot);
      journal->fly(*slot, now);
      REQUIRE(journal->settle(*slot, Outcome::delivered, {address, "relay", "250 ok"}, now));
      all += address + ' ';
    }
    REQUIRE(journal->close(now));
    return all;
  }

  // Outcome and reply of each recipient's last line in the log.
  std::map<std::string, std::string> last_lines() {
    std::map<std::string, std::string> last;
    const std::string journal = home.path(journal_path("a", ""));
    REQUIRE(each_outcome(journal, [&](const OutcomeLine& line) -> Result<> {
      last[std::string(line.address)] =
          std::string(1, static_cast<char>(line.outcome)) + ' ' + std::string(line.reply);
      return {};
    }));
    return last;
  }

  OutcomeCounts counts() {
    OutcomeCounts all;
    REQUIRE(each_journal(home, "a", [&](const JournalFacts& facts) -> Result<> {
      auto counted = count_outcomes(facts);
      REQUIRE(counted);
      all = *counted;
      return {};
    }));
    return all;
  }

  std::string mark;

 private:
  static SlotNumber reserve(Journal& journal, const std::string& address) {
    const auto before = journal.before(address);
    REQUIRE(before);
    const auto slot = journal.reserve(*before);
    REQUIRE(slot);
    journal.fly(*slot, now);
    return *slot;
  }
};

template <typename Step>
void in_killed_child(const Step& step) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    step();
    raise(SIGKILL);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
}

}  // namespace

TEST_CASE_METHOD(Fixture, "given up: another stream sends to exactly those whom the entry had",
                 "[given_up]") {
  const Taken entry = taken(leave(everybody));
  CHECK(sends("") == "");
  {
    const auto given_up = give_up(entry);
    REQUIRE(given_up);
    CHECK(given_up->recipients() == 2);
    CHECK(given_up->out_of() == 4);
    // Nobody leaves anybody to the entry before it is gone.
    CHECK_FALSE(Journal::open(home, terms_of(""), now));
    REQUIRE(queue.remove(entry));
  }
  CHECK(counts().given_up == 2);
  CHECK(counts().left == 0);
  CHECK(sends("") == "l1@x.org l2@x.org ");
  CHECK(sends("") == "");
  CHECK(counts().delivered == 3);
}

TEST_CASE_METHOD(Fixture, "given up: the log says so with the last reply", "[given_up]") {
  const Taken entry = taken(leave(everybody));
  REQUIRE(give_up(entry));
  auto last = last_lines();
  CHECK(last["l1@x.org"] == "G 450 4.2.0 later");
  CHECK(last["d@x.org"].front() == 'D');
}

TEST_CASE_METHOD(Fixture, "given up: a kill at each step loses nobody and doubles nobody",
                 "[given_up]") {
  const int step = GENERATE(0, 1, 2, 3);
  const bool entry_first = GENERATE(true, false);
  CAPTURE(step, entry_first);
  const std::string stream = leave(everybody);
  REQUIRE(draft(queue, "entry", stream).keep());
  in_killed_child([&] {
    auto entry = queue.take(due_place("entry"));
    if (step == 0) return;
    if (step == 1) {  // one of the two is recorded
      auto journal = Journal::open(home, terms_of(mark), now);
      REQUIRE(journal->give_up(*journal->before("l2@x.org"), {"l2@x.org", "-", "-"}, now));
      raise(SIGKILL);
    }
    const auto given_up = give_up(**entry);
    if (step == 3) static_cast<void>(queue.remove(**entry));
    raise(SIGKILL);
  });
  // Whoever comes first, the other one finds his record.
  auto entry = queue.take(due_place("entry"));
  REQUIRE(entry);
  CHECK(entry->has_value() == (step < 3));
  std::map<std::string, int> copies;
  const auto run = [&](const std::string& mark_of_it) {
    const std::string all = sends(mark_of_it);
    for (const std::string& address : everybody) {
      if (all.find(address) != std::string::npos) ++copies[address];
    }
  };
  if (entry_first && *entry) run(mark);
  run("");
  if (!entry_first && *entry) run(mark);
  CHECK(copies == std::map<std::string, int>{{"l1@x.org", 1}, {"l2@x.org", 1}});
}

TEST_CASE_METHOD(Fixture, "given up: once more after a kill it is the same", "[given_up]") {
  const Taken entry = taken(leave(everybody));
  in_killed_child([&] {
    auto journal = Journal::open(home, terms_of(mark), now);
    REQUIRE(journal->give_up(*journal->before("l2@x.org"), {"l2@x.org", "-", "-"}, now));
    raise(SIGKILL);  // before its line is written
  });
  CHECK(last_lines()["l2@x.org"].front() == 'L');
  for (int i = 0; i < 2; ++i) {
    const auto given_up = give_up(entry);
    REQUIRE(given_up);
    CHECK(given_up->recipients() == 2);
    CHECK(counts().given_up == 2);
  }
  CHECK(last_lines()["l2@x.org"] == "G 450 4.2.0 later");
}

TEST_CASE_METHOD(Fixture, "given up: who may have it is unanswered for the next stream",
                 "[given_up]") {
  const Taken entry = taken(leave(everybody));
  {
    auto journal = Journal::open(home, terms_of(mark), now);
    REQUIRE(journal);
    const auto before = journal->before("l1@x.org");
    REQUIRE(before);
    const auto slot = journal->reserve(*before);
    REQUIRE(slot);
    journal->fly(*slot, now);  // and the connection is lost
    REQUIRE(journal->settle(*slot, Outcome::unanswered, {"l1@x.org", "relay", "-"}, now));
  }
  REQUIRE(give_up(entry));
  CHECK(counts().given_up == 2);
  auto journal = Journal::open(home, terms_of(""), now);
  REQUIRE(journal);
  const auto doubted = journal->before("l1@x.org");
  REQUIRE(doubted);
  CHECK(doubted->outcome == Outcome::unanswered);
  CHECK_FALSE(journal->is_settled(*doubted));
  const auto other = journal->before("l2@x.org");
  REQUIRE(other);
  CHECK(other->outcome == Outcome::given_up);
}

TEST_CASE_METHOD(Fixture, "given up: what another entry or nobody keeps is let be", "[given_up]") {
  leave(everybody);
  REQUIRE(give_up(taken(section("", everybody))));
  REQUIRE(give_up(taken(section("\tml.left=0123456789abcdef", everybody))));
  CHECK(counts().left == 2);
  CHECK(counts().given_up == 0);
}

TEST_CASE_METHOD(Fixture, "given up: only the sections of lists where only they go", "[given_up]") {
  REQUIRE(give_up(taken(leave(everybody)), Sections::of_lists));
  CHECK(counts().left == 2);
  REQUIRE(give_up(taken(section("\tml.left=" + mark + "\tlist=x@x.org", {"l2@x.org"})),
                  Sections::of_lists));
  CHECK(counts().left == 1);
  CHECK(counts().given_up == 1);
}

TEST_CASE_METHOD(Fixture, "given up: two sections of one message", "[given_up]") {
  leave(everybody);
  const std::string bearing = "\tml.left=" + mark;
  const auto given_up =
      give_up(taken(section(bearing, {"l1@x.org"}) + section(bearing, {"L2@x.org", "new@x.org"})));
  REQUIRE(given_up);
  CHECK(given_up->recipients() == 2);
}

TEST_CASE_METHOD(Fixture, "given up: not while the message is being sent", "[given_up]") {
  const Taken entry = taken(leave(everybody));
  const auto sender = Journal::open(home, terms_of(""), now);
  REQUIRE(sender);
  CHECK_FALSE(give_up(entry));
  CHECK(counts().left == 2);
}

TEST_CASE_METHOD(Fixture, "given up: an entry that is no stream is nobody's", "[given_up]") {
  const std::string stream = leave(everybody);
  REQUIRE(give_up(taken("no stream at all\n")));
  CHECK(counts().left == 2);
  REQUIRE(give_up(taken(stream.substr(0, stream.size() - 3))));
  CHECK(counts().given_up == 2);
}

TEST_CASE_METHOD(Fixture, "given up: it is forgotten when it was done for long and no sooner",
                 "[given_up]") {
  constexpr std::int64_t day = 86'400;
  const std::int64_t today = std::time(nullptr);
  const Taken entry = taken(leave(everybody));
  REQUIRE(give_up(entry));
  REQUIRE(queue.remove(entry));
  CHECK(prune_journals(home, today + 10 * day, 14 * day, 400 * day).value_or(9) == 0);
  CHECK(prune_journals(home, today + 15 * day, 14 * day, 400 * day).value_or(9) == 1);
  const auto journal = Journal::open(home, terms_of(""), now);
  REQUIRE(journal);
  CHECK(journal->is_stub());
}
