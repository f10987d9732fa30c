#include "base/process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/diag.hpp"

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

}  // namespace

Result<> start(std::string_view program) {
  set_program(program);
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

Result<pid_t> spawn(const std::vector<std::string>& argv, const Fd& input, const Fd& output,
                    int errors) {
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

  std::vector<char*> words;
  words.reserve(argv.size() + 1);
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t child = 0;
  const int code =
      posix_spawnp(&child, words[0], &plan.actions, &plan.attributes, words.data(), environ);
  if (code != 0) return system_failure("cannot run " + argv[0], code);
  return child;
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
