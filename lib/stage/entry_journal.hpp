// The journal of a section of an entry.
//
//   auto journal = journal_of(home, in.message());
//   if (journal && *journal) ...
#pragma once

#include <optional>

#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/settled.hpp"
#include "stream/record.hpp"

namespace ml {

// Its id, part and message. Nothing of a message that nothing of ours can have sent.
[[nodiscard]] std::optional<JournalTerms> journal_terms_of(const MessageRecord& record);

// As SettledRecipients::open(). Nothing too for a message that nothing of ours can have sent.
[[nodiscard]] Result<std::optional<SettledRecipients>> journal_of(const Home& home,
                                                                  const MessageRecord& record);

}  // namespace ml
