#include "base/fd.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <array>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include "base/out.hpp"
#include "octets.hpp"

using namespace ml;

namespace {

// A fresh directory, gone with the test.
struct Scratch {
  std::string directory;
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "mlpipe-fd-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    directory = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(directory); }
  [[nodiscard]] std::string path(const std::string& name) const { return directory + '/' + name; }
};

bool is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

// A pipe that nobody reads.
Fd broken_pipe() {
  signal(SIGPIPE, SIG_IGN);
  auto pipe = make_pipe();
  REQUIRE(pipe);
  return std::move(pipe->write);
}

}  // namespace

TEST_CASE("fd: a descriptor is closed once by its last owner") {
  int number = -1;
  {
    auto file = open_file("/dev/null", O_RDONLY);
    REQUIRE(file);
    number = file->get();
    Fd other(std::move(*file));
    CHECK_FALSE(file->open());
    CHECK(is_open(number));
    Fd third;
    third = std::move(other);
    CHECK(third.get() == number);
  }
  CHECK_FALSE(is_open(number));
}

TEST_CASE("fd: a released descriptor stays open") {
  Fd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Fd again(fd.release());
  CHECK_FALSE(fd.open());
  CHECK(is_open(again.get()));
}

TEST_CASE("fd: files are private and close on exec") {
  const Scratch scratch;
  const auto file = open_file(scratch.path("new"), O_WRONLY | O_CREAT | O_EXCL);
  REQUIRE(file);
  struct stat about{};
  REQUIRE(fstat(file->get(), &about) == 0);
  CHECK((about.st_mode & 07077) == 0);
  CHECK((fcntl(file->get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("fd: a file that cannot be opened is 75 with its name and the reason") {
  const auto file = open_file("/nowhere/x", O_RDONLY);
  REQUIRE_FALSE(file);
  CHECK(file.error().status == Status::retry);
  CHECK(file.error().text == "cannot open /nowhere/x: No such file or directory");
}

TEST_CASE("fd: nothing above a directory is reached from it and no symbolic link is followed") {
  const Scratch scratch;
  std::filesystem::create_directories(scratch.path("home/lists"));
  REQUIRE(open_file(scratch.path("secret"), O_WRONLY | O_CREAT));
  REQUIRE(open_file(scratch.path("home/lists/ok"), O_WRONLY | O_CREAT));
  std::filesystem::create_symlink("lists/ok", scratch.path("home/link"));
  std::filesystem::create_symlink("lists", scratch.path("home/dir"));
  const auto home = open_file(scratch.path("home"), O_RDONLY | O_DIRECTORY);
  REQUIRE(home);
  CHECK(open_beneath(*home, "lists/ok", O_RDONLY));
  CHECK(open_beneath(*home, "lists/new", O_WRONLY | O_CREAT));
  for (const char* bad : {"../secret", "lists/../../secret", "/etc/passwd", "link", "dir/ok"}) {
    CAPTURE(bad);
    CHECK_FALSE(open_beneath(*home, bad, O_RDONLY));
  }
}

TEST_CASE("fd: everything is written and read through a pipe that does not block") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  for (const int end : {pipe->read.get(), pipe->write.get()}) fcntl(end, F_SETFL, O_NONBLOCK);
  const std::string sent(1'000'000, 'x');
  std::thread writer([&] {
    static_cast<void>(write_all(pipe->write, sent, "pipe"));
    pipe->write.reset();
  });
  const auto got = read_all(pipe->read.get(), sent.size(), "pipe");
  writer.join();
  REQUIRE(got);
  CHECK(*got == sent);
}

TEST_CASE("fd: a message of exactly the limit passes and one octet more is 65") {
  CHECK(read_all(octets_to_fd("12345").get(), 5, "standard input") == "12345");
  const auto big = read_all(octets_to_fd("123456").get(), 5, "standard input");
  REQUIRE_FALSE(big);
  CHECK(big.error().status == Status::rejected);
  CHECK(big.error().text == "5.3.4 message too big: more than 5 octets are not taken here");
}

TEST_CASE("fd: a settings file over its limit is 75 and not the message's fault") {
  const auto big = read_file("/proc/self/status", 10);
  REQUIRE_FALSE(big);
  CHECK(big.error().status == Status::retry);
  CHECK(big.error().text.starts_with("/proc/self/status: "));
}

TEST_CASE("fd: a reader of ours that has left is silence with 75") {
  const auto written = write_all(broken_pipe(), "x", "standard output");
  REQUIRE_FALSE(written);
  CHECK(written.error().status == Status::retry);
  CHECK(written.error().text.empty());
}

TEST_CASE("fd: a full disk is said with the name of what was written") {
  const auto full = open_file("/dev/full", O_WRONLY);
  REQUIRE(full);
  const auto written = write_all(*full, "x", "the queue entry");
  REQUIRE_FALSE(written);
  CHECK(written.error().text == "cannot write the queue entry: No space left on device");
}

TEST_CASE("fd: what cannot be synced is a failure") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  CHECK_FALSE(sync(pipe->write, "a pipe"));
  CHECK_FALSE(sync_directory("/nowhere"));
  CHECK(sync_directory("/tmp"));
}

TEST_CASE("out: nothing is written before it must be and all of it at flush") {
  const Fd memory = octets_to_fd("");
  Out out(memory.get(), "memory");
  out.put("end\t0");
  out.put('\n');
  CHECK(fd_to_octets(memory).empty());
  REQUIRE(out.flush());
  CHECK(fd_to_octets(memory) == "end\t0\n");
}

TEST_CASE("out: much more than its buffer comes out in order") {
  const Fd memory = octets_to_fd("");
  Out out(memory.get(), "memory");
  std::string all;
  for (int i = 0; i < 100'000; ++i) {
    const std::string line = std::to_string(i) + "\n";
    all += line;
    if (i % 2 == 0) {
      out.put(line);
    } else {
      out.buffer() += line;
      out.settle();
    }
  }
  REQUIRE(out.flush());
  CHECK(fd_to_octets(memory) == all);
}

TEST_CASE("out: a failed write is remembered until flush and nothing follows it") {
  const auto full = open_file("/dev/full", O_WRONLY);
  REQUIRE(full);
  Out out(full->get(), "standard output");
  CHECK_FALSE(out.failed());
  const std::string large(1'000'000, 'x');
  out.put(large);
  CHECK(out.failed());
  out.put(large);
  const auto flushed = out.flush();
  REQUIRE_FALSE(flushed);
  CHECK(flushed.error().text == "cannot write standard output: No space left on device");
}
