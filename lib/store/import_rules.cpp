#include "store/import_rules.hpp"

#include <optional>

#include "base/text.hpp"

namespace ml {
namespace {

// A row: one octet that tells what of it was said, then all of it packed as a subscriber's value.
constexpr unsigned says_state = 1;
constexpr unsigned says_joined = 2;
constexpr unsigned says_changed = 4;

bool says(std::string_view row, unsigned what) {
  return (static_cast<unsigned char>(row[0]) & what) != 0;
}
std::string_view value_of(std::string_view row) {
  return row.substr(1);
}

}  // namespace

void RowMaker::make(const Entry& entry) {
  const auto& [local, domain] = entry.address;
  const std::string_view written = written_for_value(local);
  if (domain != domain_ || key_.empty()) {
    domain_ = domain;
    key_.clear();
    append_key(key_, {}, domain);
    of_domain_ = key_.size();
  }
  key_.resize(of_domain_);
  if (written.empty()) {
    key_ += local;
  } else {
    key_ += lower(local);
  }
  row_.assign(
      1, static_cast<char>((entry.state ? says_state : 0U) | (entry.joined ? says_joined : 0U) |
                           (entry.changed ? says_changed : 0U)));
  if (!entry.attributes.empty()) sorted_ = sorted_attributes(entry.attributes);
  append_value(row_, {entry.state.value_or(State::active), entry.joined.value_or(0),
                      entry.changed.value_or(0), written,
                      entry.attributes.empty() ? std::string_view() : sorted_});
}

NewRow unpacked(std::string_view row) {
  return {says(row, says_state), says(row, says_joined), says(row, says_changed),
          *view_value(value_of(row))};
}

bool ImportRules::keeps_out(const ValueView& now, const NewRow& row) const {
  return revive_ == Revive::no &&
         stays_out(now.state, row.says_state ? row.said.state : State::active);
}

// Nearly what the row says, octet by octet.
std::string_view ImportRules::fresh(std::string_view row) {
  value_ = value_of(row);
  if (!says(row, says_joined)) set_days(value_, day_, {});
  if (!says(row, says_changed)) {
    set_days(value_, {}, says(row, says_joined) ? view_value(value_)->joined : day_);
  }
  if (static_cast<State>(value_[0]) == State::removed) {
    value_.resize(value_.size() - view_value(value_)->attributes.size());
  }
  return value_;
}

ValueView ImportRules::over(const ValueView& now, const NewRow& row) {
  ValueView next = row.said;
  if (!row.says_state) next.state = is_out(now.state) ? State::active : now.state;
  const bool is_new = now.state == State::removed && next.state != State::removed;
  if (!row.says_joined) next.joined = is_new ? day_ : now.joined;
  if (!row.says_changed) next.changed = next.state == now.state ? now.changed : day_;
  if (next.state == State::removed) {
    next.attributes = {};
  } else if (!attributes_are_whole_) {
    merged_ = merge_attributes(now.attributes, row.said.attributes);
    next.attributes = merged_;
  }
  return next;
}

}  // namespace ml
