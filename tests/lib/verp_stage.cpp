#include "stage/verp.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/verp.hpp"
#include "scratch.hpp"
#include "stage/bounce_address.hpp"
#include "store/keys.hpp"
#include "store/store.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

using namespace ml;
using ml::tests::Scratch;

namespace {

using Texts = std::vector<std::string>;

// A home with keys and a store, as ml-list create leaves one.
void make_home(const Scratch& scratch) {
  REQUIRE(make_keys(scratch.home()));
  REQUIRE(Store::open(scratch.home(), Access::make));
}

std::string whole_file(const Fd& file) {
  std::string text(static_cast<std::size_t>(lseek(file.get(), 0, SEEK_END)), '\0');
  REQUIRE(pread(file.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  return text;
}

Texts signed_lines(const Scratch& scratch, const Texts& lines, int status) {
  const Fd from(memfd_create("in", MFD_CLOEXEC));
  const Fd to(memfd_create("out", MFD_CLOEXEC));
  for (const auto& line : lines) REQUIRE(write_all(from, line + '\n', "in"));
  REQUIRE(lseek(from.get(), 0, SEEK_SET) == 0);
  Reader in(from.get());
  Writer out(to.get());
  const auto done = verp(in, out, scratch.path(""), VerpSender::each);
  CHECK(static_cast<int>(done ? *done : done.error().status) == status);
  Texts found;
  const std::string text = whole_file(to);
  for (const auto line : split(text, '\n')) found.emplace_back(line);
  found.pop_back();
  return found;
}

// Sections of people of all kinds, and what must become of each line.
class Sections {
 public:
  explicit Sections(unsigned seed) : random_(seed) {}

  enum class Wanted { same, signed_sender, dropped, failed_end };
  struct Line {
    std::string text;
    Wanted wanted = Wanted::same;
    std::string list;  // of the section
    std::string id;
  };

  void add() {
    constexpr std::array lists{"news@x.org",
                               "a-list-whose-name-is-too-long-for-it@lists.example.org"};
    const std::string list = lists[pick(2)];
    const std::string id = "r" + std::to_string(pick(1000));
    const auto kind = pick(5);  // 0: of the null sender; 1: of no list but its sender
    add_line(fmt::format("message\t{}\t{}\taGk=\tk=v{}", id, kind == 0 ? "<>" : list,
                         kind == 1 ? "" : "\tlist=" + list),
             Wanted::same, list, id);
    bool failed = false;
    for (std::size_t left = pick(40); left > 0; --left) {
      failed = failed || (kind != 0 && pick(100) == 0);
      if (failed) {
        add_line("rcpt\t[broken\t-", Wanted::dropped, list, id);
        continue;
      }
      const bool own = pick(8) == 0;
      const std::string sender = own ? (pick(2) == 0 ? "<>" : "own@example.org") : "-";
      add_line(fmt::format("rcpt\t{}\t{}{}", recipient(), sender, attributes()),
               own || kind == 0 ? Wanted::same : Wanted::signed_sender, list, id);
    }
    add_line("end\t0", failed ? Wanted::failed_end : Wanted::same, list, id);
    any_failed = any_failed || failed;
  }

  std::vector<Line> lines;
  bool any_failed = false;

 private:
  [[nodiscard]] std::size_t pick(std::size_t below) { return random_() % below; }

  void add_line(std::string text, Wanted wanted, const std::string& list, const std::string& id) {
    lines.push_back({std::move(text), wanted, list, id});
  }

  std::string recipient() {
    constexpr std::array names{"ann",    "Ann.B", "a+b=c",    "\"quoted one\"",
                               "o'neil", "x..y",  "%percent", "\xC3\xA9lise"};
    constexpr std::array domains{"example.org", "x.org", "[192.0.2.1]", "EXAMPLE.com"};
    std::string local = names[pick(names.size())];
    if (local == "x..y") local = std::string(1 + pick(64), 'l');
    return local + '@' + domains[pick(domains.size())];
  }

  std::string attributes() { return pick(3) == 0 ? "\tname=A\\tB\ttoken=7" : ""; }

  std::mt19937 random_;
};

std::string without_field(std::string_view line, std::size_t field) {
  std::string text;
  std::size_t number = 0;
  for (const auto part : split(line, '\t')) {
    if (number++ != field) text.append(part).push_back('\t');
  }
  return text;
}

}  // namespace

TEST_CASE(
    "verp: in random streams each line is as it was but for senders that name its recipient") {
  Scratch scratch;
  make_home(scratch);
  for (unsigned seed = 0; seed < 40; ++seed) {
    INFO("seed " << seed);
    Sections sections(seed);
    for (int i = 0; i < 5; ++i) sections.add();
    Texts input;
    std::vector<Sections::Line> wanted;
    for (const auto& line : sections.lines) {
      input.push_back(line.text);
      if (line.wanted != Sections::Wanted::dropped) wanted.push_back(line);
    }
    const auto found = signed_lines(scratch, input, sections.any_failed ? 75 : 0);
    REQUIRE(found.size() == wanted.size());

    const auto keys = load_keys(scratch.home());
    const auto store = Store::open(scratch.home(), Access::read);
    REQUIRE((keys && store));
    for (std::size_t i = 0; i < found.size(); ++i) {
      INFO(wanted[i].text);
      INFO(found[i]);
      switch (wanted[i].wanted) {
        case Sections::Wanted::same: CHECK(found[i] == wanted[i].text); break;
        case Sections::Wanted::failed_end: CHECK(found[i].starts_with("end\t75\t")); break;
        case Sections::Wanted::dropped: break;
        case Sections::Wanted::signed_sender: {
          CHECK(without_field(found[i], 2) == without_field(wanted[i].text, 2));
          const auto sender = split(found[i], '\t')[2];
          CHECK(sender.find('@') <= longest_local);
          const auto origin = bounce_address_to_origin(sender, *keys, *store, 0);
          REQUIRE(origin);
          const auto recipient = text_to_address(split(wanted[i].text, '\t')[1]);
          REQUIRE(recipient);
          CHECK(text_to_address(origin->recipient)->domain == recipient->domain);
          CHECK(same_nocase(text_to_address(origin->recipient)->local, recipient->local));
          CHECK(origin->list == wanted[i].list);
          CHECK(origin->tag == message_tag(wanted[i].id));
        }
      }
    }
  }
}
