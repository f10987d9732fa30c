#include "stage/sort.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>

#include "base/fd.hpp"
#include "base/spill.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"
#include "queue/journal.hpp"
#include "scratch.hpp"
#include "stage/pace.hpp"
#include "stage/sorter.hpp"

using namespace ml;
using ml::tests::Scratch;

namespace {

const ByDomain by_local(ByDomain::Within::local);
constexpr std::size_t tiny = std::size_t{16} << 10;  // forces many runs

std::string text_of(const Fd& file) {
  std::string text(static_cast<std::size_t>(lseek(file.get(), 0, SEEK_END)), '\0');
  REQUIRE(pread(file.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  return text;
}

struct Sorted {
  Result<Status> result;
  std::string text;
};

Sorted sorted(std::string_view stream, const SortOptions& options) {
  const Fd input(memfd_create("in", MFD_CLOEXEC));
  const Fd output(memfd_create("out", MFD_CLOEXEC));
  REQUIRE(write_all(input, stream, "in"));
  REQUIRE(lseek(input.get(), 0, SEEK_SET) == 0);
  Reader in(input.get());
  Writer out(output.get());
  auto result = sort(in, out, options);
  return {std::move(result), text_of(output)};
}

SortOptions by(Order order, std::size_t memory = tiny) {
  return {.order = order, .memory = memory, .seed = 7, .directories = {"/var/tmp"}};
}

using Rcpts = std::vector<std::string>;

std::string section(const Rcpts& rcpts) {
  std::string text = "message\tx1\tnews-bounces@x.org\taGkK\n";
  for (const auto& line : rcpts) text += line + '\n';
  return text + "end\t0\n";
}

// The rcpt lines that come out for these; message and end must be where they were.
Rcpts rcpts_sorted(const Rcpts& rcpts, const SortOptions& options) {
  const auto out = sorted(section(rcpts), options);
  REQUIRE(out.result == Status::done);
  Rcpts lines;
  for (const auto line : split(out.text, '\n')) lines.emplace_back(line);
  REQUIRE(lines.size() == rcpts.size() + 3);
  CHECK(lines.front().starts_with("message\tx1\t"));
  CHECK(lines[lines.size() - 2] == "end\t0");
  return {lines.begin() + 1, lines.end() - 2};
}

std::string address_of(const std::string& line) {
  const auto address = line.substr(5);
  return address.substr(0, address.find('\t'));
}

std::string key_of(const std::string& line) {
  const auto address = address_of(line);
  const auto at = address.rfind('@');
  std::string key;
  append_key(key, address.substr(0, at),
             at == std::string::npos ? "" : lower(address.substr(at + 1)));
  return key;
}

Rcpts slowly_sorted(Rcpts lines) {
  std::ranges::stable_sort(lines, {}, key_of);
  return lines;
}

// Recipients as lists have them, and worse: a few large domains, many small ones, prefixes of
// each other, capitals, literals, doubles.
Rcpts random_rcpts(std::mt19937_64& random, std::size_t count) {
  const std::vector<std::string> domains{"example.com",
                                         "example.org",
                                         "mail.example.org",
                                         "example-x.org",
                                         "Example.COM",
                                         "a.b.c.org",
                                         "org",
                                         "x.example.org",
                                         "[192.0.2.1]",
                                         "[IPv6:2001:db8::1]",
                                         "xn--bcher-kva.example"};
  const auto draw = [&](std::size_t below) { return static_cast<std::size_t>(random() % below); };
  Rcpts lines;
  for (std::size_t i = 0; i < count; ++i) {
    std::string local;
    for (std::size_t n = 1 + draw(12); n > 0; --n) local += "abAB.+-z"[draw(8)];
    if (draw(30) == 0) local = "\"a@b\"";
    std::string domain = domains[draw(domains.size())];
    if (draw(4) == 0) domain = "d" + std::to_string(draw(count)) + ".example";
    const std::string address = draw(50) == 0 ? "postmaster" : local + '@' + domain;
    lines.push_back("rcpt\t" + address + "\t-\tn=" + std::to_string(i));
  }
  return lines;
}

}  // namespace

TEST_CASE("sort: domains go by their labels from the last to the first and then the local part") {
  CHECK(rcpts_sorted(
            {"rcpt\tz@example.org\t-", "rcpt\ta@lists.example.org\t-", "rcpt\ta@example-x.org\t-",
             "rcpt\tb@example.com\t-", "rcpt\tA@example.com\t-"},
            by(Order::domain)) == Rcpts{"rcpt\tA@example.com\t-", "rcpt\tb@example.com\t-",
                                        "rcpt\tz@example.org\t-", "rcpt\ta@lists.example.org\t-",
                                        "rcpt\ta@example-x.org\t-"});
}

TEST_CASE("sort: random sections come out as the slow and obvious way sorts them") {
  std::mt19937_64 random(42);
  for (const std::size_t count : std::vector<std::size_t>{0, 1, 2, 3, 10, 100, 1000, 5000, 20000}) {
    for (const std::size_t memory : {tiny, std::size_t{64} << 10, std::size_t{64} << 20}) {
      const auto lines = random_rcpts(random, count);
      CHECK(rcpts_sorted(lines, by(Order::domain, memory)) == slowly_sorted(lines));
    }
  }
}

TEST_CASE("sort: local parts that agree for long are told apart by what follows") {
  std::mt19937_64 random(50);
  Rcpts lines;
  for (int i = 0; i < 4000; ++i) {
    static constexpr std::size_t common[] = {0, 7, 8, 9, 16, 100, 255, 256, 300};
    std::string local(common[random() % 9], 'a');
    if (!local.empty() && random() % 3 == 0) local[random() % local.size()] = 'A';
    for (auto n = random() % 4; n > 0; --n) local += "aAb"[random() % 3];
    lines.push_back("rcpt\t" + local + "@example.org\t-\tn=" + std::to_string(i));
  }
  for (const std::size_t memory : {tiny, std::size_t{64} << 20}) {
    CHECK(rcpts_sorted(lines, by(Order::domain, memory)) == slowly_sorted(lines));
  }
}

TEST_CASE("sort: domains that agree for long are told apart by what follows") {
  std::mt19937_64 random(51);
  Rcpts lines;
  for (int i = 0; i < 4000; ++i) {
    std::string domain;
    for (auto n = 1 + random() % 3; n > 0; --n) domain += "ab"[random() % 2] + std::string(".");
    domain += std::string(1 + random() % 20, 'c') + (random() % 2 == 0 ? ".Org" : ".org");
    lines.push_back("rcpt\tann@" + domain + "\t-\tn=" + std::to_string(i));
  }
  for (const std::size_t memory : {tiny, std::size_t{64} << 20}) {
    CHECK(rcpts_sorted(lines, by(Order::domain, memory)) == slowly_sorted(lines));
  }
}

TEST_CASE("sort: lines of very different length come out whole") {
  std::mt19937_64 random(43);
  auto lines = random_rcpts(random, 300);
  for (auto& line : lines)
    line += "\tx=" + std::string(random() % 3 == 0 ? random() % 60000 : 1, 'x');
  CHECK(rcpts_sorted(lines, by(Order::domain)) == slowly_sorted(lines));
  CHECK(rcpts_sorted(lines, by(Order::random)).size() == lines.size());
  CHECK(rcpts_sorted(lines, by(Order::fair)).size() == lines.size());
}

TEST_CASE("sort: recipients of one mailbox keep their order") {
  Rcpts lines;
  for (int i = 0; i < 3000; ++i)
    lines.push_back("rcpt\tann@example.org\t-\tn=" + std::to_string(i));
  CHECK(rcpts_sorted(lines, by(Order::domain)) == lines);
}

TEST_CASE("sorter: sorted input of any length makes one run") {
  std::mt19937_64 random(44);
  const auto lines = slowly_sorted(random_rcpts(random, 5000));
  Sorter<ByDomain> sorter(by_local, tiny, {"/var/tmp"});
  for (const auto& line : lines) REQUIRE(sorter.add(line, by_local.place(line)));
  REQUIRE(sorter.finish());
  CHECK(sorter.runs() == 1);
  auto cursor = sorter.cursor();
  for (const auto& line : lines) {
    REQUIRE(cursor.next() == true);
    REQUIRE(cursor.line() == line);
  }
  CHECK(cursor.next() == false);
}

TEST_CASE("sorter: what fits into memory touches no disk") {
  Sorter<ByDomain> sorter(by_local, 1 << 20, {"/no/such/directory"});
  for (const auto* line : {"rcpt\tb@x.org\t-", "rcpt\ta@x.org\t-"}) {
    REQUIRE(sorter.add(line, by_local.place(line)));
  }
  REQUIRE(sorter.finish());
  CHECK(sorter.runs() == 0);
}

TEST_CASE("sorter: more runs than one merge takes are merged in rounds") {
  std::mt19937_64 random(45);
  const auto lines = random_rcpts(random, 3000);
  Sorter<ByDomain> sorter(by_local, tiny, {"/var/tmp"});
  for (const auto& line : lines) REQUIRE(sorter.add(line, by_local.place(line)));
  REQUIRE(sorter.finish());
  CHECK(sorter.runs() == 2);  // 16 KiB of memory merge two at once
  auto cursor = sorter.cursor();
  for (const auto& line : slowly_sorted(lines)) {
    REQUIRE(cursor.next() == true);
    REQUIRE(cursor.line() == line);
  }
}

TEST_CASE("sort: random gives everybody once and the same order for the same seed") {
  std::mt19937_64 random(46);
  const auto lines = random_rcpts(random, 5000);
  auto options = by(Order::random);
  const auto once = rcpts_sorted(lines, options);
  CHECK(once != lines);
  CHECK(once == rcpts_sorted(lines, options));
  CHECK(once == rcpts_sorted(lines, by(Order::random, std::size_t{64} << 20)));
  options.seed = 8;
  CHECK(once != rcpts_sorted(lines, options));
  auto put_back = once;
  auto as_given = lines;
  std::ranges::sort(put_back);
  std::ranges::sort(as_given);
  CHECK(put_back == as_given);
}

TEST_CASE("sort: fair places each domain as fair_place says") {
  std::mt19937_64 random(47);
  for (const std::size_t memory : {tiny, std::size_t{64} << 20}) {
    const auto lines = random_rcpts(random, 3000);
    const auto domain_of = [](const std::string& line) {
      const auto key = key_of(line);
      return key.substr(0, key.find('\0'));
    };
    std::map<std::string, Rcpts> domains;  // in key order
    for (const auto& line : lines) domains[domain_of(line)].push_back(line);
    std::vector<std::pair<std::uint64_t, std::string>> places;
    std::uint64_t number = 0;
    for (const auto& [domain, its] : domains) {
      for (std::size_t i = 0; i < its.size(); ++i) {
        places.emplace_back(fair_place(i, its.size(), number), its[i]);
      }
      ++number;
    }
    std::ranges::stable_sort(places, {}, &std::pair<std::uint64_t, std::string>::first);
    Rcpts wanted;
    for (const auto& [place, line] : places) wanted.push_back(line);
    CHECK(rcpts_sorted(lines, by(Order::fair, memory)) == wanted);
  }
}

TEST_CASE("sort: fair gives no provider a burst") {
  Rcpts lines;  // half of all at one provider, a tenth at another, the others alone
  for (int i = 0; i < 5000; ++i) lines.push_back("rcpt\tu" + std::to_string(i) + "@big.example\t-");
  for (int i = 0; i < 1000; ++i) lines.push_back("rcpt\tu" + std::to_string(i) + "@mid.example\t-");
  for (int i = 0; i < 4000; ++i) lines.push_back("rcpt\tu@d" + std::to_string(i) + ".example\t-");
  const auto out = rcpts_sorted(lines, by(Order::fair));
  for (std::size_t begin = 0; begin + 100 <= out.size(); begin += 100) {
    int big = 0;
    int mid = 0;
    for (std::size_t i = begin; i < begin + 100; ++i) {
      big += out[i].find("@big.") != std::string::npos;
      mid += out[i].find("@mid.") != std::string::npos;
    }
    CHECK((big >= 45 && big <= 55));
    CHECK((mid >= 7 && mid <= 13));
  }
}

TEST_CASE("sort: fair keeps the order of input within a domain") {
  std::mt19937_64 random(48);
  const auto lines = random_rcpts(random, 2000);
  std::map<std::string, int> last;
  for (const auto& line : rcpts_sorted(lines, by(Order::fair))) {
    const auto key = key_of(line);
    const int number = std::stoi(line.substr(line.rfind('=') + 1));
    const auto [at, first] = last.try_emplace(key.substr(0, key.find('\0')), number);
    CHECK((first || at->second < number));
    at->second = number;
  }
}

TEST_CASE("sort: each section is sorted by itself and ends as it ended") {
  const std::string head = "message\tx1\tb@x.org\taGkK\n";
  const std::string a = "rcpt\ta@x.org\t-\n";
  const std::string b = "rcpt\tb@x.org\t-\n";
  const auto out = sorted(head + b + a + "end\t0\n" + head + b + a + "end\t65\t5.6.0 no\n" +
                              "end\t0\n" + head + b + a + "end\t0\n",
                          by(Order::domain));
  CHECK(out.text == head + a + b + "end\t0\n" + head + a + b + "end\t65\t5.6.0 no\n" + "end\t0\n" +
                        head + a + b + "end\t0\n");
  REQUIRE(!out.result);
  CHECK(out.result.error().status == Status::rejected);
  CHECK(out.result.error().text.empty());
}

TEST_CASE("sort: a cut section passes what it has and ends with 75") {
  const auto out =
      sorted("message\tx1\tb@x.org\taGkK\nrcpt\tb@x.org\t-\nrcpt\ta@x.org\t-\nrcpt\tc@x",
             by(Order::domain));
  CHECK(out.text.find("rcpt\ta@x.org\t-\nrcpt\tb@x.org\t-\nend\t75\t") != std::string::npos);
  CHECK(out.text.find("c@x") == std::string::npos);
  CHECK(!out.result);
}

TEST_CASE("sort: no room for temporary files ends the section with 75 and the next one goes on") {
  std::mt19937_64 random(49);
  auto options = by(Order::domain);
  options.directories = {"/no/such/directory"};
  const auto out =
      sorted(section(random_rcpts(random, 1000)) + section({"rcpt\ta@x.org\t-"}), options);
  REQUIRE(!out.result);
  CHECK(out.result.error().status == Status::retry);
  CHECK(out.result.error().text.find("/no/such/directory") != std::string::npos);
  const auto lines = split(out.text, '\n');
  REQUIRE(lines.size() == 6);
  CHECK(lines[1].starts_with("end\t75\t"));
  CHECK(lines[3] == "rcpt\ta@x.org\t-");
  CHECK(lines[4] == "end\t0");
}

TEST_CASE("sort: an output that nobody reads is a silent 75") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  pipe->read.reset();
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  const Fd input(memfd_create("in", MFD_CLOEXEC));
  REQUIRE(write_all(input, section({"rcpt\ta@x.org\t-"}), "in"));
  REQUIRE(lseek(input.get(), 0, SEEK_SET) == 0);
  Reader in(input.get());
  Writer out(pipe->write.get());
  const auto result = sort(in, out, by(Order::domain));
  std::signal(SIGPIPE, before);
  REQUIRE(!result);
  CHECK(result.error().status == Status::retry);
  CHECK(result.error().text.empty());
}

TEST_CASE("pace: deferrals and silences make a domain slow and plain answers do not") {
  const Scratch scratch;
  const auto log = [&](const std::string& id, const std::string& list, int begun,
                       const std::string& lines) {
    const std::string directory = "journal/" + journal_path(id, "").substr(8);
    scratch.write(directory + "/head", "mlpipe journal 1\nid " + id + "\nlist " + list +
                                           "\nmessage-id -\nbegun " + std::to_string(begun) + "\n");
    scratch.write(directory + "/log.0000", lines);
  };
  const auto line = [](char outcome, int time, const std::string& address) {
    return std::string(1, outcome) + '\t' + std::to_string(time) + '\t' + address +
           "\trelay\t250 ok\t0\n";
  };
  log("r1", "news@x.org", 1000,
      line('D', 1000, "a@quick.org") + line('D', 1001, "b@quick.org") +
          line('D', 1031, "a@hung.org") + line('T', 1031, "a@busy.org") +
          line('D', 1031, "b@Busy.org") + line('U', 1031, "a@lost.org") +
          line('D', 9999, "c@quick.org") + line('R', 9999, "d@quick.org"));
  log("r0", "news@x.org", 900, line('T', 900, "a@quick.org"));
  log("r2", "other@x.org", 2000, line('T', 2000, "a@other.org"));
  const auto pace = Pace::read(scratch.home(), "news@x.org");
  REQUIRE(pace);
  CHECK(pace->slowness("hung.org") == 9);  // 300 tenths
  CHECK(pace->slowness("busy.org") == 9);  // 60 seconds for two
  CHECK(pace->slowness("BUSY.org") == 9);
  CHECK(pace->slowness("lost.org") == 10);
  CHECK(pace->slowness("quick.org") == 8);  // a pause between two runs counts as a minute, for four
  CHECK(pace->slowness("unknown.org") == 0);
  CHECK(pace->slowness("other.org") == 0);
  CHECK(Pace::read(scratch.home(), "")->slowness("other.org") == 10);
  CHECK(Pace::read(scratch.home(), "none@x.org")->slowness("other.org") == 10);
  CHECK(Pace().slowness("busy.org") == 0);
}

TEST_CASE("sort: without a home nobody is slow and all stay as they came") {
  REQUIRE(setenv("ML_HOME", "/no/such/home", 1) == 0);
  std::mt19937_64 random(52);
  const auto lines = random_rcpts(random, 2000);
  CHECK(rcpts_sorted(lines, by(Order::pace)) == lines);
  CHECK(unsetenv("ML_HOME") == 0);
}

TEST_CASE("spill: octets come back from wherever they are asked") {
  Spill spill({"/no/such/directory", "/var/tmp"});
  std::string all;
  for (int i = 0; i < 3000; ++i) {
    const std::string piece(static_cast<std::size_t>(i % 700), static_cast<char>('a' + i % 26));
    all += piece;
    REQUIRE(spill.append(piece));
  }
  REQUIRE(spill.append(std::string(600'000, 'x')));
  all += std::string(600'000, 'x');
  REQUIRE(spill.size() == all.size());
  for (const std::size_t at : {std::size_t{0}, std::size_t{12345}, all.size() - 100}) {
    std::string room(100, '\0');
    REQUIRE(spill.read(at, room));
    CHECK(room == all.substr(at, 100));
  }
  spill.clear();
  CHECK(spill.size() == 0);
}

TEST_CASE("spill: what fits into its memory needs no file and the rest goes to one") {
  Spill small({"/no/such/directory"}, 1000);
  REQUIRE(small.append(std::string(1000, 'x')));
  std::string room(10, '\0');
  REQUIRE(small.read(990, room));
  CHECK(room == std::string(10, 'x'));
  CHECK_FALSE((small.append("y") && small.read(1000, std::span(room).first(1))));
  for (const std::size_t memory : {0UL, 1UL, 999UL, 1'000'000UL}) {
    Spill spill({"/var/tmp"}, memory);
    std::string all;
    for (int i = 0; i < 100'000; ++i) {
      all += std::to_string(i);
      REQUIRE(spill.append(std::to_string(i)));
    }
    std::string read(all.size(), '\0');
    REQUIRE(spill.read(0, read));
    CHECK(read == all);
    REQUIRE(spill.read(995, room));
    CHECK(room == all.substr(995, 10));
    spill.clear();
    CHECK(spill.size() == 0);
    REQUIRE(spill.append("again"));
    REQUIRE(spill.read(0, std::span(room).first(5)));
    CHECK(room.starts_with("again"));
  }
}

TEST_CASE("spill: a limit on file size spreads it over several files") {
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit limited = before;
  limited.rlim_cur = 100'000;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &limited) == 0);
  Spill spill({"/var/tmp"});
  std::string all;
  for (int i = 0; i < 50'000; ++i) all += std::to_string(i);
  const auto kept = spill.append(all);
  std::string room(all.size(), '\0');
  const auto read = kept ? spill.read(0, room) : Result<>();
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  REQUIRE(kept);
  REQUIRE(read);
  CHECK(room == all);
}

TEST_CASE("spill: its files have no name") {
  const std::string directory = "/var/tmp/mlpipe-test-" + std::to_string(getpid());
  REQUIRE(std::filesystem::create_directory(directory));
  Spill spill({directory});
  REQUIRE(spill.append(std::string(1'000'000, 'x')));
  CHECK(std::filesystem::is_empty(directory));
  std::filesystem::remove(directory);
}
