// Who of a message needs no further attempt, by its journal: for those who do not send it, but have
// its recipients in their hands, as the runner of an entry.
//
//   auto settled = SettledRecipients::open(home, {.id = id, .message = digest});
//   if (settled && *settled && (*settled)->damage().empty()) {
//     auto known = (*settled)->find("ann@example.org");
//     if (known && *known && (*known)->how) ...        // she is settled
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/digest.hpp"
#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/journal.hpp"
#include "queue/journal_files.hpp"
#include "queue/last_replies.hpp"
#include "queue/recall.hpp"

namespace ml {

class SettledRecipients {
 public:
  // Holds the journal's lock as long as it lives, and records nothing. Of `terms` id, part and
  // message count. Nothing: there is no journal of this message. 75: a process is sending it, or
  // the disk says no.
  [[nodiscard]] static Result<std::optional<SettledRecipients>> open(const Home& home,
                                                                     const JournalTerms& terms);

  // What is wrong with the journal, a line for people: it knows of somebody, but not of whom, so
  // that find() has no answer. Mostly empty.
  [[nodiscard]] const std::string& damage() const { return damage_; }

  enum class How { delivered, refused };
  struct Known {
    SlotNumber slot = 0;
    std::optional<How> how;  // nothing: he is left
  };
  // How the recipient was settled: he has the message, or was refused and that was handed over.
  // Nothing: the journal has no record of him. `address` as in Journal::before(); each record
  // answers once.
  [[nodiscard]] Result<std::optional<Known>> find(std::string_view address);
  // Why those who are left are, by their slots. Reads the log.
  [[nodiscard]] Result<LastReplies> last_replies() const;

 private:
  explicit SettledRecipients(std::string damage) : damage_(std::move(damage)) {}
  SettledRecipients(std::string directory, JournalLock lock, SipKey key, Recall recall)
      : directory_(std::move(directory)),
        lock_(std::move(lock)),
        key_(key),
        recall_(std::move(recall)) {}

  std::string damage_;
  std::string directory_;
  JournalLock lock_;
  SipKey key_{};
  Recall recall_;
};

}  // namespace ml
