#include "base/process.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "base/coprocess.hpp"
#include "base/diag.hpp"
#include "octets.hpp"

using namespace ml;

namespace {

// What `act` leaves and says on stderr, in a process of its own.
struct Said {
  int status = -1;
  std::string text;
};
Said in_a_child(const std::function<int()>& act) {
  const Fd memory = octets_to_fd("");
  const pid_t child = fork();
  if (child == 0) {
    dup2(memory.get(), 2);
    _exit(act());
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return {WEXITSTATUS(status), fd_to_octets(memory)};
}

Said leaving(const Result<Status>& result) {
  return in_a_child([&] {
    set_program("ml-trial");
    return leave(result);
  });
}

// What a command makes of `input`, and how it ended.
struct Filtered {
  std::string output;
  Ending ending;
};
Filtered filtered(const std::vector<std::string>& argv, std::string_view input) {
  signal(SIGPIPE, SIG_IGN);
  Filtered result;
  const auto take = [&](std::string_view octets) { result.output += octets; };
  auto command = Coprocess::start(argv);
  REQUIRE(command);
  REQUIRE(command->feed(input, take));
  const auto ending = command->finish(take);
  REQUIRE(ending);
  result.ending = *ending;
  return result;
}

// From here on this process and its children can start none: EAGAIN, as where a user has as many
// as are allowed.
void forbid_forks() {
  const auto call = [](std::uint32_t number) {
    return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, number};
  };
  const sock_filter again{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EAGAIN};
  std::array<sock_filter, 6> filter{
      sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      call(__NR_clone),
      again,
      call(__NR_clone3),
      again,
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  const sock_fprog program{filter.size(), filter.data()};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

}  // namespace

TEST_CASE("diag: success is silent") {
  const Said said = leaving(Status::done);
  CHECK(said.status == 0);
  CHECK(said.text.empty());
}

TEST_CASE("diag: a rejection begins with its enhanced code") {
  const Said rejected = leaving(failure(Status::rejected, "5.6.0 no From field"));
  CHECK(rejected.status == 65);
  CHECK(rejected.text == "5.6.0 no From field\n");
  const Said denied = leaving(failure(Status::denied, "5.7.1 only subscribers may post"));
  CHECK(denied.status == 77);
  CHECK(denied.text == "5.7.1 only subscribers may post\n");
}

TEST_CASE("diag: a 75 begins with the program even where its text begins with a code") {
  const Said said = leaving(retry("5.7.1 says the relay"));
  CHECK(said.status == 75);
  CHECK(said.text == "ml-trial: 5.7.1 says the relay\n");
}

TEST_CASE("diag: a failure without a text is silent and keeps its status") {
  const Said said = leaving(Failure(Error{Status::retry, {}}));
  CHECK(said.status == 75);
  CHECK(said.text.empty());
}

TEST_CASE("diag: what came from outside cannot make a second line or drive the terminal") {
  const Said said = leaving(failure(Status::rejected, "5.6.0 bad \x1b[2J\n5.7.1 smuggled"));
  CHECK(said.text == "5.6.0 bad \\x1b[2J\\x0a5.7.1 smuggled\n");
}

TEST_CASE("diag: a log file gets one line an event with time and program") {
  const Fd memory = octets_to_fd("");
  const std::string path = "/proc/self/fd/" + std::to_string(memory.get());
  const Said said = in_a_child([&] {
    set_program("ml-trial");
    if (!log_to(path)) return 1;
    log("loop dropped");
    return 0;
  });
  CHECK(said.status == 0);
  CHECK(said.text.empty());
  const std::string line = fd_to_octets(memory);
  CHECK(line.substr(20) == " ml-trial: loop dropped\n");
  CHECK(line[10] == 'T');
  CHECK(line[19] == 'Z');
}

TEST_CASE("process: a program starts with a strict umask and without SIGPIPE") {
  CHECK(in_a_child([] {
          if (!start("ml-trial") || umask(0) != 077) return 1;
          const Fd nobody = std::move(make_pipe()->write);
          return write(nobody.get(), "x", 1) < 0 && errno == EPIPE ? 0 : 2;
        }).status == 0);
}

TEST_CASE(
    "process: closed standard descriptors are opened again so that no file takes their place") {
  CHECK(in_a_child([] {
          close(0);
          close(1);
          if (!start("ml-trial")) return 1;
          return open("/dev/null", O_RDONLY | O_CLOEXEC) > 2 ? 0 : 2;
        }).status == 0);
}

TEST_CASE("process: reading and writing what was closed at the start is a failure and no success") {
  CHECK(in_a_child([] {
          close(0);
          close(1);
          if (!start("ml-trial")) return 1;
          char octet = 0;
          if (read(0, &octet, 1) >= 0) return 2;
          return write(1, "x", 1) >= 0 ? 3 : 0;
        }).status == 0);
}

TEST_CASE("process: a child has SIGPIPE back at its default") {
  signal(SIGPIPE, SIG_IGN);
  const Filtered seen = filtered({"sh", "-c", "kill -PIPE $$; echo survived"}, "");
  CHECK(seen.ending.signal == SIGPIPE);
  CHECK(seen.output.empty());
}

TEST_CASE("process: a child gets none of the descriptors that we opened") {
  const Fd ours = octets_to_fd("secret");
  const std::string path = "/proc/self/fd/" + std::to_string(ours.get());
  CHECK(filtered({"test", "-e", path}, "").ending.status == 1);
}

TEST_CASE("coprocess: a filter's output and status come back") {
  const Filtered sorted = filtered({"sort"}, "b\na\n");
  CHECK(sorted.output == "a\nb\n");
  CHECK(sorted.ending.status == 0);
  CHECK(filtered({"sh", "-c", "exit 7"}, "").ending.status == 7);
  CHECK(filtered({"sh", "-c", "kill -9 $$"}, "").ending.signal == SIGKILL);
}

TEST_CASE("coprocess: much input and much output at once is no deadlock") {
  const std::string large(10'000'000, 'x');
  CHECK(filtered({"cat"}, large).output == large);
  const Filtered doubled = filtered({"sed", "p"}, std::string(200'000, '\n'));
  CHECK(doubled.output.size() == 400'000);
}

TEST_CASE("coprocess: a command that writes much before it reads is no deadlock") {
  const Filtered seen =
      filtered({"sh", "-c", "head -c 1000000 /dev/zero; wc -c"}, std::string(1'000'000, 'x'));
  CHECK(seen.output.size() == 1'000'000 + std::string("1000000\n").size());
}

TEST_CASE("coprocess: a command that stops reading is no failure") {
  const Filtered seen = filtered({"head", "-n", "1"}, "first\n" + std::string(5'000'000, 'x'));
  CHECK(seen.output == "first\n");
  CHECK(seen.ending.status == 0);
}

TEST_CASE("coprocess: a command that closes its output early still gets its input") {
  const Filtered seen =
      filtered({"sh", "-c", "exec >&-; test $(wc -c) = 3000000"}, std::string(3'000'000, 'x'));
  CHECK(seen.ending.status == 0);
}

TEST_CASE("coprocess: a command that is not there is 75 with its name") {
  const auto command = Coprocess::start({"no-such-command"});
  REQUIRE_FALSE(command);
  CHECK(command.error().status == Status::retry);
  CHECK(command.error().text == "cannot run no-such-command: No such file or directory");
}

TEST_CASE("process: a command that is nowhere along the PATH it is given says so") {
  const Fd none = octets_to_fd("");
  for (const char* const path : {"PATH=/nowhere", "PATH=", "PATH=:/nowhere:", "HOME=/"}) {
    const auto child = spawn({"etc"}, none, none, 2, {path});
    REQUIRE_FALSE(child);
    CHECK(child.error().status == Status::retry);
    CHECK(child.error().text == "cannot run etc: not found along PATH");
  }
}

TEST_CASE("process: what is detached has begun or the reason is told") {
  const Fd errors = octets_to_fd("");
  CHECK(spawn_detached({"/bin/true"}, errors, "/", {}));
  const auto missing = spawn_detached({"/no/such/program"}, errors, "/", {});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().text == "cannot run /no/such/program: No such file or directory");
}

TEST_CASE("process: what is detached and cannot be forked a second time has not begun") {
  const Said said = in_a_child([] {
    pthread_atfork(nullptr, nullptr, forbid_forks);
    const auto begun = spawn_detached({"/bin/true"}, octets_to_fd(""), "/", {});
    set_program("ml-trial");
    return leave(begun ? Result<Status>(Status::done) : fail(begun));
  });
  CHECK(said.status == 75);
  CHECK(said.text == "ml-trial: cannot run /bin/true: Resource temporarily unavailable\n");
}
