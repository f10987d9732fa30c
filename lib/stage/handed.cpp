#include "stage/handed.hpp"

#include <utility>

namespace ml {
namespace {

constexpr std::size_t most_at_once = 256;  // drafts held open

}  // namespace

Result<> HandedText::append(std::string_view piece) {
  if (spill_.size() == 0) {
    if (begin_.size() + piece.size() <= most) {
      begin_.append(piece);
      return {};
    }
    if (auto kept = spill_.append(begin_); !kept) return kept;
    std::string().swap(begin_);
  }
  return spill_.append(piece);
}

Result<std::string> HandedText::octets() {
  if (spill_.size() == 0) return std::move(begin_);
  std::string all(spill_.size(), '\0');
  if (auto read = spill_.read(0, all); !read) return fail(read);
  return all;
}

void HandedText::clear() {
  begin_.clear();
  spill_.clear();
}

void HandedGroup::take(HandedMessage& message) {
  const std::size_t count = message.envelope.recipients.size();
  message.verdicts.assign(count, {});
  auto octets = message.text.octets();
  message.text.clear();
  if (!octets) {
    message.verdicts.assign(count, fail(octets));
    return;
  }
  for (std::size_t i = 0; i + 1 < count; ++i) take(message, i, *octets);
  if (count > 0) take(message, count - 1, std::move(*octets));
}

void HandedGroup::take(HandedMessage& message, std::size_t index, std::string octets) {
  Result<>& verdict = message.verdicts[index];
  verdict = intake_->take({.recipient = message.envelope.recipients[index],
                           .sender = {.option = message.envelope.sender},
                           .octets = std::move(octets)});
  if (!verdict) return;
  waiting_.push_back(&verdict);
  if (waiting_.size() >= most_at_once) commit();
}

void HandedGroup::commit() {
  if (waiting_.empty()) return;
  const auto safe = intake_->commit();
  for (Result<>* const verdict : waiting_) *verdict = safe;
  waiting_.clear();
}

}  // namespace ml
