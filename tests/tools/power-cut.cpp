// A power cut, for tests: what was not synced is gone.
//
//   power-cut DIRECTORY N COMMAND...
//
// runs COMMAND and, when it begins its Nth sync of something below DIRECTORY (fsync, fdatasync,
// syncfs, a pwrite to a file opened with O_DSYNC), kills it, with all that it has left behind, and
// leaves DIRECTORY as the syncs before that one made it: 100. A COMMAND that ends before has its
// power cut then, and power-cut leaves as it did.
//
// The disk is as mean as POSIX lets it be: a file has the octets that its last sync found, none
// without one; a name, its removal and its change are there when the directory was synced behind
// them. Everything from before COMMAND began is there. The syncs are seen by seccomp(2), so any
// program can be tried, linked as it may be.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/diag.hpp"
#include "base/fd.hpp"
#include "base/process.hpp"
#include "base/text.hpp"

using namespace ml;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_file = std::size_t{1} << 30;

class Disk {
 public:
  explicit Disk(fs::path root) : root_(std::move(root)) { keep_all(root_); }

  // Synced: what it holds now will be there.
  void keep(const fs::path& path) {
    struct stat about{};
    if (stat(path.c_str(), &about) != 0) return;
    Node& node = nodes_[about.st_ino];
    if (!S_ISDIR(about.st_mode)) {
      node.octets = read_file(path, largest_file).value_or("");
      return;
    }
    node.names.clear();
    for (const auto& entry : fs::directory_iterator(path)) {
      struct stat its{};
      if (lstat(entry.path().c_str(), &its) == 0) {
        node.names[entry.path().filename()] = {its.st_ino, S_ISDIR(its.st_mode)};
      }
    }
  }

  void keep_all(const fs::path& path) {
    keep(path);
    if (!fs::is_directory(path)) return;
    for (const auto& entry : fs::directory_iterator(path)) keep_all(entry.path());
  }

  // Synced: these octets of a file.
  void keep(const fs::path& path, std::string_view octets, std::size_t at) {
    struct stat about{};
    if (stat(path.c_str(), &about) != 0) return;
    std::string& all = nodes_[about.st_ino].octets;
    if (all.size() < at + octets.size()) all.resize(at + octets.size());
    all.replace(at, octets.size(), octets);
  }

  [[nodiscard]] Result<> restore() {
    struct stat about{};
    if (stat(root_.c_str(), &about) != 0) return system_failure("cannot look at the disk", errno);
    for (const auto& entry : fs::directory_iterator(root_)) fs::remove_all(entry.path());
    return fill(root_, nodes_[about.st_ino]);
  }

 private:
  struct Name {
    ino_t inode = 0;
    bool is_directory = false;
  };
  struct Node {
    std::string octets;
    std::map<std::string, Name> names;
  };

  Result<> fill(const fs::path& path, const Node& node) {
    for (const auto& [name, what] : node.names) {
      const fs::path to = path / name;
      if (what.is_directory) {
        fs::create_directory(to);
        if (auto filled = fill(to, nodes_[what.inode]); !filled) return filled;
        continue;
      }
      auto file = open_file(to, O_WRONLY | O_CREAT | O_EXCL);
      if (!file) return fail(file);
      if (auto put = write_all(*file, nodes_[what.inode].octets, to.string()); !put) return put;
    }
    return {};
  }

  fs::path root_;
  std::map<ino_t, Node> nodes_;
};

// Ourselves and whom we start: their syncs wait until the listener has said that they may go on.
Result<Fd> listen_to_syncs() {
  const auto jump = [](std::uint32_t value) {
    return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value};
  };
  const sock_filter notify{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF};
  std::array<sock_filter, 10> filter{
      sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      jump(__NR_fsync),
      notify,
      jump(__NR_fdatasync),
      notify,
      jump(__NR_syncfs),
      notify,
      jump(__NR_pwrite64),
      notify,
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog program{filter.size(), filter.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_failure("prctl", errno);
  const long fd =
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (fd < 0) return system_failure("no seccomp listener can be had here", errno);
  fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC);
  return Fd(static_cast<int>(fd));
}

