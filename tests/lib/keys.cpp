#include "store/keys.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <array>
#include <ctime>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "scratch.hpp"

using namespace ml;
using ml::tests::Scratch;

namespace {

const std::string key_octets(32, '\x07');
const std::int64_t now = time(nullptr);

// The key's file as if it had been made `days` ago.
void age(const Home& home, const std::string& name, std::int64_t days) {
  const timespec then{now - days * 86400, 0};
  const std::array<timespec, 2> times{then, then};
  REQUIRE(utimensat(AT_FDCWD, home.path(name).c_str(), times.data(), 0) == 0);
}

}  // namespace

TEST_CASE("keys: a new home gets one key of 32 octets that only its owner may read") {
  const Scratch scratch;
  const Home home = scratch.home();
  REQUIRE(make_keys(home));
  struct stat about{};
  REQUIRE(stat(home.path("keys/a").c_str(), &about) == 0);
  CHECK((about.st_mode & 07777) == 0400);
  CHECK(about.st_size == 32);
  CHECK(std::distance(std::filesystem::directory_iterator(home.path("keys")), {}) == 1);
  const auto keys = load_keys(home);
  REQUIRE(keys);
  CHECK(keys->newest().generation() == 'a');
}

TEST_CASE("keys: making keys again changes nothing") {
  const Scratch scratch;
  const Home home = scratch.home();
  REQUIRE(make_keys(home));
  const auto before = load_keys(home)->newest().derive("x");
  REQUIRE(make_keys(home));
  CHECK(load_keys(home)->newest().derive("x") == before);
}

TEST_CASE("keys: makers at the same time go on with one and the same key") {
  const Scratch scratch;
  std::vector<Octets32> seen(8);
  std::vector<std::thread> makers;
  for (auto& one : seen) {
    makers.emplace_back([&] {
      auto home = open_home(scratch.path(""), Create::no);
      if (!home || !make_keys(*home)) return;
      if (auto keys = load_keys(*home)) one = keys->newest().derive("x");
    });
  }
  for (auto& maker : makers) maker.join();
  const auto last = load_keys(scratch.home())->newest().derive("x");
  for (const auto& one : seen) CHECK(one == last);
}

TEST_CASE("keys: a used home without keys is 75 and says why") {
  const Scratch scratch;
  const Home home = scratch.home();
  REQUIRE(home.make_directory("store"));
  const auto made = make_keys(home);
  REQUIRE_FALSE(made);
  CHECK(made.error().status == Status::retry);
  CHECK(made.error().text.find("has a store but no keys") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(home.path("keys")));
}

TEST_CASE("keys: a home without keys cannot load them") {
  const Scratch scratch;
  const auto keys = load_keys(scratch.home());
  REQUIRE_FALSE(keys);
  CHECK(keys.error().text.find("has no keys") != std::string::npos);
}

TEST_CASE("keys: the newest generation signs and older ones are found") {
  const Scratch scratch;
  const Home home = scratch.home();
  REQUIRE(home.make_directory("keys"));
  scratch.write("keys/z", key_octets, 0400);
  scratch.write("keys/2", std::string(32, 'x'), 0400);
  scratch.write("keys/b", std::string(32, 'y'), 0400);
  const auto keys = load_keys(home);
  REQUIRE(keys);
  CHECK(keys->newest().generation() == '2');
  REQUIRE(keys->find('z', now) != nullptr);
  CHECK(keys->find('z', now)->generation() == 'z');
  CHECK(keys->find('c', now) == nullptr);
}

TEST_CASE("keys: a key signs for a year and then the next one does") {
  const Scratch scratch;
  const Home home = scratch.home();
  REQUIRE(make_keys(home));
  age(home, "keys/a", 364);
  CHECK(keys_to_sign(home, now)->newest().generation() == 'a');
  age(home, "keys/a", 365);
  const auto keys = keys_to_sign(home, now);
  REQUIRE(keys);
  CHECK(keys->newest().generation() == 'b');
  CHECK(keys->newest().derive("x") != keys->oldest().derive("x"));
  CHECK(keys->oldest().generation() == 'a');
  CHECK(keys_to_sign(home, now)->newest().generation() == 'b');
}

TEST_CASE("keys: one that signs no more decodes for sixty days") {
  const Scratch scratch;
  const Home home = scratch.home();
  REQUIRE(make_keys(home));
  age(home, "keys/a", 500);
  REQUIRE(keys_to_sign(home, now));
  age(home, "keys/b", 60);
  CHECK(load_keys(home)->find('a', now) != nullptr);
  age(home, "keys/b", 61);
  CHECK(load_keys(home)->find('a', now) == nullptr);
  CHECK(load_keys(home)->find('b', now) != nullptr);
}

TEST_CASE("keys: the last generation signs for ever") {
  const Scratch scratch;
  const Home home = scratch.home();
  REQUIRE(home.make_directory("keys"));
  scratch.write("keys/7", key_octets, 0400);
  age(home, "keys/7", 4000);
  CHECK(keys_to_sign(home, now)->newest().generation() == '7');
}

TEST_CASE("keys: files of other names are passed over") {
  const Scratch scratch;
  const Home home = scratch.home();
  REQUIRE(make_keys(home));
  scratch.write("keys/.b.17", "half", 0600);
  scratch.write("keys/a~", "old", 0644);
  scratch.write("keys/A", key_octets, 0644);
  scratch.write("keys/1", key_octets, 0644);
  CHECK(load_keys(home));
}

TEST_CASE("keys: a key of a wrong size is refused by name") {
  const Scratch scratch;
  const Home home = scratch.home();
  REQUIRE(home.make_directory("keys"));
  for (const std::size_t size : {0U, 31U, 33U, 4096U}) {
    scratch.write("keys/a", std::string(size, 'k'), 0400);
    const auto keys = load_keys(home);
    REQUIRE_FALSE(keys);
    CHECK(keys.error().text.find("keys/a is damaged") != std::string::npos);
  }
}

TEST_CASE("keys: a key that others may use is refused") {
  const Scratch scratch;
  const Home home = scratch.home();
  REQUIRE(home.make_directory("keys"));
  for (const mode_t mode : {0440U, 0404U, 0420U, 0602U}) {
    scratch.write("keys/a", key_octets, mode);
    const auto keys = load_keys(home);
    REQUIRE_FALSE(keys);
    CHECK(keys.error().text.find("others may use the key") != std::string::npos);
  }
}

TEST_CASE("keys: a key that is a link or a pipe is refused and never waited for") {
  const Scratch scratch;
  const Home home = scratch.home();
  REQUIRE(home.make_directory("keys"));
  scratch.write("elsewhere", key_octets, 0400);
  REQUIRE(symlink("../elsewhere", home.path("keys/a").c_str()) == 0);
  CHECK_FALSE(load_keys(home));
  REQUIRE(unlink(home.path("keys/a").c_str()) == 0);
  REQUIRE(mkfifo(home.path("keys/a").c_str(), 0400) == 0);
  CHECK_FALSE(load_keys(home));
}

TEST_CASE("keys: each use has a key of its own") {
  Octets32 octets{};
  const Key key('a', octets, 0);
  CHECK(key.sip_key("verp mac") != key.sip_key("verp handle"));
  CHECK(key.sip_key("verp mac") == key.sip_key("verp mac"));
}
