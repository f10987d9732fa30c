// What may happen to an entry while somebody has it: the arrows of the table in queue.hpp that
// start in `taken`.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>

#include "base/digest.hpp"
#include "base/directory.hpp"
#include "base/text.hpp"
#include "queue/note.hpp"
#include "queue/queue.hpp"

namespace ml {
namespace {

// Up to an eighth late, so that what is put off about the same time shares a directory.
std::time_t rounded_up(std::time_t time, std::time_t pause) {
  const auto eighth = static_cast<std::uint64_t>(std::max<std::time_t>(pause / 8, 1));
  const auto step = static_cast<std::time_t>(std::bit_floor(eighth));
  return (time + step - 1) / step * step;
}

}  // namespace

Result<> Queue::rename(const std::string& from, const std::string& to) const {
  if (renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) == 0) return {};
  return system_failure(fmt::format("cannot rename {} to {}", path(from), path(to)), errno);
}

// The directory may be taken away as empty between its making and the rename: made again.
Result<std::string> Queue::rename_later(const std::string& from, std::string_view name,
                                        std::time_t pause) const {
  const std::string directory = later_directory(rounded_up(std::time(nullptr) + pause, pause));
  std::string place = fmt::format("{}/{}", directory, name);
  for (;;) {
    if (mkdirat(fd_.get(), directory.c_str(), 0700) == 0) {
      if (auto synced = sync_directory(path("later")); !synced) return fail(synced);
    } else if (errno != EEXIST) {
      return system_failure("cannot make the directory " + path(directory), errno);
    }
    if (renameat(fd_.get(), from.c_str(), fd_.get(), place.c_str()) == 0) return place;
    if (errno != ENOENT || faccessat(fd_.get(), from.c_str(), F_OK, 0) != 0) {
      return system_failure("cannot put off " + path(from), errno);
    }
  }
}

Result<> Queue::sync_around(const std::string& place) const {
  return sync_directory(path(directory_of(place)));
}

