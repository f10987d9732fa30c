// The intake log: what makes many entries durable at once for the price of one write. Their octets
// go into a segment (queue/log_segment.hpp) that is synced before they become visible; their own
// files and names become durable later, all together and while nobody waits.
//
//   intake/N    a segment: locked by its writer for as long as that lives, kept to be used again
//
// | state  | event                                            | next   | after a power cut       |
// | ------ | ------------------------------------------------ | ------ | ----------------------- |
// | draft  | append(): its octets in the segment, that synced | logged | the entry               |
// | logged | renamed to its place: it is answered for         | due    | the entry               |
// | due    | any arrow of queue.hpp                           | there  | there, or as it came in |
// | due... | checkpoint: the file system synced, the segment  | due... | as queue.hpp says       |
// |        | cleaned                                          |        |                         |
//
// | segment | event                                           | next     | who opens it next     |
// | ------- | ----------------------------------------------- | -------- | --------------------- |
// | clean   | the first group: head and group, one sync       | used     | clean, or the group   |
// | used    | it is full, a second old, or its writer leaves  | due      | see below             |
// | due     | syncfs; its head overwritten, synced            | clean    | used, or clean        |
// | due     | syncfs fails: marked as of no boot, let go; the | doubtful | restores every entry  |
// |         | next group is refused, later ones go without    |          |                       |
// | used    | its writer is killed                            | forsaken | this boot: syncs it   |
// |         |                                                 |          | another: restores it  |
//
// recover_intake() (queue/intake_recovery.hpp) is for the last column: ml-lmtpd and whoever runs a
// queue call it when they begin. What is restored is what came in within the last two seconds
// before a power cut (a second, and the time of a checkpoint), or before a kill after which neither
// has begun: an entry that was done, moved away or replaced by what is left of it since may be
// there again as it came in. Then ml-send's journal, by the message's id, keeps everybody from
// being mailed twice.
//
//   IntakeLog log(home);                                   // nothing is opened yet
//   if (auto kept = QueueEntry::keep_all(drafts, log, syncer, Same::beside); !kept) ...
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>

#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/log_segment.hpp"

namespace ml {

class IntakeLog {
 public:
  // Of fewer entries the files are synced as fast, and a checkpoint would cost more.
  static constexpr std::size_t fewest = 4;

  // `home` must outlive it. One thread of ours waits for checkpoints.
  explicit IntakeLog(const Home& home);
  IntakeLog(IntakeLog&&) noexcept;
  ~IntakeLog();  // the last checkpoint

  // While it lives, no checkpoint begins: the names of what is logged are not all there yet.
  using Hold = std::unique_lock<std::mutex>;
  // Durable when it returns. Nothing: there is no room, now or at all (the group is too large; two
  // segments are full and not yet done with; the disk has no room for them): the entries' own files
  // are to be synced. 75: they cannot be relied on, or those of an earlier group cannot.
  [[nodiscard]] Result<std::optional<Hold>> append(LogGroup& group);

 private:
  class Writer;
  std::unique_ptr<Writer> writer_;
};

}  // namespace ml
