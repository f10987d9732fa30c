#include "stage/left_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/fd.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

// Behind symbolic links, so that these stay.
std::string target_of(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr),
                                                         &std::free);
  return real ? real.get() : path;
}

std::string key_of(std::string_view id, std::string_view part) {
  return std::string(id).append(1, '\t').append(part);
}

bool is_input(const struct stat& about) {
  struct stat input{};
  return fstat(0, &input) == 0 && input.st_dev == about.st_dev && input.st_ino == about.st_ino;
}

}  // namespace

LeftFile::LeftFile(std::string path) : path_(std::move(path)), target_(target_of(path_)) {
  struct stat about{};
  const bool is_plain = stat(target_.c_str(), &about) != 0 || S_ISREG(about.st_mode);
  if (is_plain && access(directory_of(target_).c_str(), W_OK) == 0) beside_ = target_ + ".new";
}

LeftFile::~LeftFile() {
  if (is_written_ && !beside_.empty()) unlink(beside_.c_str());
}

void LeftFile::saw(std::string_view id, std::string_view part) {
  seen_.insert(key_of(id, part));
}

const std::string& LeftFile::place() {
  is_written_ = true;
  return beside_.empty() ? path_ : beside_;
}

bool LeftFile::is_others(const MessageRecord& record) const {
  return !seen_.contains(key_of(record.id, record.attributes.value("part").value_or("")));
}

Result<std::uint64_t> LeftFile::finish(Whole whole) {
  const Fd old(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat about{};
  if (!old.open() && errno != ENOENT) return system_failure("cannot read " + path_, errno);
  const bool is_known = old.open() && fstat(old.get(), &about) == 0 && S_ISREG(about.st_mode);
  if (beside_.empty()) return 0;
  if (whole == Whole::no && (!is_written_ || (is_known && is_input(about)))) return 0;
  if (!is_written_ && (!is_known || about.st_size == 0)) return 0;
  if (is_known && lseek(old.get(), 0, SEEK_SET) != 0) return system_failure(path_, errno);
  auto others = keep_others(is_known ? old.get() : -1);
  if (!others) return others;
  if (is_known) static_cast<void>(chmod(beside_.c_str(), about.st_mode & 0777));
  if (rename(beside_.c_str(), target_.c_str()) != 0) {
    return system_failure("cannot rename " + beside_, errno);
  }
  is_written_ = false;
  if (auto synced = sync_directory(directory_of(target_)); !synced) return fail(synced);
  return others;
}

// Behind the run's own.
Result<std::uint64_t> LeftFile::keep_others(int old) {
  const int mode = is_written_ ? O_APPEND : O_TRUNC;
  auto file = open_file(beside_, O_WRONLY | O_CREAT | mode);
  if (!file) return fail(file);
  is_written_ = true;
  Writer out(file->get(), beside_);
  std::uint64_t count = 0;
  if (old >= 0) {
    Reader in(old);
    bool stays = false;
    for (auto record = in.next(); record != Record::none; record = in.next()) {
      if (record == Record::message) {
        stays = is_others(in.message());
        if (stays) ++count;
      }
      if (!stays) continue;
      if (record != Record::end) {
        out.pass(in.line());
      } else {
        out.end(in.end());
        stays = false;
      }
    }
  }
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  if (auto synced = sync(*file, beside_); !synced) return fail(synced);
  return count;
}

}  // namespace ml
