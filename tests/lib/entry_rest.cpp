#include "stage/entry_rest.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>

#include <fstream>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "queue/journal.hpp"
#include "scratch-queue.hpp"

using namespace ml;
using ml::tests::draft;
using ml::tests::QueueHome;

namespace {

constexpr std::int64_t now = 1'795'000'000;
constexpr std::string_view text = "Subject: hello\n\nHello.\n";

// The journal of a message: d... has it, r... was refused and that was told, q... was refused, all
// others are left.
void send(const Home& home, const std::string& id, std::initializer_list<std::string> addresses) {
  JournalTerms terms;
  terms.id = id;
  terms.message = sha256(text);
  auto journal = Journal::open(home, terms, now);
  REQUIRE(journal);
  const auto settle = [&](const std::string& address, Outcome outcome) {
    const auto before = journal->before(address);
    REQUIRE(before);
    const auto slot = journal->reserve(*before);
    REQUIRE(slot);
    REQUIRE(journal->settle(*slot, outcome, {address, "relay", "said"}, now));
    if (address.front() == 'r') REQUIRE(journal->told(*slot));
  };
  for (const std::string& address : addresses) {
    if (address.front() == 'd') settle(address, Outcome::delivered);
    if (address.front() == 'r' || address.front() == 'q') settle(address, Outcome::refused);
    if (address.front() == 'l') settle(address, Outcome::left);
  }
  REQUIRE(journal->sync(now));
}

std::string section(std::string_view id, std::string_view attributes,
                    std::initializer_list<std::string_view> addresses) {
  std::string stream = "message\t" + std::string(id) + "\tb@x.org\t";
  append_base64(stream, text);
  stream.append(attributes).append("\n");
  for (const std::string_view address : addresses) {
    stream.append("rcpt\t").append(address).append("\t-\n");
  }
  return stream + "end\t0\n";
}

constexpr std::string_view mark = "\tml.left=0123456789abcdef";

class Fixture : public QueueHome {
 public:
  EntryRest::Kind kind = EntryRest::Kind::all;

  // The addresses in what is left of an entry, a comma between sections; "" for nobody.
  std::string rest(const std::string& entry, RestOf which) {
    REQUIRE(draft(queue, "entry", entry).keep());
    auto taken = queue.take(due_place("entry"));
    REQUIRE((taken && *taken));
    const auto left = rest_of_entry(home, queue, **taken, which);
    REQUIRE(left);
    kind = left->kind;
    if (kind == EntryRest::Kind::nobody) return "";
    return addresses(kind == EntryRest::Kind::all ? (*taken)->fd() : left->draft->file());
  }

