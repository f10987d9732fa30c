#include "queue/settled.hpp"

#include <chrono>
#include <utility>

#include "queue/outcome.hpp"

namespace ml {

Result<std::optional<SettledRecipients>> SettledRecipients::open(const Home& home,
                                                                 const JournalTerms& terms) {
  const std::string directory = home.path(journal_path(terms.id, terms.part));
  const auto head = find_head(directory, terms);
  if (!head) return fail(head);
  if (!*head) return std::nullopt;
  auto lock = lock_journal(directory, terms.id, std::chrono::seconds(0));
  if (!lock) return fail(lock);
  auto recall = Recall::open(directory, count_segments(directory));
  if (!recall) return fail(recall);
  return SettledRecipients(std::move(*lock), (*head)->key, std::move(*recall));
}

Result<std::optional<SettledRecipients::How>> SettledRecipients::find(std::string_view address) {
  const auto found = recall_.find(siphash128(key_, address));
  if (!found) return fail(found);
  if (!*found) return std::nullopt;
  const char letter = (*found)->state;
  if (letter == refused_and_told) return How::refused;
  if (letter_to_outcome(letter) == Outcome::delivered) return How::delivered;
  return std::nullopt;
}

}  // namespace ml
