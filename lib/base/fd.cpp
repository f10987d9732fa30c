#include "base/fd.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace ml {
namespace {

void wait_until_ready(int fd, short events) {
  pollfd one{fd, events, 0};
  poll(&one, 1, -1);
}

Result<std::string> read_up_to(int fd, std::size_t limit, std::string_view name,
                               const Error& too_big) {
  std::string text;
  std::array<char, 65536> room;  // not cleared: most of what is read is small
  for (;;) {
    auto got = read_some(fd, room, name);
    if (!got) return fail(got);
    if (*got == 0) return text;
    text.append(room.data(), *got);
    if (text.size() > limit) return Failure(too_big);
  }
}

}  // namespace

void Fd::reset(int number) {
  if (number_ >= 0) close(number_);
  number_ = number;
}

Result<Fd> open_file(const std::string& path, int flags) {
  for (;;) {
    if (const int fd = open(path.c_str(), flags | O_CLOEXEC, 0600); fd >= 0) return Fd(fd);
    if (errno != EINTR) return system_failure("cannot open " + path, errno);
  }
}

Result<Fd> open_beneath(const Fd& directory, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  if ((flags & O_CREAT) != 0) how.mode = 0600;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  for (;;) {
    const long fd = syscall(SYS_openat2, directory.get(), path.c_str(), &how, sizeof how);
    if (fd >= 0) return Fd(static_cast<int>(fd));
    if (errno != EINTR && errno != EAGAIN) return system_failure("cannot open " + path, errno);
  }
}

bool is_same_file(const Fd& fd, const std::string& path) {
  struct stat ours{};
  struct stat named{};
  return fstat(fd.get(), &ours) == 0 && stat(path.c_str(), &named) == 0 &&
         ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

Result<std::size_t> read_some(int fd, std::span<char> room, std::string_view name) {
  for (;;) {
    const ssize_t got = read(fd, room.data(), room.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EAGAIN) {
      wait_until_ready(fd, POLLIN);
    } else if (errno != EINTR) {
      return system_failure(fmt::format("cannot read {}", name), errno);
    }
  }
}

Result<> write_all(int fd, std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      wait_until_ready(fd, POLLOUT);
    } else if (errno != EINTR) {
      return system_failure(fmt::format("cannot write {}", name), errno);
    }
  }
  return {};
}

Result<std::string> read_all(int fd, std::size_t limit, std::string_view name) {
  return read_up_to(
      fd, limit, name,
      {Status::rejected,
       fmt::format("5.3.4 message too big: more than {} octets are not taken here", limit)});
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  auto file = open_file(path, O_RDONLY);
  if (!file) return fail(file);
  return read_up_to(file->get(), limit, path,
                    {Status::retry, fmt::format("{}: more than {} octets", path, limit)});
}

Result<std::string> read_secret_file(const std::string& path, std::size_t limit) {
  auto file = open_file(path, O_RDONLY);
  if (!file) return fail(file);
  struct stat status{};
  if (fstat(file->get(), &status) != 0) return system_failure("cannot look at " + path, errno);
  if ((status.st_mode & S_IRWXO) != 0 && !S_ISREG(status.st_mode)) {
    return retry("{} keeps no secrets: it is no plain file, and everybody may read it", path);
  }
  if ((status.st_mode & S_IRWXO) != 0) {
    return retry("{} has secrets and everybody may read it (do: chmod 600 {})", path, path);
  }
  return read_up_to(file->get(), limit, path,
                    {Status::retry, fmt::format("{}: more than {} octets", path, limit)});
}

Result<Fd> file_in_memory(std::string_view octets) {
  Fd file(memfd_create("mlpipe", MFD_CLOEXEC));
  if (!file.open()) return system_failure("cannot make a file in memory", errno);
  if (auto written = write_all(file, octets, "a file in memory"); !written) return fail(written);
  if (lseek(file.get(), 0, SEEK_SET) == 0) return file;
  return system_failure("cannot read a file in memory", errno);
}

Result<> sync(const Fd& fd, std::string_view name) {
  if (fsync(fd.get()) == 0) return {};
  return system_failure(fmt::format("cannot sync {}", name), errno);
}

Result<> sync_directory(const std::string& path) {
  auto directory = open_file(path, O_RDONLY | O_DIRECTORY);
  if (!directory) return fail(directory);
  return sync(*directory, path);
}

Result<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return system_failure("cannot make a pipe", errno);
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

}  // namespace ml
