// A queue: entries that wait for a command to take them, each a file that is there once and
// whole, or not at all. Where it lies says what it waits for, so nothing has to be opened or
// scanned to learn that it is not due.
//
//   queue/QUEUE/tmp/NAME.RANDOM    a draft: an entry being written, or the output of a command
//   queue/QUEUE/a/NAME             due; a: one character (a-z2-7) of the hash of NAME
//   queue/QUEUE/later/TIME/NAME    put off until TIME (Unix seconds)
//   queue/QUEUE/held/NAME          waits for a person
//   queue/QUEUE/runner.N           locked by a runner for as long as it lives
//
// NAME is an id: there is one entry of a name. The file's mtime is when the entry first came in;
// its last failure stands in the extended attribute user.mlpipe.note, which may be lost.
//
//   | state   | event                                       | next     | after a power cut       |
//   | ------- | ------------------------------------------- | -------- | ----------------------- |
//   | -       | QueueEntry::create(): the file in tmp       | draft    | nothing, or litter      |
//   | draft   | octets written, the file synced             | draft    | nothing, or litter      |
//   | draft   | keep(): renamed to a/NAME                   | named    | litter or the entry     |
//   | named   | the directory a synced: keep() returns      | due      | the entry               |
//   | draft   | keep() finds NAME with the same octets      | -        | the entry there         |
//   | draft   | keep() finds NAME with others, renamed over | named    | one of the two, whole   |
//   | due     | take(): its lock; the command starts        | taken    | due                     |
//   | taken   | the command did it: unlinked                | -        | due, or nothing         |
//   | taken   | put_off(): renamed to later/TIME/NAME       | later    | due or later            |
//   | taken   | replace(): what is left, synced, renamed    | later    | the old or what is left |
//   |         | over it, then as put_off()                  |          |                         |
//   | taken   | move(): renamed into another queue          | due      | in one of the two       |
//   | taken   | hold(): renamed to held/NAME                | held     | as before, or held      |
//   | taken   | the runner or its command is killed         | as before| as before               |
//   | later   | TIME has come                               | due      | due                     |
//   | held    | release(), or later: retry()                | due      | as before, or due       |
//
// Whoever takes in many at once may keep them by a log that is synced instead of file and directory
// (queue/intake_log.hpp): its own table says what a power cut leaves then.
//
// A kill leaves what a power cut leaves, and the lock goes with the last process that had it: a
// command that outlives its runner keeps its entry from the next one. After a rename the directory
// that the entry came to is synced, then the one that it left: a power cut between the two finds it
// in one of them where a rename is one step on the disk, as with every journal of a file system,
// and else perhaps in both, each to be run. Whoever looks for a name or moves an entry holds the
// lock of its directory a (flock), so that no two do it at once; under it only a new directory in
// `later` and an entry replaced while its command runs are synced. A queue itself appears by one
// rename, with all its directories.
//
//   auto queue = Queue::open(home, "post", Create::yes);
//   auto entry = QueueEntry::create(*queue, id);            // queue/entry.hpp
//   if (!queue->has_runner()) ...
#pragma once

#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/home.hpp"
#include "base/result.hpp"

namespace ml {

class Taken;

// Why an entry is still there.
struct EntryNote {
  unsigned attempts = 0;
  std::string reason;  // one line; empty: nothing has failed yet
};

enum class Waits { due, later, held };

// What there is to say of an entry.
struct EntryFacts {
  std::string name;
  std::string place;  // below the queue's directory
  Waits waits = Waits::due;
  std::time_t next = 0;  // Waits::later: when it is due
  std::time_t born = 0;
  std::uint64_t size = 0;
  EntryNote note;
};

class Queue {
 public:
  static constexpr std::string_view hashes = "abcdefghijklmnopqrstuvwxyz234567";

  // `name`: `[A-Za-z0-9._-]{1,64}` without a leading dot, else 75. Create::no: a queue that is not
  // there is 75 too.
  [[nodiscard]] static Result<Queue> open(const Home& home, std::string_view name, Create create);
  // The names of all queues of a home, sorted.
  [[nodiscard]] static Result<std::vector<std::string>> names(const Home& home);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Fd& fd() const { return fd_; }
  [[nodiscard]] std::string path(std::string_view below) const;  // for people

  // --- runners
  // A lock among `runners`, to be kept until this process leaves; nothing if all are taken.
  [[nodiscard]] Result<std::optional<Fd>> become_runner(unsigned runners) const;
  // Does a runner hold this queue? Looks without locking. Whoever first keeps an entry and then
  // gets "no" has nobody to wait for; a runner looks once more after it let its lock go.
  [[nodiscard]] bool has_runner() const;