 private:
  static std::string addresses(const Fd& file) {
    REQUIRE(lseek(file.get(), 0, SEEK_SET) == 0);
    std::string octets(65536, '\0');
    const ssize_t got = read(file.get(), octets.data(), octets.size());
    REQUIRE(got >= 0);
    octets.resize(static_cast<std::size_t>(got));
    std::string all;
    for (std::size_t at = 0, end = 0; (end = octets.find('\n', at)) != std::string::npos;
         at = end + 1) {
      const std::string_view line = std::string_view(octets).substr(at);
      if (line.starts_with("rcpt\t")) all.append(line.substr(5, line.find('\t', 5) - 5)) += ' ';
      if (line.starts_with("end\t")) all += ',';
    }
    return all;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "rest: of a marked section those delivered and those told of go",
                 "[rest]") {
  send(home, "a", {"d1@x.org", "r1@x.org", "q1@x.org", "l1@x.org"});
  const std::string entry =
      section("a", mark, {"d1@x.org", "r1@x.org", "q1@x.org", "l1@x.org", "new@x.org"});
  for (const RestOf which : {RestOf::marked, RestOf::all}) {
    CHECK(rest(entry, which) == "q1@x.org l1@x.org new@x.org ,");
    CHECK(kind == EntryRest::Kind::some);
  }
}

TEST_CASE_METHOD(Fixture, "rest: of another section only those delivered go and only in the end",
                 "[rest]") {
  send(home, "a", {"d1@x.org", "r1@x.org", "l1@x.org"});
  const std::string entry = section("a", "", {"r1@x.org", "D1@X.org", "l1@x.org"});
  CHECK(rest(entry, RestOf::marked) == "r1@x.org D1@X.org l1@x.org ,");
  CHECK(kind == EntryRest::Kind::all);
  CHECK(rest(entry, RestOf::all) == "r1@x.org l1@x.org ,");
}

TEST_CASE_METHOD(Fixture, "rest: a section of which nobody is left goes in the end alone",
                 "[rest]") {
  send(home, "a", {"d1@x.org", "d2@x.org"});
  send(home, "b", {"d1@x.org", "l1@x.org"});
  const std::string done = section("a", mark, {"d1@x.org", "d2@x.org"});
  const std::string some = section("b", mark, {"d1@x.org", "l1@x.org"});
  CHECK(rest(done + some, RestOf::marked) == "d1@x.org d2@x.org ,l1@x.org ,");
  CHECK(rest(some + done, RestOf::all) == "l1@x.org ,");
  CHECK(rest(done, RestOf::marked) == "d1@x.org d2@x.org ,");
  CHECK(kind == EntryRest::Kind::all);
  CHECK(rest(done, RestOf::all) == "");
  CHECK(kind == EntryRest::Kind::nobody);
}

TEST_CASE_METHOD(Fixture, "rest: a section without recipients stays", "[rest]") {
  send(home, "a", {"d1@x.org"});
  const std::string entry = section("a", mark, {}) + section("a", mark, {"d1@x.org"});
  CHECK(rest(entry, RestOf::all) == ",");
  CHECK(kind == EntryRest::Kind::some);
}

TEST_CASE_METHOD(Fixture, "rest: an entry that is no whole stream stays as it is", "[rest]") {
  send(home, "a", {"d1@x.org", "l1@x.org"});
  const std::string entry = section("a", mark, {"d1@x.org", "l1@x.org"});
  for (const std::size_t less : {1U, 4U, 8U, 20U}) {
    static_cast<void>(rest(entry.substr(0, entry.size() - less), RestOf::all));
    CHECK(kind == EntryRest::Kind::all);
  }
  static_cast<void>(rest("no stream at all\n", RestOf::all));
  CHECK(kind == EntryRest::Kind::all);
}

TEST_CASE_METHOD(Fixture, "rest: two sections of one message are asked about by themselves",
                 "[rest]") {
  send(home, "a", {"d1@x.org", "l1@x.org", "d2@x.org"});
  const std::string entry = section("a", mark, {"d1@x.org", "l1@x.org"}) +
                            section("a", mark, {"l1@x.org", "d2@x.org", "new@x.org"});
  CHECK(rest(entry, RestOf::marked) == "l1@x.org ,l1@x.org new@x.org ,");
}

TEST_CASE_METHOD(Fixture, "rest: where a journal is damaged nobody of the entry is known",
                 "[rest]") {
  send(home, "a", {"l1@x.org"});
  send(home, "b", {"d1@x.org"});
  const std::string entry = section("b", mark, {"d1@x.org"}) + section("a", mark, {"l1@x.org"});
  REQUIRE(draft(queue, "entry", entry).keep());
  auto taken = queue.take(due_place("entry"));
  REQUIRE((taken && *taken));
  const std::string path = home.path(journal_path("a", "") + "/head");
  const auto whole = read_file(path, 4096);
  REQUIRE(whole);
  for (std::size_t size = 0; size < whole->size(); ++size) {
    std::ofstream(path) << whole->substr(0, size);
    for (const RestOf which : {RestOf::marked, RestOf::all}) {
      const auto left = rest_of_entry(home, queue, **taken, which);
      REQUIRE(left);
      REQUIRE(left->kind == EntryRest::Kind::unknown);
      CHECK(left->damage.find(path + " is damaged") == 0);
    }
  }
}

TEST_CASE_METHOD(Fixture, "rest: a message that is being sent cannot be asked about", "[rest]") {
  send(home, "a", {"d1@x.org", "l1@x.org"});
  JournalTerms terms;
  terms.id = "a";
  const auto sender = Journal::open(home, terms, now);
  REQUIRE(sender);
  REQUIRE(draft(queue, "entry", section("a", mark, {"d1@x.org", "l1@x.org"})).keep());
  auto taken = queue.take(due_place("entry"));
  REQUIRE((taken && *taken));
  CHECK(!rest_of_entry(home, queue, **taken, RestOf::all));
}
