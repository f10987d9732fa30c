#include "store/list_records.hpp"

#include "store/octets.hpp"

namespace ml {
namespace {

constexpr std::size_t many = 64;
constexpr std::size_t most_on_a_page = 4096 / 32;  // the shortest records

bool clears_marks(State before, State after) {
  return after == State::active && (before == State::bouncing || is_out(before));
}

std::string prefix_behind(ListNumber list) {
  return list_prefix(static_cast<ListNumber>(static_cast<std::uint32_t>(list) + 1));
}

}  // namespace

Result<ListRecords> ListRecords::open(StoreTransaction& change, ListNumber list) {
  auto counts = get_counts(change, list);
  if (!counts) return fail(counts);
  auto cursor = change.cursor(table::subscribers);
  if (!cursor) return fail(cursor);
  auto more = cursor->seek(prefix_behind(list));
  if (!more) return fail(more);
  return ListRecords(change, list, std::move(*cursor), *counts, *more);
}

Result<ValueView> ListRecords::value() {
  auto found = cursor_.seek(ahead_);
  if (!found) return fail(found);
  const auto view = view_value(cursor_.value());
  if (!view) return damaged("the record", ahead());
  return *view;
}

Result<> ListRecords::put(std::string_view key, std::optional<State> before,
                          const ValueView& view) {
  value_.clear();
  append_value(value_, view);
  return put(key, before, value_);
}

Result<> ListRecords::put(std::string_view key, std::optional<State> before,
                          std::string_view value) {
  key_.resize(prefix_octets);
  key_.append(key);
  const State state{static_cast<std::uint8_t>(value[0])};
  const bool at_end = ended_ && !before;
  if (auto put = at_end ? put_at_end(value) : cursor_.put(key_, value); !put) return put;
  if (before) {
    count_out(counts_, *before);
    if (clears_marks(*before, state)) {
      if (auto cleared = erase_all(*change_, table::marks, mark_prefix(list_, key)); !cleared) {
        return cleared;
      }
    }
  }
  count_in(counts_, state);
  return {};
}

Result<> ListRecords::finish() {
  for (const auto& [key, value] : aside_) {
    if (auto put = cursor_.put(key, value); !put) return put;
  }
  return put_counts(*change_, list_, counts_);
}

Result<> ListRecords::seek() {
  begun_ = true;
  auto found = cursor_.seek(key_);
  if (!found) return fail(found);
  ended_ = !*found || !cursor_.key().starts_with(key_.substr(0, prefix_octets));
  if (!ended_) ahead_ = cursor_.key();
  return {};
}

// Puts under key_, behind all of the list.
Result<> ListRecords::put_at_end(std::string_view value) {
  if (!others_behind_) return cursor_.append(key_, value);
  // Once it looks like many: LMDB fills a page to its end only while nothing stands behind.
  if (++put_at_end_ == many) {
    if (auto moved = set_others_aside(); !moved) return moved;
    if (!others_behind_) return cursor_.append(key_, value);
  }
  return cursor_.put(key_, value);
}

// Takes out what stands behind the list on the same page, until finish().
Result<> ListRecords::set_others_aside() {
  auto more = cursor_.seek(prefix_behind(list_));
  for (; more && *more && aside_.size() < most_on_a_page; more = cursor_.next()) {
    aside_.emplace_back(cursor_.key(), cursor_.value());
    if (auto erased = cursor_.erase(); !erased) return erased;
  }
  if (!more) return fail(more);
  others_behind_ = *more;
  return {};
}

}  // namespace ml