  // --- looking for entries
  // Places of the entries due in a directory; none if it is empty or gone.
  [[nodiscard]] Result<std::vector<std::string>> places(const std::string& directory) const;
  // The directories later/TIME by their time, soonest first.
  [[nodiscard]] Result<std::vector<std::time_t>> later() const;
  [[nodiscard]] static std::string later_directory(std::time_t time);
  // Takes an emptied later/TIME away, unless somebody uses it again.
  void drop_later(std::time_t time) const;
  [[nodiscard]] bool has(const std::string& place) const;
  // Where the entry is, if there is one.
  [[nodiscard]] Result<std::optional<std::string>> find(std::string_view name) const;
  // Every entry once, in no order; of one that moves meanwhile, where it was or where it came to.
  [[nodiscard]] Result<> each(const std::function<void(const EntryFacts&)>& call) const;
  // Is there an entry that a runner would take, now or later?
  [[nodiscard]] Result<bool> has_waiting() const;

  // Does a command have it just now?
  [[nodiscard]] bool is_taken(const std::string& place) const;

  // --- one entry
  // Locks it; nothing if it has gone or another process has it.
  [[nodiscard]] Result<std::optional<Taken>> take(const std::string& place) const;
  // Done with: the file goes.
  [[nodiscard]] Result<> remove(const Taken& taken) const;
  // Comes back after `pause` seconds, on a rounded second: directories in `later` stay few.
  [[nodiscard]] Result<> put_off(const Taken& taken, std::time_t pause,
                                 const EntryNote& note) const;
  // What the draft (a path below the queue, open as `left`) holds takes the entry's place and
  // its age, and is put off.
  [[nodiscard]] Result<> replace(const Taken& taken, const std::string& draft, const Fd& left,
                                 std::time_t pause, const EntryNote& note) const;
  // Due in the queue `to` as `name`, or as name.RANDOM where that name is taken.
  [[nodiscard]] Result<> move(const Taken& taken, const Queue& to, std::string_view name,
                              const EntryNote& note) const;
  [[nodiscard]] Result<> hold(const Taken& taken) const;
  [[nodiscard]] Result<> release(const Taken& taken) const;  // due now, wherever it waits

  // Removes drafts that nobody has written to for a day.
  void remove_litter() const;

 private:
  friend class QueueEntry;
  Queue(std::string directory, std::string name, Fd fd)
      : directory_(std::move(directory)), name_(std::move(name)), fd_(std::move(fd)) {}

  // The directory of `name`, locked until the descriptor closes or unlock(). Everything that
  // follows in here is called under that lock.
  [[nodiscard]] Result<Fd> lock(std::string_view name) const;
  [[nodiscard]] Result<> rename(const std::string& from, const std::string& to) const;
  // For an entry whose name is taken: another one of the same queue of origin.
  [[nodiscard]] static std::string other_name(std::string_view name);
  // Below later/, the directory made durable if it is new. Gives the new place.
  [[nodiscard]] Result<std::string> rename_later(const std::string& from, std::string_view name,
                                                 std::time_t pause) const;
  [[nodiscard]] Result<> relocate(const Taken& taken, const std::string& to) const;
  [[nodiscard]] bool is_still(const Taken& taken) const;
  // The directory of a place, synced; that of a place which an entry has left; those of both.
  [[nodiscard]] Result<> sync_around(const std::string& place) const;
  [[nodiscard]] Result<> sync_left(const std::string& place) const;
  [[nodiscard]] Result<> sync_move(const std::string& from, const std::string& to) const;

  std::string directory_;
  std::string name_;
  Fd fd_;
};

// An entry that is ours until this is destroyed, and the command's that has its descriptor.
class Taken {
 public:
  Taken(EntryFacts facts, Fd fd) : facts_(std::move(facts)), fd_(std::move(fd)) {}
  [[nodiscard]] const EntryFacts& facts() const { return facts_; }
  [[nodiscard]] const Fd& fd() const { return fd_; }  // at its first octet

 private:
  EntryFacts facts_;
  Fd fd_;
};

// The place of an entry that is due: "k/rabc...".
[[nodiscard]] std::string due_place(std::string_view name);
// The name of an entry at a place.
[[nodiscard]] std::string_view name_at(std::string_view place);
[[nodiscard]] bool is_entry_name(std::string_view text);

// `[A-Za-z0-9._-]{1,64}` without a leading dot: a queue, and an entry as its putter names it. In
// the queue `failed` an entry is NAME@QUEUE.
[[nodiscard]] bool is_queue_name(std::string_view text);

// Those that programs of ours put into: post, outbound, bounces. Whoever names one of them may make
// it; a name that only a person knows is made by putting alone, so that a slip makes no queue.
[[nodiscard]] Create create_if_own(std::string_view name);

// A pause that grows with the age of an entry, from `first` to `longest` seconds, a quarter of it
// by chance (`random`: any number), so that what failed together does not come back together.
[[nodiscard]] std::time_t growing_pause(std::time_t age, std::time_t first, std::time_t longest,
                                        std::uint64_t random);

}  // namespace ml
