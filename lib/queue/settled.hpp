// Who of a message needs no further attempt, by its journal: for those who do not send it, but have
// its recipients in their hands, as the runner of an entry.
//
//   auto settled = SettledRecipients::open(home, {.id = id, .message = digest});
//   if (settled && *settled) auto gone = (*settled)->find("ann@example.org");
#pragma once

#include <optional>
#include <string_view>

#include "base/digest.hpp"
#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/journal.hpp"
#include "queue/journal_files.hpp"
#include "queue/recall.hpp"

namespace ml {

class SettledRecipients {
 public:
  enum class How { delivered, refused };

  // Holds the journal's lock as long as it lives, and records nothing. Of `terms` id, part and
  // message count. Nothing: there is no journal of this message. 75: a process is sending it, or
  // the disk says no.
  [[nodiscard]] static Result<std::optional<SettledRecipients>> open(const Home& home,
                                                                     const JournalTerms& terms);

  // How the recipient was settled: he has the message, or was refused and that was handed over.
  // Anybody else is left. `address` as in Journal::before(); each record answers once.
  [[nodiscard]] Result<std::optional<How>> find(std::string_view address);

 private:
  SettledRecipients(JournalLock lock, SipKey key, Recall recall)
      : lock_(std::move(lock)), key_(key), recall_(std::move(recall)) {}

  JournalLock lock_;
  SipKey key_;
  Recall recall_;
};

}  // namespace ml