// A directory of `later` may be taken away as soon as it is empty.
Result<> Queue::sync_left(const std::string& place) const {
  const std::string directory = directory_of(place);
  const Fd fd(openat(fd_.get(), directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.open() && errno == ENOENT) return sync_directory(path("later"));
  if (!fd.open()) return system_failure("cannot open the directory " + path(directory), errno);
  return sync(fd, path(directory));
}

// The place it came to first: until that is durable the old one must be.
Result<> Queue::sync_move(const std::string& from, const std::string& to) const {
  if (auto synced = sync_around(to); !synced) return synced;
  return sync_left(from);
}

// Somebody may have put another entry of its name in its place meanwhile.
bool Queue::is_still(const Taken& taken) const {
  struct stat ours{};
  struct stat there{};
  return fstat(taken.fd().get(), &ours) == 0 &&
         fstatat(fd_.get(), taken.facts().place.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
         ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

Result<std::optional<Taken>> Queue::take(const std::string& place) const {
  auto locked = lock(name_at(place));
  if (!locked) return fail(locked);
  Fd file(openat(fd_.get(), place.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file.open() && errno == ENOENT) return std::optional<Taken>();
  struct stat about{};
  if (!file.open() || fstat(file.get(), &about) != 0) {
    return system_failure("cannot open the entry " + path(place), errno);
  }
  if (!S_ISREG(about.st_mode) || flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    return std::optional<Taken>();
  }
  EntryFacts facts{std::string(name_at(place)),
                   place,
                   Waits::due,
                   0,
                   about.st_mtime,
                   static_cast<std::uint64_t>(about.st_size),
                   read_note(file)};
  return std::optional<Taken>(std::in_place, std::move(facts), std::move(file));
}

// Under the lock of take(), so that our own short lock keeps nobody from the entry.
bool Queue::is_taken(const std::string& place) const {
  const auto locked = lock(name_at(place));
  if (!locked) return false;
  const Fd file(openat(fd_.get(), place.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  return file.open() && flock(file.get(), LOCK_SH | LOCK_NB) != 0;
}

// Not synced: after a power cut it may be there again, and is taken again.
Result<> Queue::remove(const Taken& taken) const {
  auto locked = lock(taken.facts().name);
  if (!locked) return fail(locked);
  if (!is_still(taken) || unlinkat(fd_.get(), taken.facts().place.c_str(), 0) == 0) return {};
  return system_failure("cannot remove the entry " + path(taken.facts().place), errno);
}

Result<> Queue::put_off(const Taken& taken, std::time_t pause, const EntryNote& note) const {
  auto locked = lock(taken.facts().name);
  if (!locked) return fail(locked);
  if (!is_still(taken)) return {};
  write_note(taken.fd(), note);
  auto place = rename_later(taken.facts().place, taken.facts().name, pause);
  if (!place) return fail(place);
  flock(locked->get(), LOCK_UN);
  return sync_move(taken.facts().place, *place);
}

// The first rename is the replacement; a kill before the second leaves it due at once.
Result<> Queue::replace(const Taken& taken, const std::string& draft, const Fd& left,
                        std::time_t pause, const EntryNote& note) const {
  const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, timespec{taken.facts().born, 0}};
  if (futimens(left.get(), times.data()) != 0) {
    return system_failure("cannot set the age of " + path(draft), errno);
  }
  write_note(left, note);
  if (auto synced = sync(left, path(draft)); !synced) return synced;
  auto locked = lock(taken.facts().name);
  if (!locked) return fail(locked);
  if (!is_still(taken)) return {};
  if (auto renamed = rename(draft, taken.facts().place); !renamed) return renamed;
  auto place = rename_later(taken.facts().place, taken.facts().name, pause);
  if (!place) return fail(place);
  flock(locked->get(), LOCK_UN);
  return sync_move(taken.facts().place, *place);
}

// "ID.abcdefgh", and "ID.abcdefgh@outbound": behind the @ stands the queue that it came from.
std::string Queue::other_name(std::string_view name) {
  const auto at = std::min(name.rfind('@'), name.size());
  std::string other = fmt::format("{}.", name.substr(0, at));
  append_base32(other, random_number(), 8);
  return other.append(name.substr(at));
}

// Two queues are locked in the order of their names: two moves never wait for each other.
Result<> Queue::move(const Taken& taken, const Queue& to, std::string_view name,
                     const EntryNote& note) const {
  write_note(taken.fd(), note);
  if (auto synced = sync(taken.fd(), path(taken.facts().place)); !synced) return synced;
  const bool ours_first = name_ < to.name_;
  auto first = ours_first ? lock(taken.facts().name) : to.lock(name);
  if (!first) return fail(first);
  auto second = ours_first ? to.lock(name) : lock(taken.facts().name);
  if (!second) return fail(second);
  if (!is_still(taken)) return {};
  std::string target = due_place(name);
  auto there = to.find(name);
  if (!there) return fail(there);
  if (*there) {
    target = due_place(other_name(name));
  }
  const std::string& place = taken.facts().place;
  if (renameat(fd_.get(), place.c_str(), to.fd_.get(), target.c_str()) != 0) {
    return system_failure(fmt::format("cannot move {} to {}", path(place), to.path(target)), errno);
  }
  flock(first->get(), LOCK_UN);
  flock(second->get(), LOCK_UN);
  if (auto synced = to.sync_around(target); !synced) return synced;
  return sync_left(place);
}

Result<> Queue::relocate(const Taken& taken, const std::string& to) const {
  auto locked = lock(taken.facts().name);
  if (!locked) return fail(locked);
  if (!is_still(taken) || taken.facts().place == to) return {};
  if (auto renamed = rename(taken.facts().place, to); !renamed) return renamed;
  flock(locked->get(), LOCK_UN);
  return sync_move(taken.facts().place, to);
}

Result<> Queue::hold(const Taken& taken) const {
  return relocate(taken, "held/" + taken.facts().name);
}

Result<> Queue::release(const Taken& taken) const {
  return relocate(taken, due_place(taken.facts().name));
}

}  // namespace ml
