#include "queue/entry.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "base/directory.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::time_t first_pause = 60;
constexpr std::time_t longest_pause = 3600;

Result<Octets32> hash_of(const Fd& file, std::string_view name) {
  Sha256 digest;
  std::array<char, 65536> room;
  for (off_t at = 0;;) {
    const ssize_t got = pread(file.get(), room.data(), room.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_failure(fmt::format("cannot read {}", name), errno);
    if (got == 0) return digest.finish();
    digest.add({room.data(), static_cast<std::size_t>(got)});
    at += got;
  }
}

// False too where one cannot be read: then they are not known to be the same.
bool same_octets(const Fd& a, const Fd& b) {
  struct stat of_a{};
  struct stat of_b{};
  if (fstat(a.get(), &of_a) != 0 || fstat(b.get(), &of_b) != 0) return false;
  if (of_a.st_size != of_b.st_size) return false;
  const auto hash_a = hash_of(a, "a draft");
  const auto hash_b = hash_of(b, "an entry");
  return hash_a && hash_b && *hash_a == *hash_b;
}

}  // namespace

Result<> rewind(const Fd& entry) {
  if (lseek(entry.get(), 0, SEEK_SET) == 0) return {};
  return system_failure("cannot read an entry again", errno);
}

QueueEntry::QueueEntry(const Queue& queue, std::string name, std::string draft, Fd fd)
    : queue_(&queue), name_(std::move(name)), draft_(std::move(draft)), fd_(std::move(fd)) {}

QueueEntry::QueueEntry(QueueEntry&& other) noexcept
    : own_(std::move(other.own_)),
      queue_(own_ ? &*own_ : other.queue_),
      name_(std::move(other.name_)),
      draft_(std::exchange(other.draft_, {})),
      fd_(std::move(other.fd_)) {}

QueueEntry::~QueueEntry() {
  if (!draft_.empty()) unlinkat(queue_->fd().get(), draft_.c_str(), 0);
}

Result<QueueEntry> QueueEntry::create(const Home& home, std::string_view queue,
                                      std::string_view name) {
  auto opened = Queue::open(home, queue, Create::yes);
  if (!opened) return fail(opened);
  auto entry = create(*opened, name);
  if (!entry) return entry;
  entry->own_ = std::move(*opened);
  entry->queue_ = &*entry->own_;
  return entry;
}

// Locked while it is written, so that nobody takes it for litter.
Result<QueueEntry> QueueEntry::create(const Queue& queue, std::string_view name) {
  if (!is_queue_name(name)) {
    return retry("'{}' cannot be the name of an entry: letters, digits, '.', '_' and '-', up to 64",
                 printable(name, 80));
  }
  std::string draft = fmt::format("tmp/{}.", name);
  append_base32(draft, random_number(), 12);
  constexpr int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  Fd fd(openat(queue.fd().get(), draft.c_str(), flags, 0600));
  if (!fd.open()) return system_failure("cannot make the draft " + queue.path(draft), errno);
  flock(fd.get(), LOCK_EX | LOCK_NB);
  return QueueEntry(queue, std::string(name), std::move(draft), std::move(fd));
}

