#include "store/sorted.hpp"

#include <sys/resource.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <random>

#include "scratch.hpp"

using namespace ml;
using namespace ml::tests;

namespace {

using Records = std::vector<std::pair<std::string, std::string>>;

// What the records come out as, with this much memory, in two rounds that must be the same.
Records sorted(const Records& records, std::size_t memory) {
  const Scratch scratch;
  SortedRecords sorting(scratch.path(""), memory);
  for (const auto& [key, value] : records) REQUIRE(sorting.add(key, value));
  CHECK(sorting.added() == records.size());
  Records rounds[2];
  for (Records& round : rounds) {
    REQUIRE(sorting.rewind());
    auto more = sorting.next();
    for (; more && *more; more = sorting.next()) {
      round.emplace_back(sorting.key(), sorting.value());
    }
    REQUIRE(more);
  }
  CHECK(rounds[0] == rounds[1]);
  CHECK(std::filesystem::is_empty(scratch.path("")));
  return rounds[0];
}

Records many(int count, int keys) {
  Records records;
  for (int i = 0; i < count; ++i) {
    records.emplace_back(fmt::format("{:06}", i % keys), fmt::format("value {}", i));
  }
  return records;
}

Records wanted(const Records& records) {
  std::map<std::string, std::string> last;
  for (const auto& [key, value] : records) last.insert_or_assign(key, value);
  return {last.begin(), last.end()};
}

}  // namespace

TEST_CASE("sorted: nothing in gives nothing out") {
  CHECK(sorted({}, 1000).empty());
}

TEST_CASE("sorted: records come in order and the last of a key counts whatever the memory") {
  std::mt19937 random(7);  // NOLINT: the same order in each run
  for (const int keys : {1, 50, 3000, 5000}) {
    auto records = many(5000, keys);
    std::ranges::shuffle(records, random);
    for (const std::size_t memory : {std::size_t{1}, std::size_t{5000}, std::size_t{1} << 24}) {
      CHECK(sorted(records, memory) == wanted(records));
    }
  }
}

TEST_CASE("sorted: what comes in order goes through as it is") {
  const auto records = many(5000, 5000);
  CHECK(sorted(records, 5000) == records);
  CHECK(sorted(records, std::size_t{1} << 24) == records);
}

TEST_CASE("sorted: order that ends late is noticed") {
  auto records = many(5000, 5000);
  records.emplace_back("000000", "again");
  for (const std::size_t memory : {std::size_t{5000}, std::size_t{1} << 24}) {
    CHECK(sorted(records, memory) == wanted(records));
  }
}

TEST_CASE("sorted: keys and values of any octets and of none survive") {
  const Records records = {{std::string("\0\xff", 2), ""},
                           {"", std::string(300'000, 'x')},
                           {std::string(60'000, 'k'), std::string("\n\0", 2)}};
  CHECK(sorted(records, 10) == wanted(records));
}

TEST_CASE("sorted: a limit on file size spreads what does not fit over several files") {
  const auto records = many(20'000, 15'000);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit limited = before;
  limited.rlim_cur = 100'000;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &limited) == 0);
  const auto result = sorted(records, 10'000);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  CHECK(result == wanted(records));
}
