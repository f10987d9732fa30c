// One entry of a queue: a file that is there whole and durable, or not at all.
//
//   queue/QUEUE/tmp/NAME.RANDOM   being written
//   queue/QUEUE/ab/NAME           an entry; ab: two characters (a-z2-7) of the hash of NAME
//
//   | state   | event                                   | next    | after a power cut        |
//   | ------- | --------------------------------------- | ------- | ------------------------ |
//   | -       | create(): the file in tmp               | begun   | nothing, or litter       |
//   | begun   | octets written                          | begun   | nothing, or litter       |
//   | begun   | keep(): the file synced                 | written | litter, whole            |
//   | written | renamed to ab/NAME                      | named   | litter or the entry      |
//   | named   | ab, QUEUE, queue and the home synced    | kept    | the entry                |
//   | begun   | destroyed, or a step failed             | -       | nothing, or litter       |
//
// Only in `kept` may anybody be told that the message is ours. A kill leaves what a power cut
// leaves. Litter has no readers and may be removed when it is a day old. An entry of the same
// name is replaced by the rename: names are ids, so it held the same message, and a mail server
// that hands a message over twice makes one entry.
//
//   auto entry = QueueEntry::create(*home, "held", id);
//   if (!entry) return fail(entry);
//   ...write to entry->fd()...
//   return entry->keep();
#pragma once

#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/home.hpp"
#include "base/result.hpp"

namespace ml {

class QueueEntry {
 public:
  // `queue` and `name`: `[A-Za-z0-9._-]{1,64}` without a leading dot, else 75. `home` must outlive
  // the entry.
  [[nodiscard]] static Result<QueueEntry> create(const Home& home, std::string_view queue,
                                                 std::string_view name);
  QueueEntry(QueueEntry&& other) noexcept;
  QueueEntry& operator=(QueueEntry&&) noexcept = delete;
  ~QueueEntry();  // takes the file in tmp away, unless it was kept

  [[nodiscard]] int fd() const { return fd_.get(); }
  // Once, when all is written.
  [[nodiscard]] Result<> keep();

 private:
  QueueEntry(const Home& home, std::string queue, std::string name, std::string draft, Fd fd);

  const Home* home_;
  std::string queue_;
  std::string name_;
  std::string draft_;  // below the home; empty once renamed
  Fd fd_;
};

// Where an entry stands, below the home: "queue/held/k4/rabc...".
[[nodiscard]] std::string entry_path(std::string_view queue, std::string_view name);

}  // namespace ml
