#include "queue/log_segment.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "base/directory.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::string_view magic = "mlpipe intake 1\n";
constexpr std::size_t block = 4096;
constexpr std::size_t boot_length = 36;
constexpr std::size_t head_length = magic.size() + sizeof(SipKey) + boot_length;
constexpr std::size_t group_head = 16;   // check and length
constexpr std::size_t record_head = 22;  // inode, time and three lengths

std::size_t whole_blocks(std::size_t length) {
  return (length + block - 1) / block * block;
}

template <class Number>
void append_number(std::string& to, Number value) {
  std::array<char, sizeof value> octets;
  std::memcpy(octets.data(), &value, sizeof value);
  to.append(octets.data(), octets.size());
}

// There must be as many octets.
template <class Number>
Number take_number(std::string_view& from) {
  Number value;
  std::memcpy(&value, from.data(), sizeof value);
  from.remove_prefix(sizeof value);
  return value;
}

std::string_view take_octets(std::string_view& from, std::size_t length) {
  const std::string_view taken = from.substr(0, length);
  from.remove_prefix(length);
  return taken;
}

SipKey key_in(std::string_view head) {
  SipKey key;
  std::memcpy(key.data(), head.data() + magic.size(), key.size());
  return key;
}

Result<std::size_t> read_at(const Fd& fd, std::span<char> room, std::size_t at,
                            const std::string& name) {
  std::size_t length = 0;
  while (length < room.size()) {
    const ssize_t got = pread(fd.get(), room.data() + length, room.size() - length,
                              static_cast<off_t>(at + length));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_failure("cannot read " + name, errno);
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  return length;
}

}  // namespace

std::string boot_id() {
  auto id = read_file("/proc/sys/kernel/random/boot_id", block);
  if (!id || trim(*id).size() != boot_length) return std::string(no_boot);
  return std::string(trim(*id));
}

// --- a group

Result<> LogGroup::add(std::string_view queue, std::string_view name, const Fd& file) {
  struct stat about{};
  if (fstat(file.get(), &about) != 0) {
    return system_failure(fmt::format("cannot stat the entry {}", name), errno);
  }
  const auto length = static_cast<std::size_t>(about.st_size);
  device_ = device_.value_or(about.st_dev);
  unfit_ = unfit_ || device_ != about.st_dev || octets_.size() + length + block > largest;
  if (unfit_) return {};
  append_number(octets_, std::uint64_t{about.st_ino});
  append_number(octets_, std::int64_t{about.st_mtime});
  append_number(octets_, static_cast<std::uint32_t>(length));
  append_number(octets_, static_cast<std::uint8_t>(queue.size()));
  append_number(octets_, static_cast<std::uint8_t>(name.size()));
  octets_.append(queue).append(name);
  const std::size_t at = octets_.size();
  octets_.resize(at + length);
  auto got = read_at(file, std::span(octets_).subspan(at), 0, std::string(name));
  if (!got) return fail(got);
  if (*got == length) return {};
  return retry("the entry {} became shorter while it was read", name);
}

std::size_t LogGroup::size() const {
  return whole_blocks(octets_.size());
}

std::string_view LogGroup::finish(const SipKey& key) {
  const std::uint64_t length = octets_.size() - group_head;
  std::memcpy(octets_.data() + 8, &length, sizeof length);
  const std::uint64_t check = siphash(key, std::string_view(octets_).substr(8));
  std::memcpy(octets_.data(), &check, sizeof check);
  octets_.resize(whole_blocks(octets_.size()), '\0');
  return octets_;
}

// --- reading

LogReader::LogReader(std::string_view octets) : octets_(octets), at_(octets.size()) {
  if (octets.size() < block || !octets.starts_with(magic)) return;
  key_ = key_in(octets);
  at_ = block;
}

bool LogReader::open_group() {
  std::string_view rest = octets_.substr(at_);
  at_ = octets_.size();
  if (rest.size() < group_head) return false;
  const std::size_t begin = octets_.size() - rest.size();
  std::string_view checked = rest.substr(8);
  const auto check = take_number<std::uint64_t>(rest);
  const auto length = take_number<std::uint64_t>(rest);
  if (length == 0 || length > rest.size()) return false;
  checked = checked.substr(0, 8 + static_cast<std::size_t>(length));
  if (siphash(key_, checked) != check) return false;
  records_ = checked.substr(8);
  at_ = std::min(begin + whole_blocks(group_head + records_.size()), octets_.size());
  return true;
}

