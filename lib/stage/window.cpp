#include "stage/window.hpp"

#include <utility>

namespace ml {
namespace {

// The same record in a copy of its line.
RcptRecord moved(const RcptRecord& rcpt, std::string_view line, std::string_view copy) {
  const auto in_copy = [&](std::string_view field) {
    return copy.substr(static_cast<std::size_t>(field.data() - line.data()), field.size());
  };
  return {in_copy(rcpt.address), in_copy(rcpt.sender), Attributes(in_copy(rcpt.attributes.text())),
          rcpt.at};
}

bool belongs(const WireEnvelope& one, const Transaction& transaction) {
  return one.sender == transaction.sender && one.xverp == transaction.xverp &&
         one.needs_smtputf8 == transaction.needs_smtputf8;
}

}  // namespace

void Waiting::read(std::string_view text, const RcptRecord& record) {
  line = text;
  rcpt = moved(record, text, line);
  slot.reset();
  doubted = false;
  tries = 0;
}

Window::Place Window::take_place() {
  if (free_.empty()) {
    places_.emplace_back();
    return places_.size() - 1;
  }
  const Place place = free_.back();
  free_.pop_back();
  return place;
}

void Window::append(Place place) {
  newest_shares_ = places_[place].rcpt.sender == "-";
  pending_.push_back(place);
}

bool Window::next(Transaction& transaction, std::size_t limit, const Needs& elsewhere) {
  if (!returned_.empty()) {
    pending_.insert(pending_.begin(), returned_.begin(), returned_.end());
    returned_.clear();
  }
  while (elsewhere.smtputf8 && !pending_.empty() && places_[pending_.front()].wire.needs_smtputf8) {
    picky_.push_back(pending_.front());
    pending_.pop_front();
  }
  transaction.recipients.clear();
  auto& from = elsewhere.smtputf8 || picky_.empty() ? pending_ : picky_;
  if (from.empty()) return false;
  const WireEnvelope& first = places_[from.front()].wire;
  transaction.sender = first.sender;
  transaction.xverp = first.xverp;
  transaction.needs_smtputf8 = first.needs_smtputf8;
  if (kind_ == Transactions::single) limit = 1;
  do {
    Waiting& one = places_[from.front()];
    ++one.tries;
    transaction.recipients.push_back({from.front(), one.wire.address, one.wire.dsn});
    from.pop_front();
  } while (!from.empty() && transaction.recipients.size() < limit &&
           belongs(places_[from.front()].wire, transaction));
  in_flight_ += transaction.recipients.size();
  return true;
}

void Window::come_back(Place place) {
  --in_flight_;
  returned_.push_back(place);
}

void Window::settle(Place place) {
  --in_flight_;
  free_.push_back(place);
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
