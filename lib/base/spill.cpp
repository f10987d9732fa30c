#include "base/spill.hpp"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <new>
#include <utility>

#include "base/directory.hpp"

namespace ml {
namespace {

constexpr std::uint64_t small_file = std::uint64_t{31} << 20;

// How large one file may become; unlimited unless the process is limited.
std::uint64_t file_size_allowed() {
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::numeric_limits<std::uint64_t>::max();
  }
  return std::clamp<std::uint64_t>(limit.rlim_cur, 1, small_file);
}

}  // namespace

Spill::Spill(std::vector<std::string> directories, std::size_t memory, std::size_t block)
    : directories_(std::move(directories)),
      memory_(memory),
      block_(block),
      file_size_(file_size_allowed()) {}

Result<> Spill::append(std::string_view text) {
  if (written_ + pending_.size() == 0 && held_ + text.size() <= memory_) {
    if (!in_memory_) make_memory();
    text.copy(in_memory_.get() + held_, text.size());
    held_ += text.size();
    return {};
  }
  if (pending_.size() + text.size() >= block_) {
    if (auto drained = drain(); !drained) return fail(drained);
  }
  if (text.size() >= block_) return write(text);
  pending_.append(text);
  return {};
}

// By large pages where the system gives them: much memory is written once, from end to end.
void Spill::make_memory() {
  constexpr std::size_t page = std::size_t{2} << 20;
  const std::size_t size = (memory_ + page - 1) / page * page;
  in_memory_ = aligned_memory(page, size);
  if (memory_ >= 2 * page) madvise(in_memory_.get(), memory_ / page * page, MADV_HUGEPAGE);
}

Result<> Spill::drain() {
  if (auto written = write(pending_); !written) return fail(written);
  pending_.clear();
  return {};
}

Result<> Spill::add_file() {
  if (!directory_.empty()) {
    auto file = make_unnamed_file(directory_);
    if (!file) return fail(file);
    files_.push_back(std::move(*file));
    return {};
  }
  Result<> state = retry("there is no directory for temporary files (name one with --tmp)");
  for (const auto& directory : directories_) {
    auto file = make_unnamed_file(directory);
    if (file) {
      directory_ = directory;
      files_.push_back(std::move(*file));
      return {};
    }
    state = fail(file);
  }
  return state;
}

Failure Spill::no_room(int code) const {
  if (code != ENOSPC && code != EDQUOT) {
    return system_failure("cannot write a temporary file in " + directory_, code);
  }
  return retry("no room for temporary files in {}: free some and try again", directory_);
}

Result<> Spill::write(std::string_view rest) {
  while (!rest.empty()) {
    const std::uint64_t file = written_ / file_size_;
    if (file == files_.size()) {
      if (auto added = add_file(); !added) return fail(added);
    }
    const std::uint64_t at = written_ % file_size_;
    const auto part = rest.substr(0, std::min<std::uint64_t>(rest.size(), file_size_ - at));
    const ssize_t got =
        pwrite(files_[file].get(), part.data(), part.size(), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return no_room(errno);
    rest.remove_prefix(static_cast<std::size_t>(got));
    written_ += static_cast<std::uint64_t>(got);
  }
  return {};
}

Result<> Spill::read(std::uint64_t at, std::span<char> room) {
  if (at < held_) {
    const std::size_t part = std::min<std::uint64_t>(room.size(), held_ - at);
    std::copy_n(in_memory_.get() + at, part, room.begin());
    room = room.subspan(part);
    at += part;
  }
  if (room.empty()) return {};
  at -= held_;
  if (!pending_.empty()) {
    if (auto drained = drain(); !drained) return fail(drained);
  }
  while (!room.empty()) {
    const std::uint64_t offset = at % file_size_;
    const auto part = room.first(std::min<std::uint64_t>(room.size(), file_size_ - offset));
    const ssize_t got =
        pread(files_[at / file_size_].get(), part.data(), part.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      return system_failure("cannot read a temporary file in " + directory_, got < 0 ? errno : EIO);
    }
    room = room.subspan(static_cast<std::size_t>(got));
    at += static_cast<std::uint64_t>(got);
  }
  return {};
}

std::optional<std::string_view> Spill::in_memory(std::uint64_t begin, std::uint64_t end) const {
  if (end > held_) return std::nullopt;
  return std::string_view(in_memory_.get() + begin, end - begin);
}

Result<std::string_view> Spill::view(std::uint64_t at, std::span<char> room) {
  if (const auto held = in_memory(at, at + room.size())) return *held;
  if (auto got = read(at, room); !got) return fail(got);
  return std::string_view(room.data(), room.size());
}

void Spill::clear() {
  files_.clear();
  pending_.clear();
  written_ = 0;
  held_ = 0;
}

}  // namespace ml
