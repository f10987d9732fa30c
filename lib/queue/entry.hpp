// A draft of an entry: written by us alone, then kept, whole and durable, or gone without trace.
// The states are in queue/queue.hpp.
//
//   auto entry = QueueEntry::create(*home, "held", id);
//   if (!entry) return fail(entry);
//   ...write to entry->fd()...
//   return entry->keep();
#pragma once

#include <ctime>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/intake_log.hpp"
#include "queue/queue.hpp"
#include "queue/syncer.hpp"

namespace ml {

// What becomes of a draft if an entry of that name, but with other octets, is there already. (One
// with the same octets is the same entry: a mail server that hands a message over twice.)
enum class Same {
  replace,  // the draft takes its place and its age
  beside,   // the draft is kept as NAME.HASH
  renew,    // the draft takes its place, whatever it is: its octets may not be on disk
};

// To its first octet, once it was read.
[[nodiscard]] Result<> rewind(const Fd& entry);

class QueueEntry {
 public:
  // `name`: as is_queue_name(), else 75. The queue is made if it is not there.
  [[nodiscard]] static Result<QueueEntry> create(const Home& home, std::string_view queue,
                                                 std::string_view name);
  // `queue` must outlive the entry.
  [[nodiscard]] static Result<QueueEntry> create(const Queue& queue, std::string_view name);
  QueueEntry(QueueEntry&& other) noexcept;
  QueueEntry& operator=(QueueEntry&&) noexcept = delete;
  ~QueueEntry();  // takes the draft away, unless it was kept

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const Fd& file() const { return fd_; }
  [[nodiscard]] const std::string& draft() const { return draft_; }  // below the queue

  // Once, when all is written. It is ours when this has returned without error, not before.
  [[nodiscard]] Result<> keep(Same same = Same::replace);

  // The same for many at once, for about the price of one: either all are kept, or the caller
  // must take it that none is (those that are there are whole).
  [[nodiscard]] static Result<> keep_all(std::span<QueueEntry> entries, Syncer& syncer,
                                         Same same = Same::replace);
  // The same by the intake log: their own files become durable later. Fewer than
  // IntakeLog::fewest, and where the log has no room, as above.
  [[nodiscard]] static Result<> keep_all(std::span<QueueEntry> entries, IntakeLog& log,
                                         Syncer& syncer, Same same);
  // It came in at `born`, not now; and the name under which another one is kept beside NAME.
  [[nodiscard]] Result<> set_age(std::time_t born) const;
  [[nodiscard]] static std::string name_beside(std::string_view name, const Octets32& hash);

 private:
  QueueEntry(const Queue& queue, std::string name, std::string draft, Fd fd);

  struct Directory {
    Fd fd;
    std::string name;  // for people
  };
  // Under the lock of its directory. Gives the directory that is to be synced, unlocked.
  [[nodiscard]] Result<Directory> settle(Same same);
  [[nodiscard]] Result<> replace(const std::string& place, const Fd& there, Same same);

  std::optional<Queue> own_;  // where the caller has none
  const Queue* queue_;
  std::string name_;
  std::string draft_;  // empty once kept
  Fd fd_;
};

}  // namespace ml
