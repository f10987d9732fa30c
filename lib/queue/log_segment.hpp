// A segment of the intake log (queue/intake_log.hpp): a file `intake/N` of the home, in host order.
//
//   octets 0-15   "mlpipe intake 1\n"; anything else: the segment is clean, nothing in it counts
//   octets 16-31  key of the checks, new with each use: what an earlier use left behind is no group
//   octets 32-67  the boot id of the kernel in whose memory the entries' own files are
//   from 4096 on  groups, each from the start of a block of 4096 octets, filled up with zeros:
//                 no octet that was answered for is ever written again
//
//   group         octets 0-7   SipHash-2-4 of all that follows, without the zeros behind it
//                 octets 8-15  length of its records; then the records
//   record        octets 0-7   inode of the entry's own file
//                 octets 8-15  when it came in (Unix seconds)
//                 octets 16-19 length of the entry; 20: of the queue's name; 21: of the entry's
//                 then the queue's name, the entry's name, the entry
//
// The file has its full size, written once, before it is used: a group then costs one write of data
// and no change of metadata. A group that was cut short has a wrong check and ends the segment.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/home.hpp"
#include "base/result.hpp"

namespace ml {

struct LogRecord {
  std::string_view queue;
  std::string_view name;
  std::uint64_t inode = 0;
  std::int64_t born = 0;
  std::string_view octets;
};

// Entries that are to be durable together.
class LogGroup {
 public:
  static constexpr std::size_t largest = std::size_t{4} << 20;

  // All that `file` holds; `queue` and `name` have at most 255 octets.
  [[nodiscard]] Result<> add(std::string_view queue, std::string_view name, const Fd& file);
  // They are `largest` at most and on one file system, this one; else the rest was not even read.
  [[nodiscard]] bool fits(dev_t device) const { return !unfit_ && device_ == device; }
  [[nodiscard]] std::size_t size() const;  // as it is written
  // Whole blocks. Once.
  [[nodiscard]] std::string_view finish(const SipKey& key);

 private:
  std::string octets_ = std::string(16, '\0');
  std::optional<dev_t> device_;
  bool unfit_ = false;
};

// The records of the whole groups in what a segment's file holds, which may be any octets.
//
//   LogReader reader(octets);
//   while (const auto record = reader.next()) ...
class LogReader {
 public:
  // `octets` must outlive it and what it gives.
  explicit LogReader(std::string_view octets);
  [[nodiscard]] std::optional<LogRecord> next();

 private:
  [[nodiscard]] bool open_group();

  std::string_view octets_;
  std::size_t at_;            // of the next group
  std::string_view records_;  // of this one, not yet given
  SipKey key_{};
};

class LogSegment {
 public:
  static constexpr std::size_t size = std::size_t{16} << 20;
  static constexpr unsigned most = 16;  // their numbers are below

  // intake/NUMBER; nothing: it is not there, and Create::no.
  [[nodiscard]] static Result<std::optional<LogSegment>> open(const Home& home, unsigned number,
                                                              Create create);
  // Ours as long as this lives, and if we die anybody's. False: another process has it.
  [[nodiscard]] bool try_lock() const;
  [[nodiscard]] Result<> lock() const;

  // The boot id that it tells of; nothing: it is clean.
  [[nodiscard]] Result<std::optional<std::string>> boot() const;
  [[nodiscard]] Result<std::string> octets() const;

  // All that follows is for who has the lock. fill_up() gives it its full size, before the first
  // append(); where there is no room for that, it takes none.
  [[nodiscard]] Result<> fill_up() const;
  // Ever, and now.
  [[nodiscard]] bool fits(const LogGroup& group) const { return group.fits(device_); }
  [[nodiscard]] bool has_room(const LogGroup& group) const { return end_ + group.size() <= size; }
  [[nodiscard]] bool is_used() const { return end_ > 0; }  // by us
  // Durable when it returns. After a failure it is as for sync() (base/fd.hpp): never again.
  [[nodiscard]] Result<> append(LogGroup& group, std::string_view boot);
  // What it tells of is durable in its own files: durably forgotten.
  [[nodiscard]] Result<> clean();
  // What it tells of may not be on disk although the kernel will say so: no boot is this one.
  [[nodiscard]] Result<> doubt() const;
  // Everything that was written to its file system, by whoever it was (syncfs).
  [[nodiscard]] Result<> sync_all() const;

 private:
  LogSegment(Fd fd, std::string path, dev_t device)
      : fd_(std::move(fd)), path_(std::move(path)), device_(device) {}
  [[nodiscard]] Result<> write(std::string_view octets, std::size_t at) const;
  [[nodiscard]] Result<> write_durably(std::string_view octets, std::size_t at) const;

  Fd fd_;
  std::string path_;
  dev_t device_;
  SipKey key_{};
  std::size_t end_ = 0;  // of what this use has written; 0: nothing yet
};

// The kernel's, which changes when what was in its memory is gone; no_boot where it tells none.
inline constexpr std::string_view no_boot = "-";
[[nodiscard]] std::string boot_id();

}  // namespace ml