Result<QueueEntry::Directory> QueueEntry::settle(Same same) {
  flock(fd_.get(), LOCK_UN);
  for (;;) {
    auto locked = queue_->lock(name_);
    if (!locked) return fail(locked);
    auto there = queue_->find(name_);
    if (!there) return fail(there);
    const std::string place = *there ? **there : due_place(name_);
    const std::string directory = queue_->path(directory_of(place));
    if (!*there) {
      if (auto renamed = queue_->rename(draft_, place); !renamed) return fail(renamed);
      draft_.clear();
      flock(locked->get(), LOCK_UN);
      return Directory{std::move(*locked), directory};
    }
    const Fd old(openat(queue_->fd().get(), place.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!old.open()) return system_failure("cannot open the entry " + queue_->path(place), errno);
    const bool same_entry = same != Same::renew && same_octets(old, fd_);
    if (!same_entry && same == Same::beside) {
      auto hash = hash_of(fd_, queue_->path(draft_));
      if (!hash) return fail(hash);
      name_ = name_beside(name_, *hash);
      same = Same::replace;
      continue;
    }
    // First: a directory of `later` is taken away as soon as replace() has left it empty.
    auto opened = open_file(directory, O_RDONLY | O_DIRECTORY);
    if (!opened) return fail(opened);
    if (!same_entry) {
      if (auto replaced = replace(place, old, same); !replaced) return fail(replaced);
    }
    return Directory{std::move(*opened), directory};
  }
}

// An entry whose command runs is replaced too, but waits: else the new one would be taken while
// the command still has the old one.
Result<> QueueEntry::replace(const std::string& place, const Fd& there, Same same) {
  struct stat old{};
  if (fstat(there.get(), &old) != 0) {
    return system_failure("cannot stat the entry " + queue_->path(place), errno);
  }
  if (same != Same::renew) {
    if (auto aged = set_age(old.st_mtime); !aged) return aged;
  }
  if (auto renamed = queue_->rename(draft_, place); !renamed) return renamed;
  draft_.clear();
  const bool is_running = flock(there.get(), LOCK_EX | LOCK_NB) != 0;
  if (!is_running || place.starts_with("held/")) return {};
  const std::time_t age = std::time(nullptr) - old.st_mtim.tv_sec;
  auto later = queue_->rename_later(
      place, name_, growing_pause(age, first_pause, longest_pause, random_number()));
  if (!later) return fail(later);
  return queue_->sync_around(*later);
}

Result<> QueueEntry::set_age(std::time_t born) const {
  const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, timespec{born, 0}};
  if (futimens(fd_.get(), times.data()) == 0) return {};
  return system_failure("cannot set the age of " + queue_->path(draft_), errno);
}

std::string QueueEntry::name_beside(std::string_view name, const Octets32& hash) {
  return fmt::format("{}.{}", name, base32(hash).substr(0, 8));
}

Result<> QueueEntry::keep(Same same) {
  if (auto synced = sync(fd_, queue_->path(draft_)); !synced) return synced;
  auto directory = settle(same);
  if (!directory) return fail(directory);
  return sync(directory->fd, directory->name);
}

// The octets of all are on their way to the disk before the first of them is waited for.
Result<> QueueEntry::keep_all(std::span<QueueEntry> entries, Syncer& syncer, Same same) {
  if (entries.size() == 1) return entries.front().keep(same);
  std::vector<int> files;
  for (const QueueEntry& entry : entries) {
    sync_file_range(entry.fd(), 0, 0, SYNC_FILE_RANGE_WRITE);
    files.push_back(entry.fd());
  }
  const auto draft_of = [&](std::size_t i) { return entries[i].queue_->path(entries[i].draft_); };
  if (auto synced = syncer.sync(files, draft_of); !synced) return synced;

  std::map<std::string, Fd> directories;
  for (QueueEntry& entry : entries) {
    auto directory = entry.settle(same);
    if (!directory) return fail(directory);
    directories.try_emplace(std::move(directory->name), std::move(directory->fd));
  }
  std::vector<int> fds;
  std::vector<std::string> names;
  for (const auto& [name, fd] : directories) {
    fds.push_back(fd.get());
    names.push_back(name);
  }
  return syncer.sync(fds, [&](std::size_t i) { return names[i]; });
}

// Nothing is visible before it is durable, and no checkpoint begins before all are visible.
Result<> QueueEntry::keep_all(std::span<QueueEntry> entries, IntakeLog& log, Syncer& syncer,
                              Same same) {
  if (entries.size() < IntakeLog::fewest) return keep_all(entries, syncer, same);
  LogGroup group;
  for (const QueueEntry& entry : entries) {
    auto added = group.add(entry.queue_->name(), entry.name_, entry.fd_);
    if (!added) return added;
  }
  const auto logged = log.append(group);
  if (!logged) return fail(logged);
  if (!*logged) return keep_all(entries, syncer, same);
  for (QueueEntry& entry : entries) {
    if (auto settled = entry.settle(same); !settled) return fail(settled);
  }
  return {};
}

}  // namespace ml
