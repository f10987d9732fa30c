#include "stage/refused_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/directory.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

constexpr int to_append = O_CREAT | O_APPEND;
constexpr std::string_view end_of_section = "end\t0\n";

}  // namespace

RefusedFile::RefusedFile(std::string path) : path_(std::move(path)) {
  struct stat about{};
  is_plain_ = stat(path_.c_str(), &about) != 0 || S_ISREG(about.st_mode);
}

Result<> RefusedFile::begin() const {
  if (!is_plain_) return check_handover(path_);
  const auto file = open_file(path_, O_RDWR | to_append);
  if (!file) return fail(file);
  const auto first = first_octets(file->get());
  if (!first) return fail(first);
  if (first->empty() || begins_stream(*first)) return {};
  return retry("{} is no stream: the refused are not to be added to it", path_);
}

// Whoever reads it may have renamed it meanwhile.
Result<Fd> RefusedFile::open_alone() const {
  if (!is_plain_) return open_file(path_, O_WRONLY | to_append);
  for (;;) {
    auto file = open_file(path_, O_RDWR | to_append);
    if (!file) return file;
    while (flock(file->get(), LOCK_EX) != 0) {
      if (errno != EINTR) return system_failure("cannot lock " + path_, errno);
    }
    if (is_same_file(*file, path_)) return file;
  }
}

// The octet behind the last LF before `end`, or the first one.
Result<off_t> RefusedFile::begin_of_line(const Fd& file, off_t end) const {
  std::array<char, 4096> room;
  while (end > 0) {
    const auto size = std::min(room.size(), static_cast<std::size_t>(end));
    const off_t begin = end - static_cast<off_t>(size);
    const ssize_t got = pread(file.get(), room.data(), size, begin);
    if (got < 0 && errno == EINTR) continue;
    if (!std::cmp_equal(got, size)) {
      return system_failure("cannot read " + path_, got < 0 ? errno : EIO);
    }
    const auto lf = std::string_view(room.data(), size).rfind('\n');
    if (lf != std::string_view::npos) return begin + static_cast<off_t>(lf) + 1;
    end = begin;
  }
  return 0;
}

// Gives where the file ends then.
Result<off_t> RefusedFile::close_cut(const Fd& file) const {
  const off_t size = lseek(file.get(), 0, SEEK_END);
  if (size < 0) return system_failure("cannot look at " + path_, errno);
  const auto end = begin_of_line(file, size);
  if (!end) return end;
  if (*end < size && ftruncate(file.get(), *end) != 0) {
    return system_failure("cannot cut " + path_, errno);
  }
  if (*end == 0) return 0;
  const auto last = begin_of_line(file, *end - 1);
  if (!last) return last;
  std::array<char, 4> word{};
  const ssize_t got = pread(file.get(), word.data(), word.size(), *last);
  if (got < 0) return system_failure("cannot read " + path_, errno);
  if (std::string_view(word.data(), word.size()) == "end\t") return end;
  if (auto written = write_all(file, end_of_section, path_); !written) return fail(written);
  return *end + static_cast<off_t>(end_of_section.size());
}

Result<> RefusedFile::append(const WriteRemains& write) const {
  const auto file = open_alone();
  if (!file) return fail(file);
  const auto end = is_plain_ ? close_cut(*file) : Result<off_t>(0);
  if (!end) return fail(end);
  Writer out(file->get(), path_);
  auto written = write(out);
  if (written) written = out.flush();
  if (!is_plain_) return written;
  if (!written) {
    static_cast<void>(!ftruncate(file->get(), *end));  // or it is cut short: the next append()
    return written;
  }
  if (auto synced = sync(*file, path_); !synced) return synced;
  return sync_directory(directory_of(path_));
}

}  // namespace ml
