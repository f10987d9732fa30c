#include "base/process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>
#include <span>
#include <string_view>

#include "base/diag.hpp"
#include "base/text.hpp"

extern char** environ;

namespace ml {
namespace {

// What posix_spawn needs, released whatever happens.
struct SpawnPlan {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;

  SpawnPlan() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
  }
};

// What execve wants: views into `texts`, which must outlive them.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

Result<pid_t> spawn_program(const std::string& program, const std::vector<std::string>& argv,
                            const Fd& input, const Fd& output, int errors,
                            char* const* environment) {
  SpawnPlan plan;
  posix_spawn_file_actions_adddup2(&plan.actions, input.get(), 0);
  posix_spawn_file_actions_adddup2(&plan.actions, output.get(), 1);
  posix_spawn_file_actions_adddup2(&plan.actions, errors, 2);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  sigaddset(&defaults, SIGXFSZ);
  posix_spawnattr_setsigdefault(&plan.attributes, &defaults);
  sigset_t nothing_blocked;
  sigemptyset(&nothing_blocked);
  posix_spawnattr_setsigmask(&plan.attributes, &nothing_blocked);
  posix_spawnattr_setflags(&plan.attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  pid_t child = 0;
  const int code = posix_spawnp(&child, program.c_str(), &plan.actions, &plan.attributes,
                                pointers(argv).data(), environment);
  if (code != 0) return system_failure("cannot run " + argv.front(), code);
  return child;
}

struct BecomeEnds {
  const Fd& null;
  const Fd& errors;
  const Fd& report;
};
// Between fork and exec, as all that follows: no allocation, no lock.
void tell(int report, int code) {
  static_cast<void>(!write(report, &code, sizeof code));
}

[[noreturn]] void become(char* const* words, char* const* environment, const char* directory,
                         const BecomeEnds& ends) {
  for (int number = 1; number < NSIG; ++number) static_cast<void>(signal(number, SIG_DFL));
  sigset_t nothing_blocked;
  sigemptyset(&nothing_blocked);
  sigprocmask(SIG_SETMASK, &nothing_blocked, nullptr);
  // Above what is about to be put in its place, and the only one to be kept for a while.
  const int told = fcntl(ends.report.get(), F_DUPFD_CLOEXEC, 10);
  int code = 0;
  if (told < 0 || dup2(ends.errors.get(), 2) < 0 || dup2(ends.null.get(), 0) < 0 ||
      dup2(ends.null.get(), 1) < 0 || chdir(directory) != 0) {
    code = errno;
  } else {
    close_range(3, static_cast<unsigned>(told) - 1, 0);
    close_range(static_cast<unsigned>(told) + 1, ~0U, 0);
    execve(words[0], words, environment);
    code = errno;
  }
  tell(told, code);
  _exit(1);
}

}  // namespace

Result<> start(std::string_view program) {
  set_program(program);
  std::set_new_handler(leave_without_memory);
  std::set_terminate(leave_by_exception);
  umask(077);
  if (getauxval(AT_SECURE) != 0) return retry("refusing to run set-user-id or set-group-id");
  for (const int number : {SIGPIPE, SIGXFSZ}) {
    if (signal(number, SIG_IGN) == SIG_ERR) return system_failure("cannot ignore a signal", errno);
  }
  // Opened the wrong way round: what is closed must fail when it is used, not swallow a message.
  for (int fd = 0; fd <= 2; ++fd) {
    const int way = fd == 0 ? O_WRONLY : O_RDONLY;
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", way) != fd) {
      return retry("descriptor {} is closed and /dev/null cannot take its place", fd);
    }
  }
  return {};
}

std::optional<std::string> environment_variable(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

std::optional<std::string> find_program(const std::string& name, const Variables& environment) {
  constexpr std::string_view variable = "PATH=";
  if (name.find('/') != std::string::npos) return name;
  for (const std::string& line : environment) {
    if (!line.starts_with(variable)) continue;
    for (const std::string_view directory : split(std::string_view(line).substr(5), ':')) {
      if (directory.empty()) continue;
      std::string path = std::string(directory) + '/' + name;
      if (access(path.c_str(), X_OK) == 0) return path;
    }
  }
  return std::nullopt;
}

Result<pid_t> spawn(const std::vector<std::string>& argv, const Fd& input, const Fd& output,
                    int errors) {
  return spawn_program(argv.front(), argv, input, output, errors, environ);
}

Result<pid_t> spawn(const std::vector<std::string>& argv, const Fd& input, const Fd& output,
                    int errors, const Variables& environment) {
  const auto program = find_program(argv.front(), environment);
  if (!program) return retry("cannot run {}: not found along PATH", argv.front());
  return spawn_program(*program, argv, input, output, errors, pointers(environment).data());
}

// Forked twice, so that it is nobody's child; what exec says, if it fails, comes back by a pipe
// that a program which has begun has closed.
Result<> spawn_detached(const std::vector<std::string>& argv, const Fd& errors,
                        const std::string& directory, const Variables& environment) {
  auto report = make_pipe();
  if (!report) return fail(report);
  auto null = open_file("/dev/null", O_RDWR);
  if (!null) return fail(null);
  std::vector<char*> words = pointers(argv);
  std::vector<char*> variables = pointers(environment);
  const pid_t child = fork();
  if (child < 0) return system_failure("cannot start a process for " + argv.front(), errno);
  if (child == 0) {
    setsid();
    const pid_t grandchild = fork();
    if (grandchild < 0) tell(report->write.get(), errno);
    if (grandchild != 0) _exit(0);
    become(words.data(), variables.data(), directory.c_str(), {*null, errors, report->write});
  }
  report->write.reset();
  if (auto ended = wait_for(child); !ended) return fail(ended);
  int code = 0;
  auto got = read_some(report->read.get(), std::span(reinterpret_cast<char*>(&code), sizeof code),
                       "the start of a process");
  if (!got) return fail(got);
  return *got == 0 ? Result<>() : system_failure("cannot run " + argv.front(), code);
}

Result<Ending> wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return system_failure("cannot wait for a child", errno);
  }
  if (WIFSIGNALED(status)) return Ending{0, WTERMSIG(status)};
  return Ending{WEXITSTATUS(status), 0};
}

}  // namespace ml
