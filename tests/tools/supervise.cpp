// What systemd does for a service with a socket, for tests:
//   supervise SOCKET LOG COMMAND...
// listens on SOCKET, starts COMMAND with it as descriptor 3 (LISTEN_FDS) and writes what the
// command tells of its state (NOTIFY_SOCKET) to LOG, a line each, until it has ended; then leaves
// as it did.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/diag.hpp"
#include "base/fd.hpp"
#include "base/process.hpp"

using namespace ml;

namespace {

Result<Fd> bound(const std::string& path, int type) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
  Fd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return system_failure("cannot bind " + path, errno);
  }
  return fd;
}

[[noreturn]] void become(char** command, int listener, const std::string& notify) {
  dup2(listener, 3);
  setenv("LISTEN_FDS", "1", 1);
  setenv("LISTEN_PID", fmt::format_int(getpid()).c_str(), 1);
  setenv("NOTIFY_SOCKET", notify.c_str(), 1);
  execvp(command[0], command);
  _exit(127);
}

Result<Status> run(char** argv) {
  const std::string path = argv[1];
  auto listener = bound(path, SOCK_STREAM);
  if (!listener) return fail(listener);
  if (listen(listener->get(), 100) != 0) return system_failure("cannot listen", errno);
  auto notify = bound(path + ".notify", SOCK_DGRAM);
  if (!notify) return fail(notify);
  auto log = open_file(argv[2], O_WRONLY | O_CREAT | O_APPEND);
  if (!log) return fail(log);
  const pid_t child = fork();
  if (child == 0) become(argv + 3, listener->get(), path + ".notify");
  listener->reset();
  int status = 0;
  for (bool ended = false; !ended;) {
    ended = waitpid(child, &status, WNOHANG) == child;
    pollfd one{notify->get(), POLLIN, 0};
    if (poll(&one, 1, ended ? 0 : 50) <= 0) continue;
    std::array<char, 256> room;
    const ssize_t got = read(notify->get(), room.data(), room.size());
    if (got <= 0) continue;
    const std::string line(room.data(), static_cast<std::size_t>(got));
    if (auto put = write_all(*log, line + "\n", "the log"); !put) return fail(put);
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128);
}

}  // namespace

int main(int argc, char** argv) {
  if (auto started = start("supervise"); !started) return leave(fail(started));
  if (argc < 4) return leave(retry("supervise SOCKET LOG COMMAND..."));
  return leave(run(argv));
}