bool is_below(const fs::path& path, const fs::path& root) {
  return path == root || path.string().starts_with(root.string() + "/");
}

// Does it wait for nothing, as most that are written?
bool is_plain_write(const seccomp_notif& call) {
  if (call.data.nr != __NR_pwrite64) return false;
  const auto file =
      fmt::format("/proc/{}/fdinfo/{}", call.pid, static_cast<int>(call.data.args[0]));
  const std::string info = read_file(file, 65536).value_or("");
  const auto at = info.find("flags:");
  return at == info.npos || (std::strtoul(info.c_str() + at + 6, nullptr, 8) & O_DSYNC) == 0;
}

std::string octets_to_write(const seccomp_notif& call) {
  std::string octets(call.data.args[2], '\0');
  const iovec here{octets.data(), octets.size()};
  const iovec there{reinterpret_cast<void*>(call.data.args[1]), octets.size()};
  const ssize_t got = process_vm_readv(static_cast<pid_t>(call.pid), &here, 1, &there, 1, 0);
  octets.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return octets;
}

// Our child and whoever it has left behind: they come to us when their parents have gone.
int end_all(pid_t child) {
  const auto ours = fmt::format("/proc/self/task/{}/children", getpid());
  int ending = 0;
  for (;;) {
    const std::string children = read_file(ours, 65536).value_or("");
    for (const std::string_view process : split(children, ' ')) {
      if (const auto one = number<pid_t>(process); one && *one != child) kill(*one, SIGKILL);
    }
    int status = 0;
    const pid_t ended = wait(&status);
    if (ended < 0 && errno != EINTR) return ending;
    if (ended == child) ending = status;
  }
}

// The path that the waiting sync is about.
fs::path synced_path(const seccomp_notif& call) {
  const auto link = fmt::format("/proc/{}/fd/{}", call.pid, static_cast<int>(call.data.args[0]));
  std::error_code none;
  return fs::read_symlink(link, none);
}

Result<Status> run(char** argv) {
  const fs::path root = fs::canonical(argv[1]);
  const auto last = number(argv[2]).value_or(0);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  Disk disk(root);
  auto listener = listen_to_syncs();
  if (!listener) return fail(listener);
  const pid_t child = fork();
  if (child == 0) {
    execvp(argv[3], argv + 3);
    _exit(127);
  }
  const Fd ended(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  std::uint64_t seen = 0;
  for (;;) {
    std::array<pollfd, 2> both{{{listener->get(), POLLIN, 0}, {ended.get(), POLLIN, 0}}};
    if (poll(both.data(), both.size(), -1) < 0 && errno == EINTR) continue;
    if ((both[0].revents & POLLIN) == 0) break;
    seccomp_notif call{};
    if (ioctl(listener->get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;
    const fs::path path = synced_path(call);
    if (is_below(path, root) && !is_plain_write(call)) {
      if (++seen == last) break;
      switch (call.data.nr) {
        case __NR_syncfs: disk.keep_all(root); break;
        case __NR_pwrite64: disk.keep(path, octets_to_write(call), call.data.args[3]); break;
        default: disk.keep(path);
      }
    }
    seccomp_notif_resp answer{};
    answer.id = call.id;
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(listener->get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
  if (seen == last) kill(child, SIGKILL);
  const int status = end_all(child);
  if (auto restored = disk.restore(); !restored) return fail(restored);
  if (seen == last) _exit(100);
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128);
}

}  // namespace

int main(int argc, char** argv) {
  if (auto started = start("power-cut"); !started) return leave(fail(started));
  if (argc < 4) return leave(retry("power-cut DIRECTORY N COMMAND..."));
  return leave(run(argv));
}
