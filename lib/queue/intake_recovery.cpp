#include "queue/intake_recovery.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "queue/entry.hpp"
#include "queue/log_segment.hpp"
#include "queue/queue.hpp"
#include "queue/syncer.hpp"

namespace ml {
namespace {

constexpr std::size_t most_at_once = 256;  // drafts held open

// What a file of an entry's name is to a record.
enum class Likeness { none, logged, same, other };

// The logged file itself, by its inode, or what a file system left of it. `none`: it is gone.
Likeness likeness(const Queue& queue, const std::string& place, const LogRecord& record) {
  const Fd file(openat(queue.fd().get(), place.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat about{};
  if (!file.open() || fstat(file.get(), &about) != 0) return Likeness::none;
  if (about.st_ino == record.inode) return Likeness::logged;
  std::string there(record.octets.size() + 1, '\0');
  const ssize_t got = pread(file.get(), there.data(), there.size(), 0);
  if (got < 0) return Likeness::logged;  // it cannot even be read
  there.resize(static_cast<std::size_t>(got));
  if (there == record.octets) return Likeness::same;
  return record.octets.starts_with(there) ? Likeness::logged : Likeness::other;
}

class Restorer {
 public:
  explicit Restorer(const Home& home) : home_(home) {}

  Result<> restore(const LogRecord& record) {
    const auto queue = open(record.queue);
    if (!queue) return fail(queue);
    for (const std::string& name :
         {std::string(record.name), QueueEntry::name_beside(record.name, sha256(record.octets))}) {
      const auto place = (*queue)->find(name);
      if (!place) return fail(place);
      const Likeness like = *place ? likeness(**queue, **place, record) : Likeness::none;
      if (like == Likeness::same) return {};
      if (like == Likeness::logged) return draft(**queue, name, record, renewed_, Same::renew);
    }
    return draft(**queue, record.name, record, arrived_, Same::beside);
  }

  Result<> finish() {
    if (auto kept = keep(renewed_, Same::renew); !kept) return kept;
    return keep(arrived_, Same::beside);
  }

 private:
  Result<const Queue*> open(std::string_view name) {
    if (const auto known = queues_.find(name); known != queues_.end()) return known->second.get();
    auto opened = Queue::open(home_, name, Create::yes);
    if (!opened) return fail(opened);
    return queues_.emplace(name, std::make_unique<Queue>(std::move(*opened))).first->second.get();
  }

  Result<> draft(const Queue& queue, std::string_view name, const LogRecord& record,
                 std::vector<QueueEntry>& to, Same same) {
    auto entry = QueueEntry::create(queue, name);
    if (!entry) return fail(entry);
    if (auto put = write_all(entry->fd(), record.octets, queue.path(name)); !put) return put;
    if (auto aged = entry->set_age(record.born); !aged) return aged;
    to.push_back(std::move(*entry));
    return to.size() < most_at_once ? Result<>() : keep(to, same);
  }

  Result<> keep(std::vector<QueueEntry>& entries, Same same) {
    if (entries.empty()) return {};
    auto kept = QueueEntry::keep_all(entries, syncer_, same);
    entries.clear();
    return kept;
  }

  const Home& home_;
  Syncer syncer_;
  std::map<std::string, std::unique_ptr<Queue>, std::less<>> queues_;
  std::vector<QueueEntry> renewed_;
  std::vector<QueueEntry> arrived_;
};

Result<> restore(const Home& home, const LogSegment& segment) {
  const auto octets = segment.octets();
  if (!octets) return fail(octets);
  Restorer restorer(home);
  LogReader reader(*octets);
  while (const auto record = reader.next()) {
    if (auto restored = restorer.restore(*record); !restored) return restored;
  }
  return restorer.finish();
}

// Ours if its writer is dead. That of another boot is; then whoever has it restores it, and is
// waited for. Where the kernel does not tell which boot this is, its writer may live.
Result<bool> lock_forsaken(const LogSegment& segment, const std::string& boot) {
  const auto tells_of = segment.boot();
  if (!tells_of) return fail(tells_of);
  if (!*tells_of) return false;
  if (**tells_of == boot || boot == no_boot) return segment.try_lock();
  if (auto locked = segment.lock(); !locked) return fail(locked);
  return true;
}

// Whether there was something to restore.
Result<bool> recover(const Home& home, LogSegment& segment, const std::string& boot) {
  const auto is_ours = lock_forsaken(segment, boot);
  if (!is_ours) return fail(is_ours);
  if (!*is_ours) return false;
  const auto tells_of = segment.boot();  // the one before us may have cleaned it
  if (!tells_of) return fail(tells_of);
  if (!*tells_of) return false;
  const bool is_lost = **tells_of != boot;
  Result<> safe = is_lost ? restore(home, segment) : Result<>();
  // What an earlier one restored before it was killed is as it should be, but perhaps unsynced.
  if (safe) safe = segment.sync_all();
  if (safe) safe = segment.clean();
  if (!safe) return fail(safe);
  return is_lost;
}

}  // namespace

Result<bool> recover_intake(const Home& home) {
  if (faccessat(home.fd().get(), "intake", F_OK, 0) != 0 && errno == ENOENT) return false;
  const std::string boot = boot_id();
  bool any = false;
  for (unsigned number = 0; number < LogSegment::most; ++number) {
    auto segment = LogSegment::open(home, number, Create::no);
    if (!segment) return fail(segment);
    if (!*segment) continue;
    const auto restored = recover(home, **segment, boot);
    if (!restored) return restored;
    any = any || *restored;
  }
  return any;
}

}  // namespace ml
