#include "base/dns.hpp"

#include <map>

#include <catch2/catch.hpp>

using namespace ml;
using namespace std::string_literals;

namespace {

std::string two(unsigned value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

// A reply with these answers behind one question for x.test, MX.
std::string reply(unsigned answers, const std::string& records) {
  return "\x12\x34\x81\x80"s + two(1) + two(answers) + two(0) + two(0) + "\1x\4test\0"s + two(15) +
         two(1) + records;
}

std::string record(unsigned type, unsigned ttl, const std::string& inside) {
  return "\xc0\x0c"s + two(type) + two(1) + two(ttl >> 16) + two(ttl & 0xffff) +
         two(static_cast<unsigned>(inside.size())) + inside;
}

}  // namespace

TEST_CASE("dns: MX records come with their preference and their TTL", "[dns]") {
  const auto records = reply_to_records(
      reply(2, record(15, 300, two(10) + "\3Mx1\xc0\x0c"s) + record(15, 70000, two(0) + "\0"s)),
      RecordType::mx);
  REQUIRE(records);
  REQUIRE(records->size() == 2);
  CHECK(records->at(0).host == ServiceHost{.name = "mx1.x.test", .order = 10});
  CHECK(records->at(0).ttl == 300);
  CHECK(records->at(1).host.name.empty());
  CHECK(records->at(1).ttl == 70000);
}

TEST_CASE("dns: records of another type are passed over", "[dns]") {
  const std::string octets = reply(3, record(5, 60, "\1y\xc0\x0c"s) +
                                          record(33, 60, two(1) + two(2) + two(25) + "\1z\0"s) +
                                          record(1, 60, "\x7f\0\0\1"s));
  CHECK(reply_to_records(octets, RecordType::mx)->empty());
  CHECK(reply_to_records(octets, RecordType::a)->at(0).octets == "\x7f\0\0\1"s);
  CHECK(reply_to_records(octets, RecordType::srv)->at(0).host ==
        ServiceHost{.name = "z", .order = 1, .weight = 2, .port = 25});
}

TEST_CASE("dns: a reply cut anywhere is damaged", "[dns]") {
  const std::string whole =
      reply(2, record(15, 300, two(10) + "\3mx1\xc0\x0c"s) + record(15, 300, two(20) + "\1m\0"s));
  REQUIRE(reply_to_records(whole, RecordType::mx));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK_FALSE(reply_to_records(whole.substr(0, size), RecordType::mx));
  }
}

TEST_CASE("dns: an inside that is shorter or longer than its name is damaged", "[dns]") {
  CHECK_FALSE(reply_to_records(reply(1, record(15, 1, two(10) + "\3mx1\0!"s)), RecordType::mx));
  CHECK_FALSE(reply_to_records(reply(1, record(15, 1, "\1"s)), RecordType::mx));
  CHECK_FALSE(reply_to_records(reply(1, record(1, 1, "\x7f\0\0"s)), RecordType::a));
  CHECK_FALSE(reply_to_records(reply(1, record(28, 1, "\x7f\0\0\1"s)), RecordType::aaaa));
}

TEST_CASE("dns: a name that points at itself comes to an end", "[dns]") {
  const std::string octets = reply(1, record(15, 1, two(10) + "\xc0\x25"s));
  CHECK_FALSE(reply_to_records(octets, RecordType::mx));
}

TEST_CASE("dns: hosts stand by their order and equals in any", "[dns]") {
  std::mt19937 random(1);
  std::map<std::string, int> first;
  for (int i = 0; i < 1000; ++i) {
    std::vector<ServiceHost> hosts{{"c", 20}, {"a", 10}, {"b", 10}};
    put_in_order(hosts, random);
    CHECK(hosts[2].name == "c");
    ++first[hosts[0].name];
  }
  CHECK(first["a"] > 400);
  CHECK(first["b"] > 400);
}

TEST_CASE("dns: services are first as often as their weight says", "[dns]") {
  std::mt19937 random(1);
  std::map<std::string, int> first;
  for (int i = 0; i < 1000; ++i) {
    std::vector<ServiceHost> hosts{{"a", 1, 10}, {"b", 1, 30}, {"none", 1, 0}, {"later", 2, 99}};
    put_in_order(hosts, random);
    CHECK(hosts[3].name == "later");
    ++first[hosts[0].name];
  }
  CHECK(first["a"] > 180);
  CHECK(first["b"] > 650);
  CHECK(first["none"] > 0);
  CHECK(first["none"] < 80);
}

TEST_CASE("dns: resolvers that are none are refused", "[dns]") {
  CHECK_FALSE(Resolver::open({.servers = "resolver.test"}));
  CHECK_FALSE(Resolver::open({.servers = "127.0.0.1:port"}));
}
