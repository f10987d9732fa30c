// All journals of a home, for those who look things up or tidy.
//
//   auto done = each_journal(home, [&](const JournalFacts& facts) { ...; return Result<>(); });
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/journal.hpp"

namespace ml {

struct JournalFacts {
  std::string directory;
  std::string name;  // its directory's: the id, "ID.2-4" of a part, "ID~1" of one begun anew since
  std::string id;
  std::string list;        // or "-"
  std::string message_id;  // or "-"
  std::int64_t begun = 0;
  std::optional<Closed> closed;
};

// By their names; a journal that cannot be read is passed over. `id`: only of that id.
[[nodiscard]] Result<> each_journal(const Home& home, const std::optional<std::string>& id,
                                    const std::function<Result<>(const JournalFacts&)>& call);
// Those that have recipients still. Of the pruned, which are most of them, nothing is opened.
[[nodiscard]] Result<> each_unpruned_journal(
    const Home& home, const std::function<Result<>(const JournalFacts&)>& call);

// How many recipients have which outcome now, by the slots; those in flight are unanswered, and
// whom a queue entry keeps is left.
struct OutcomeCounts {
  std::uint64_t delivered = 0;
  std::uint64_t refused = 0;
  std::uint64_t left = 0;
  std::uint64_t deferred = 0;
  std::uint64_t unanswered = 0;
  std::uint64_t given_up = 0;
  // Everybody who does not have it and was not refused.
  [[nodiscard]] std::uint64_t open() const { return left + deferred + unanswered + given_up; }
};
[[nodiscard]] Result<OutcomeCounts> count_outcomes(const JournalFacts& facts);

// Whether those of the queue `bounces`, which are about a message and not of it, count.
enum class BounceRecords { count, pass_over };

// The entries of all queues, by the ids of their messages.
class WaitingEntries {
 public:
  [[nodiscard]] static Result<WaitingEntries> read(const Home& home, BounceRecords records);
  [[nodiscard]] bool has(const std::string& id) const;

 private:
  std::vector<std::string> names_;  // sorted
};

// Takes the recipients out of journals closed for `idle` seconds: what is left of one (its head
// and totals) still refuses to send the message again, for `kept` seconds. One that was begun anew
// goes with the recipients. Gives the number of journals made smaller or removed; those in use, and
// those of whose id an entry waits in some queue, are passed over.
[[nodiscard]] Result<std::uint64_t> prune_journals(const Home& home, std::int64_t now,
                                                   std::int64_t idle, std::int64_t kept);

}  // namespace ml
