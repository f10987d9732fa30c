// The small files of a journal's directory: its lock, head, totals and marks. Each is whole on
// disk or not there. journal.hpp says what they are for, and in which order they come.
//
//   auto lock = lock_journal(directory, terms.id);
//   auto head = open_head(home, terms, now);        // made with the first run, read by the next
//   auto closed = read_closed(directory);           // nothing: the message is not done
#pragma once

#include <sys/file.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/fields.hpp"
#include "queue/journal.hpp"

namespace ml {

// Held until it is gone. It is let go before its file is closed, for that is what others wait for.
class JournalLock {
 public:
  JournalLock() = default;
  explicit JournalLock(Fd file) : file_(std::move(file)) {}
  JournalLock(JournalLock&&) noexcept = default;
  JournalLock& operator=(JournalLock&&) noexcept = default;
  ~JournalLock() {
    if (file_.open()) flock(file_.get(), LOCK_UN);
  }

 private:
  Fd file_;
};

// 75: another process holds it, and `wait` is over or a signal came (Interruptions); its pid is
// named.
// Whoever only looks at the journal is waited for in any case.
[[nodiscard]] Result<JournalLock> lock_journal(const std::string& directory, std::string_view id,
                                               std::chrono::seconds wait);

struct JournalHead {
  SipKey key{};            // of the hashes of addresses
  std::int64_t begun = 0;  // seconds since 1970-01-01 UTC
  std::string damage =
      {};  // of find_head() alone, a line for people: without a key nobody is known
};
// Under the journal's lock. 75: the id has another message; the whole or another number of parts
// of it was begun; the part is not "K/N" with 1 <= K <= N; or the head is damaged.
[[nodiscard]] Result<JournalHead> open_head(const Home& home, const JournalTerms& terms,
                                            std::int64_t now);
// The same of a journal that is there, damaged or not; nothing where it is not there, or is of
// another message. 75: the disk says no.
[[nodiscard]] Result<std::optional<JournalHead>> find_head(const std::string& directory,
                                                           const JournalTerms& terms);

[[nodiscard]] Result<std::optional<Closed>> read_closed(const std::string& directory);
[[nodiscard]] Result<> write_closed(const std::string& directory, const Closed& closed);
[[nodiscard]] Result<> remove_closed(const std::string& directory);

// What queue entries of this message bear; empty: there are none.
[[nodiscard]] Result<std::string> read_mark(const std::string& directory);
[[nodiscard]] Result<> write_mark(const std::string& directory, std::string_view mark);

}  // namespace ml
