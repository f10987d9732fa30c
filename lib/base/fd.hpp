// A descriptor that closes itself, and the few calls on descriptors that are easy to get wrong.
//
// All of them retry EINTR and report failure as 75 with the name of what they worked on.
//
//   auto file = open_file("left/x7", O_WRONLY | O_CREAT | O_EXCL);
//   if (!file) return fail(file);
//   if (auto written = write_all(*file, text, "left/x7"); !written) return fail(written);
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace ml {

// Owns one descriptor, or none (-1). Closes it in its destructor; moved-from owns none.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int number) : number_(number) {}
  Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.number_, -1));
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool open() const { return number_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(number_, -1); }
  void reset(int number = -1);

 private:
  int number_ = -1;
};

// open(2) with O_CLOEXEC added; a new file gets mode 0600.
[[nodiscard]] Result<Fd> open_file(const std::string& path, int flags);

// Opens `path` below `directory`: no symbolic link is followed on the way and nothing above
// `directory` is reached, whatever `path` says (openat2, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS).
[[nodiscard]] Result<Fd> open_beneath(const Fd& directory, const std::string& path, int flags);

// Whether `path` still names the file that is open here: whoever holds the lock of a file that was
// renamed away or replaced meanwhile holds nothing. False too where either cannot be looked at.
[[nodiscard]] bool is_same_file(const Fd& fd, const std::string& path);

// Up to room.size() octets; 0 at the end of the input. `name` is for the error.
[[nodiscard]] Result<std::size_t> read_some(int fd, std::span<char> room, std::string_view name);

// The whole of it, whatever the number of writes; works on non-blocking pipes too.
[[nodiscard]] Result<> write_all(int fd, std::string_view text, std::string_view name);
[[nodiscard]] inline Result<> write_all(const Fd& fd, std::string_view text,
                                        std::string_view name) {
  return write_all(fd.get(), text, name);
}

// Everything up to the end of the input, at most `limit` octets: one octet more is 65 with
// `5.3.4 message too big`.
[[nodiscard]] Result<std::string> read_all(int fd, std::size_t limit, std::string_view name);

// A small file, whole: settings, keys, templates. Over `limit` octets is 75.
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t limit);

// The same of a file with secrets: 75 where others than its owner and group can read it.
[[nodiscard]] Result<std::string> read_secret_file(const std::string& path, std::size_t limit);

// A file without a name, in memory, that holds `octets`; at its first octet.
[[nodiscard]] Result<Fd> file_in_memory(std::string_view octets);

// fsync. After a failure the descriptor must not be synced again: the kernel may have dropped
// the dirty pages, and a second fsync would lie.
[[nodiscard]] Result<> sync(const Fd& fd, std::string_view name);

// Makes the directory's entries durable: after creating, renaming or removing a file in it.
[[nodiscard]] Result<> sync_directory(const std::string& path);

struct Pipe {
  Fd read;
  Fd write;
};
[[nodiscard]] Result<Pipe> make_pipe();  // both ends close-on-exec

}  // namespace ml
