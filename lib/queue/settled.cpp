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
  if (!(*head)->damage.empty()) return SettledRecipients((*head)->damage);
  auto lock = lock_journal(directory, terms.id, std::chrono::seconds(0));
  if (!lock) return fail(lock);
  auto recall = Recall::open(directory, count_segments(directory));
  if (!recall) return fail(recall);
  return SettledRecipients(directory, std::move(*lock), (*head)->key, std::move(*recall));
}

Result<std::optional<SettledRecipients::Known>> SettledRecipients::find(std::string_view address) {
  const auto found = recall_.find(siphash128(key_, address));
  if (!found) return fail(found);
  if (!*found) return std::nullopt;
  Known known{(*found)->number, std::nullopt};
  const char letter = (*found)->state;
  if (letter == refused_and_told) known.how = How::refused;
  if (letter_to_outcome(letter) == Outcome::delivered) known.how = How::delivered;
  return known;
}

Result<LastReplies> SettledRecipients::last_replies() const {
  return LastReplies::read(directory_, recall_.used());
}

}  // namespace ml
