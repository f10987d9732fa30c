#include "store/db.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <array>
#include <functional>
#include <utility>
#include <vector>

#include "base/process.hpp"
#include "scratch.hpp"

using namespace ml;
using namespace ml::tests;

namespace {

constexpr Table words{0};
constexpr DbLimits tiny{std::size_t{64} << 10, 1024};

Environment open(const Scratch& scratch, const DbLimits& limits = {}) {
  auto env = Environment::open(scratch.path(""), Access::make, {"words"}, limits);
  INFO((env ? std::string() : env.error().text));
  REQUIRE(env);
  return std::move(*env);
}

Result<> put_many(Environment& env, int from, int to, std::size_t octets) {
  return env.write([&](StoreTransaction& change) -> Result<> {
    for (int i = from; i < to; ++i) {
      if (auto put = change.put(words, fmt::format("{:08}", i), std::string(octets, 'v')); !put) {
        return put;
      }
    }
    return {};
  });
}

std::size_t count(const Environment& env) {
  auto snapshot = env.read();
  REQUIRE(snapshot);
  auto cursor = snapshot->cursor(words);
  REQUIRE(cursor);
  std::size_t found = 0;
  auto more = cursor->first();
  for (; more && *more; more = cursor->next()) ++found;
  REQUIRE(more);
  return found;
}

// Another process: runs `work`, which says by its result what the process leaves with.
class Child {
 public:
  explicit Child(const std::function<int()>& work) {
    auto pipe = make_pipe();
    REQUIRE(pipe);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      told_ = std::move(pipe->write);
      int status = 99;
      try {
        status = work();
      } catch (...) {
        status = 98;
      }
      _exit(status);
    }
    heard_ = std::move(pipe->read);
  }
  Child(Child&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)), heard_(std::move(other.heard_)) {}
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ > 0) kill_and_wait();
  }

  // In the child: lets the parent go on, and waits to be killed.
  static int tell_and_stay() {
    static_cast<void>(write_all(told_, "x", "pipe"));
    for (;;) pause();
  }
  void hear() const {
    std::array<char, 1> octet{};
    REQUIRE(read_some(heard_.get(), octet, "pipe") == std::size_t{1});
  }
  void kill_and_wait() {
    kill(pid_, SIGKILL);
    CHECK(wait_for(std::exchange(pid_, 0)).has_value());
  }
  int status() {
    const auto ending = wait_for(std::exchange(pid_, 0));
    REQUIRE(ending);
    return ending->signal != 0 ? -ending->signal : ending->status;
  }

 private:
  pid_t pid_ = 0;
  Fd heard_;
  inline static Fd told_;
};

void limit_files_to(std::uint64_t octets) {
  signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{octets, octets};
  setrlimit(RLIMIT_FSIZE, &limit);
}

}  // namespace

TEST_CASE("db: what was put is read and what was erased is not") {
  const Scratch scratch;
  auto env = open(scratch);
  REQUIRE(put_many(env, 0, 3, 1));
  REQUIRE(env.write([](StoreTransaction& change) -> Result<> {
    const auto erased = change.erase(words, "00000001");
    REQUIRE(erased);
    CHECK(*erased);
    CHECK(change.erase(words, "00000001") == false);
    return {};
  }));
  CHECK(count(env) == 2);
  const auto snapshot = env.read();
  REQUIRE(snapshot);
  CHECK(**snapshot->get(words, "00000000") == "v");
  CHECK(!snapshot->get(words, "00000001")->has_value());
}

TEST_CASE("db: a long read hands out every record and its pages may be forgotten") {
  const Scratch scratch;
  auto env = open(scratch);
  REQUIRE(put_many(env, 0, 1000, 5000));  // values on pages of their own
  const auto snapshot = env.read();
  REQUIRE(snapshot);
  auto cursor = snapshot->cursor(words);
  REQUIRE(cursor);
  auto standing = cursor->first();
  REQUIRE(standing);
  std::array<DbRecord, 7> room;
  std::size_t seen = 0;
  for (std::size_t count = room.size(); count == room.size(); cursor->forget_pages()) {
    const auto read = cursor->read_on(room, *standing);
    REQUIRE(read);
    count = *read;
    for (std::size_t i = 0; i < count; ++i, ++seen) {
      cursor->forget_pages();
      CHECK(room[i].key == fmt::format("{:08}", seen));
      CHECK(room[i].value == std::string(5000, 'v'));
    }
  }
  CHECK(seen == 1000);
  CHECK(!*standing);
}

