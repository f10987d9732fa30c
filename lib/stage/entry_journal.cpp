#include "stage/entry_journal.hpp"

#include "base/digest.hpp"
#include "mail/id.hpp"

namespace ml {

std::optional<JournalTerms> journal_terms_of(const MessageRecord& record) {
  JournalTerms terms;
  terms.id = record.id;
  terms.part = record.attributes.value("part").value_or("");
  if (!is_message_id(record.id, "rx")) {
    const auto text = decoded_message(record);
    if (!text) return std::nullopt;
    terms.message = sha256(*text);
  }
  return terms;
}

Result<std::optional<SettledRecipients>> journal_of(const Home& home, const MessageRecord& record) {
  const auto terms = journal_terms_of(record);
  if (!terms) return std::nullopt;
  return SettledRecipients::open(home, *terms);
}

}  // namespace ml
