#include "stage/window.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/text.hpp"

namespace ml {
namespace {

bool belongs(const Waiting& one, const Transaction& transaction) {
  return one.wire.sender == transaction.sender && one.wire.xverp == transaction.xverp &&
         one.wire.needs_smtputf8 == transaction.needs_smtputf8 &&
         one.lockstep == transaction.lockstep;
}

}  // namespace

void Waiting::read(std::string_view text, const RcptRecord& record) {
  line = text;
  const auto in_copy = [&](std::string_view field) {
    return std::string_view(line.data() + (field.data() - text.data()), field.size());
  };
  rcpt.address = in_copy(record.address);
  rcpt.sender = in_copy(record.sender);
  rcpt.attributes = Attributes(in_copy(record.attributes.text()));
  rcpt.at = record.at;
  slot.reset();
  doubted = lockstep = false;
  tries = 0;
}

Window::Place Window::take_place() {
  if (free_.empty()) {
    places_.push_back(std::make_unique<Waiting>());
    return places_.size() - 1;
  }
  const Place place = free_.back();
  free_.pop_back();
  return place;
}

void Window::rejoin() {
  if (returned_.empty()) return;
  pending_.insert(pending_.begin(), returned_.begin(), returned_.end());
  returned_.clear();
}

bool Window::put_others_first(std::span<const std::string> domains) {
  rejoin();
  const auto is_other = [&](Place place) {
    const std::string_view its = (*this)[place].domain();
    return std::ranges::none_of(domains,
                                [&](std::string_view one) { return same_nocase(one, its); });
  };
  const auto found = std::find_if(pending_.rbegin(), pending_.rend(), is_other);
  if (found == pending_.rend()) return false;
  const Place other = *found;
  pending_.erase(std::prev(found.base()));
  pending_.push_front(other);
  return true;
}

bool Window::next(Transaction& transaction, std::size_t limit, const Needs& elsewhere) {
  rejoin();
  while (elsewhere.smtputf8 && !pending_.empty() && (*this)[pending_.front()].wire.needs_smtputf8) {
    picky_.push_back(pending_.front());
    pending_.pop_front();
  }
  transaction.recipients.clear();
  auto& from = elsewhere.smtputf8 || picky_.empty() ? pending_ : picky_;
  if (from.empty()) return false;
  Waiting* one = &(*this)[from.front()];
  transaction.sender = one->wire.sender;
  transaction.xverp = one->wire.xverp;
  transaction.needs_smtputf8 = one->wire.needs_smtputf8;
  transaction.lockstep = one->lockstep;
  if (kind_ == Transactions::single) limit = 1;
  for (;;) {
    ++one->tries;
    transaction.recipients.emplace_back(from.front(), one->wire.address, one->wire.dsn);
    from.pop_front();
    if (from.empty() || transaction.recipients.size() == limit) break;
    one = &(*this)[from.front()];
    if (!belongs(*one, transaction)) break;
  }
  in_flight_ += transaction.recipients.size();
  return true;
}

std::vector<Window::Place> Window::take_all() {
  std::vector<Place> all;
  all.reserve(waiting());
  all.insert(all.end(), pending_.begin(), pending_.end());
  all.insert(all.end(), returned_.begin(), returned_.end());
  all.insert(all.end(), picky_.begin(), picky_.end());
  pending_.clear();
  returned_.clear();
  picky_.clear();
  return all;
}

}  // namespace ml