TEST_CASE("db: work that fails changes nothing") {
  const Scratch scratch;
  auto env = open(scratch);
  const auto done = env.write([](StoreTransaction& change) -> Result<> {
    REQUIRE(change.put(words, "key", "value"));
    return retry("no");
  });
  REQUIRE(!done);
  CHECK(count(env) == 0);
}

TEST_CASE("db: a key over 511 octets or of none is refused") {
  const Scratch scratch;
  auto env = open(scratch);
  for (const std::size_t length : {std::size_t{0}, std::size_t{512}, std::size_t{5000}}) {
    const auto done = env.write(
        [&](StoreTransaction& change) { return change.put(words, std::string(length, 'k'), "v"); });
    REQUIRE(!done);
    CHECK(done.error().text.find("keys of 1 to 511 octets") != std::string::npos);
    CHECK(!env.read()->get(words, std::string(length, 'k'))->has_value());
  }
  CHECK(env.write([](StoreTransaction& change) {
             return change.put(words, std::string(511, 'k'), "v");
           })
            .has_value());
}

TEST_CASE("db: a full map grows and the transaction runs again from its beginning") {
  const Scratch scratch;
  auto env = open(scratch, tiny);
  int runs = 0;
  REQUIRE(env.write([&](StoreTransaction& change) -> Result<> {
    ++runs;
    for (int i = 0; i < 2000; ++i) {
      auto put = change.put(words, fmt::format("{:08}", i), std::string(1000, 'v'));
      if (!put) return put;
    }
    return {};
  }));
  CHECK(runs > 3);
  CHECK(count(env) == 2000);
}

TEST_CASE("db: a process follows a map that another has enlarged") {
  const Scratch scratch;
  auto env = open(scratch, tiny);
  CHECK(count(env) == 0);
  Child other([&] {
    auto larger = open(scratch, tiny);
    return put_many(larger, 0, 2000, 1000) ? 0 : 1;
  });
  REQUIRE(other.status() == 0);
  CHECK(count(env) == 2000);
  Child another([&] {
    auto larger = open(scratch, tiny);
    return put_many(larger, 2000, 6000, 1000) ? 0 : 1;
  });
  REQUIRE(another.status() == 0);
  REQUIRE(put_many(env, 6000, 6001, 1));
  CHECK(count(env) == 6001);
}

TEST_CASE("db: too many readers are told and the slots of killed ones are free again") {
  const Scratch scratch;
  const DbLimits few{std::size_t{1} << 20, 4};
  { auto env = open(scratch, few); }
  std::vector<Child> readers;
  for (unsigned i = 0; i < few.readers; ++i) {
    readers.emplace_back([&] {
      const auto env = open(scratch, few);
      return count(env) == 0 ? Child::tell_and_stay() : 1;
    });
    readers.back().hear();
  }
  {
    const auto refused = Environment::open(scratch.path(""), Access::read, {"words"}, few);
    REQUIRE(!refused);
    CHECK(refused.error().status == Status::retry);
    CHECK(refused.error().text.find("read by 4 processes") != std::string::npos);
  }
  for (Child& reader : readers) reader.kill_and_wait();
  auto env = open(scratch, few);
  CHECK(count(env) == 0);
}

TEST_CASE("db: a writer that is killed leaves nothing and the next writer goes on") {
  const Scratch scratch;
  auto first = std::make_unique<Environment>(open(scratch));
  REQUIRE(put_many(*first, 0, 10, 100));
  first.reset();
  Child writer([&] {
    auto env = open(scratch);
    const auto done = env.write([](StoreTransaction& change) -> Result<> {
      static_cast<void>(change.put(words, "half", "done"));
      Child::tell_and_stay();
      return {};
    });
    return done ? 0 : 1;
  });
  writer.hear();
  writer.kill_and_wait();
  auto env = open(scratch);
  CHECK(count(env) == 10);
  REQUIRE(put_many(env, 10, 11, 1));
  CHECK(count(env) == 11);
}

