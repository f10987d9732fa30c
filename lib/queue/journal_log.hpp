// The text log of a journal: when and by which relay each recipient got his outcome, and what the
// relay said, its queue id in it. For people, by ml-log: what counts is in the slots.
//
//   log.0000, log.0001, ... of up to 28 MiB each:
//   OUTCOME TAB time TAB address TAB relay TAB reply TAB slot LF
//
// Lines are written in blocks; a kill or a full disk may lose the last of them and cut one short,
// which readers pass over.
//
//   auto log = JournalLog::open(directory);
//   log->append(slot, Outcome::delivered, {.address = ..., .relay = ..., .reply = ...}, now);
//   log->flush();                               // written; fdatasync of log->fd() makes it durable
//   each_outcome(directory, [&](const OutcomeLine& line) { ...; return Result<>(); });
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "queue/outcome.hpp"
#include "queue/slots.hpp"

namespace ml {

// What goes into the log beside an outcome. Views are used during the call only.
struct LogLine {
  std::string_view address;  // without controls, as a stream has it
  std::string_view relay;    // the same
  std::string_view reply;    // the relay's queue id is part of it; it is made printable()
};

class JournalLog {
 public:
  JournalLog() = default;
  // At the end of the newest file in `directory`, or a first one: its name is not yet synced.
  [[nodiscard]] static Result<JournalLog> open(std::string directory);

  // Written with the next block; `now` in seconds since 1970-01-01 UTC.
  [[nodiscard]] Result<> append(SlotNumber slot, Outcome outcome, const LogLine& line,
                                std::int64_t now);
  // Written when this returns. A file that is full is synced, and so is the name of the next.
  [[nodiscard]] Result<> flush();
  // The newest file: all others are synced.
  [[nodiscard]] const Fd& fd() const { return file_; }

 private:
  [[nodiscard]] Result<> open_file_of(std::uint32_t number);

  std::string directory_;
  Fd file_;
  std::uint32_t number_ = 0;
  std::uint64_t size_ = 0;
  std::string text_;
  std::int64_t time_ = -1;  // as time_text_ has it
  std::string time_text_;
};

// Where a line of the log begins, for who reads it again.
struct LogPlace {
  std::uint32_t file = 0;
  std::uint32_t at = 0;
};

// A line of the log. Views live during the call.
struct OutcomeLine {
  Outcome outcome{};
  std::int64_t time = 0;
  std::string_view address;
  std::string_view relay;
  std::string_view reply;
  SlotNumber slot = 0;
  LogPlace place{};
};
// Of the journal in `directory`, in the order they were written: of a recipient the last one
// counts. One whose line was lost and written again has an earlier time than those before it.
[[nodiscard]] Result<> each_outcome(const std::string& directory,
                                    const std::function<Result<>(const OutcomeLine&)>& call);
// The line there, its views into `room`; nothing: there is none.
[[nodiscard]] Result<std::optional<OutcomeLine>> read_outcome(const std::string& directory,
                                                              LogPlace place, std::string& room);

}  // namespace ml
