#include "store/mx_cache.hpp"

#include <map>

#include <catch2/catch.hpp>

#include "scratch.hpp"

using namespace ml;
using ml::tests::Scratch;

namespace {

constexpr std::int64_t now = 1'790'000'000;
constexpr std::int64_t hour = 3600;
constexpr std::int64_t week = std::int64_t{7} * 24 * hour;

std::map<std::string, MxCache::Known> found(const MxCache& cache, std::int64_t when) {
  const std::vector<std::string> domains{"a.test", "b.test", "c.test", "", std::string(600, 'x')};
  std::map<std::string, MxCache::Known> all;
  REQUIRE(cache.find(domains, when, [&](std::size_t at, const MxCache::Known& known) {
    all.emplace(domains[at], known);
  }));
  return all;
}

}  // namespace

TEST_CASE("mx cache: what was kept is found by the next who opens it") {
  const Scratch scratch;
  const auto home = scratch.home();
  const std::map<std::string, MxCache::Known> all{{"a.test", {"mx.x.test", now + hour}},
                                                  {"b.test", {"", now + 1}}};
  {
    auto cache = MxCache::open(home);
    REQUIRE(cache);
    CHECK(found(*cache, now).empty());
    REQUIRE(cache->keep({all.begin(), all.end()}, now));
  }
  auto cache = MxCache::open(home);
  REQUIRE(cache);
  CHECK(found(*cache, now) == all);
}

TEST_CASE("mx cache: what holds no more stays for a week and then goes") {
  const Scratch scratch;
  auto cache = MxCache::open(scratch.home());
  REQUIRE(cache);
  REQUIRE(
      cache->keep({{"a.test", {"mx.x.test", now}}, {"b.test", {"mx.y.test", now + hour}}}, now));
  CHECK(found(*cache, now + week).size() == 2);
  CHECK(found(*cache, now + week + 1).count("a.test") == 0);
  REQUIRE(cache->keep({{"c.test", {"mx.z.test", now + week + 1}}}, now + week + 1));
  CHECK(found(*cache, now + week - 1).size() == 2);  // a.test is dropped, not only passed over
}

TEST_CASE("mx cache: what a wrong clock wrote is not known") {
  const Scratch scratch;
  auto cache = MxCache::open(scratch.home());
  REQUIRE(cache);
  REQUIRE(cache->keep({{"a.test", {"mx.x.test", now + hour}}}, now));
  CHECK(found(*cache, now - 2 * MxCache::longest).empty());
}