TEST_CASE("db: writers and readers of many processes do not lose one another's changes") {
  const Scratch scratch;
  { auto env = open(scratch); }
  std::vector<Child> others;
  for (int who = 0; who < 4; ++who) {
    others.emplace_back([&, who] {
      auto env = open(scratch);
      for (int i = 0; i < 25; ++i) {
        if (!put_many(env, who * 1000 + i, who * 1000 + i + 1, 10)) return 1;
      }
      return 0;
    });
  }
  others.emplace_back([&] {
    const auto env = open(scratch);
    std::size_t before = 0;
    while (before < 100) {
      const std::size_t now = count(env);
      if (now < before) return 1;
      before = now;
    }
    return 0;
  });
  for (Child& other : others) CHECK(other.status() == 0);
  CHECK(count(open(scratch)) == 100);
}

TEST_CASE("db: a file-size limit without room is told at once with Postfix's setting") {
  const Scratch scratch;
  {
    auto env = open(scratch);
    REQUIRE(put_many(env, 0, 100, 1000));
  }
  Child limited([&] {
    limit_files_to(std::uint64_t{4} << 20);
    const auto env = Environment::open(scratch.path(""), Access::write, {"words"}, {});
    if (env || env.error().status != Status::retry) return 1;
    if (env.error().text.find("set mailbox_size_limit=0 in Postfix") == std::string::npos) return 2;
    // Reading needs no room.
    return Environment::open(scratch.path(""), Access::read, {"words"}, {}) ? 0 : 3;
  });
  CHECK(limited.status() == 0);
}

TEST_CASE("db: running into the file-size limit leaves everything as it was") {
  const Scratch scratch;
  {
    auto env = open(scratch);
    REQUIRE(put_many(env, 0, 100, 1000));
  }
  Child limited([&] {
    limit_files_to(std::uint64_t{20} << 20);
    auto env = open(scratch);
    const auto done = put_many(env, 100, 40'000, 1000);
    if (done || done.error().status != Status::retry) return 1;
    return done.error().text.find("mailbox_size_limit=0") == std::string::npos ? 2 : 0;
  });
  CHECK(limited.status() == 0);
  auto env = open(scratch);
  CHECK(count(env) == 100);
  CHECK(put_many(env, 100, 200, 1000).has_value());
}

TEST_CASE("db: without address space for the map there is a word about ulimit") {
  const Scratch scratch;
  { auto env = open(scratch); }
  Child limited([&] {
    const rlimit limit{std::uint64_t{8} << 30, std::uint64_t{8} << 30};
    setrlimit(RLIMIT_AS, &limit);
    const auto env = Environment::open(scratch.path(""), Access::read, {"words"}, {});
    if (env) return 1;
    return env.error().text.find("ulimit -v") == std::string::npos ? 2 : 0;
  });
#if !defined(__SANITIZE_ADDRESS__)  // which needs more than that itself
  CHECK(limited.status() == 0);
#endif
}

TEST_CASE("db: a store that is not there yet names the command that makes it") {
  const Scratch scratch;
  for (const Access access : {Access::read, Access::write}) {
    const auto env = Environment::open(scratch.path("store"), access, {"words"}, {});
    REQUIRE(!env);
    CHECK(env.error().text.find("ml-list create") != std::string::npos);
  }
}

TEST_CASE("db: a store of another user is refused with both uids") {
  if (geteuid() != 0) return;
  const Scratch scratch;
  { auto env = open(scratch); }
  REQUIRE(chown(scratch.path("data.mdb").c_str(), 65534, 65534) == 0);
  const auto env = Environment::open(scratch.path(""), Access::write, {"words"}, {});
  REQUIRE(!env);
  CHECK(env.error().text.find("belongs to uid 65534 and this runs as uid 0") != std::string::npos);
}

TEST_CASE("db: rubbish in place of a store is called damaged") {
  const Scratch scratch;
  scratch.write("data.mdb", std::string(100'000, 'x'));
  const auto env = Environment::open(scratch.path(""), Access::write, {"words"}, {});
  REQUIRE(!env);
  CHECK(env.error().status == Status::retry);
  CHECK(env.error().text.find("damaged") != std::string::npos);
}

TEST_CASE("db: network file systems are known by their numbers and local ones are not") {
  CHECK(network_file_system(0x6969) == "NFS");
  CHECK(network_file_system(0xFFFFFFFFFF534D42) == "CIFS");
  CHECK(network_file_system(0x01021997) == "9P");
  for (const unsigned long local : {0xEF53UL, 0x58465342UL, 0x9123683EUL, 0x01021994UL}) {
    CHECK(!network_file_system(local));
  }
}