std::optional<LogRecord> LogReader::next() {
  if (records_.empty() && !open_group()) return std::nullopt;
  std::string_view& rest = records_;
  const auto cut = [&] { return rest = {}, at_ = octets_.size(), std::nullopt; };
  if (rest.size() < record_head) return cut();
  LogRecord record;
  record.inode = take_number<std::uint64_t>(rest);
  record.born = take_number<std::int64_t>(rest);
  const std::size_t length = take_number<std::uint32_t>(rest);
  const std::size_t of_queue = take_number<std::uint8_t>(rest);
  const std::size_t of_name = take_number<std::uint8_t>(rest);
  if (rest.size() < of_queue + of_name + length) return cut();
  record.queue = take_octets(rest, of_queue);
  record.name = take_octets(rest, of_name);
  record.octets = take_octets(rest, length);
  return record;
}

// --- the file

Result<std::optional<LogSegment>> LogSegment::open(const Home& home, unsigned number,
                                                   Create create) {
  const std::string below = fmt::format("intake/{}", number);
  if (create == Create::yes) {
    if (auto made = home.make_directory("intake"); !made) return fail(made);
  }
  const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | (create == Create::yes ? O_CREAT : 0);
  Fd fd(openat(home.fd().get(), below.c_str(), flags, 0600));
  if (!fd.open() && errno == ENOENT) return std::optional<LogSegment>();
  if (!fd.open()) return system_failure("cannot open " + home.path(below), errno);
  struct stat about{};
  if (fstat(fd.get(), &about) != 0) return system_failure("cannot stat " + home.path(below), errno);
  return std::optional(LogSegment(std::move(fd), home.path(below), about.st_dev));
}

bool LogSegment::try_lock() const {
  return flock(fd_.get(), LOCK_EX | LOCK_NB) == 0;
}

Result<> LogSegment::lock() const {
  while (flock(fd_.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return system_failure("cannot lock " + path_, errno);
  }
  return {};
}

Result<std::optional<std::string>> LogSegment::boot() const {
  std::array<char, head_length> room{};
  const auto got = read_at(fd_, room, 0, path_);
  if (!got) return fail(got);
  const std::string_view head(room.data(), *got);
  if (head.size() < head_length || !head.starts_with(magic)) return std::optional<std::string>();
  return std::optional<std::string>(head.substr(head_length - boot_length));
}

Result<std::string> LogSegment::octets() const {
  std::string all(size, '\0');
  const auto got = read_at(fd_, all, 0, path_);
  if (!got) return fail(got);
  all.resize(*got);
  return all;
}

Result<> LogSegment::fill_up() const {
  struct stat about{};
  if (fstat(fd_.get(), &about) != 0) return system_failure("cannot stat " + path_, errno);
  auto at = static_cast<std::size_t>(about.st_size);
  const std::string zeros(std::size_t{1} << 20, '\0');
  while (at < size) {
    const std::size_t piece = std::min(zeros.size(), size - at);
    if (auto written = write({zeros.data(), piece}, at); !written) {
      static_cast<void>(!ftruncate(fd_.get(), 0));  // the last room is not for us
      return written;
    }
    at += piece;
  }
  if (auto synced = sync(fd_, path_); !synced) return synced;
  return sync_directory(directory_of(path_));
}

Result<> LogSegment::append(LogGroup& group, std::string_view boot) {
  if (end_ == 0) {
    random_octets(key_);
    std::string head(magic);
    head.append(reinterpret_cast<const char*>(key_.data()), key_.size());
    head.append(boot).resize(head_length, ' ');
    if (auto written = write(head, 0); !written) return written;
    end_ = block;
  }
  const std::string_view octets = group.finish(key_);
  const std::size_t at = std::exchange(end_, end_ + octets.size());
  return write_durably(octets, at);
}

Result<> LogSegment::clean() {
  end_ = 0;
  return write_durably(std::string(head_length, '\0'), 0);
}

Result<> LogSegment::doubt() const {
  return write_durably(std::string(boot_length, ' '), head_length - boot_length);
}

Result<> LogSegment::sync_all() const {
  if (syncfs(fd_.get()) == 0) return {};
  return system_failure("cannot sync the file system of " + path_, errno);
}

Result<> LogSegment::write(std::string_view octets, std::size_t at) const {
  while (!octets.empty()) {
    const ssize_t done = pwrite(fd_.get(), octets.data(), octets.size(), static_cast<off_t>(at));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return system_failure("cannot write " + path_, errno);
    octets.remove_prefix(static_cast<std::size_t>(done));
    at += static_cast<std::size_t>(done);
  }
  return {};
}

Result<> LogSegment::write_durably(std::string_view octets, std::size_t at) const {
  if (auto written = write(octets, at); !written) return written;
  if (fdatasync(fd_.get()) == 0) return {};
  return system_failure("cannot sync " + path_, errno);
}

}  // namespace ml
