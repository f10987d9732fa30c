// Store: reading subscribers.
#include <cstring>
#include <utility>

#include "store/inside.hpp"
#include "store/store.hpp"

namespace ml {
namespace {

// The suppressed addresses, followed in the order of the subscribers: both have the same keys.
class Suppressed {
 public:
  explicit Suppressed(Cursor cursor) : cursor_(std::move(cursor)) {}

  // Keys must rise from call to call.
  [[nodiscard]] Result<bool> has(std::string_view key) {
    if (more_ && (!begun_ || cursor_.key() < key)) {
      auto found = cursor_.seek(key);
      if (!found) return fail(found);
      more_ = *found;
      begun_ = true;
    }
    return more_ && cursor_.key() == key;
  }

 private:
  Cursor cursor_;
  bool begun_ = false;
  bool more_ = true;
};

// Writes addresses out of keys; the text of a domain is made once for all its subscribers.
class AddressText {
 public:
  [[nodiscard]] bool append(std::string& to, std::string_view key, std::string_view written) {
    const bool same = key.size() > labels_.size() && key[labels_.size()] == '\0' &&
                      std::memcmp(key.data(), labels_.data(), labels_.size()) == 0;
    if (!same || labels_.empty()) {
      const auto view = view_key(key);
      if (!view) return false;
      labels_ = view->labels;
      at_domain_ = '@';
      append_domain(at_domain_, labels_);
    }
    to.append(written.empty() ? key.substr(labels_.size() + 1) : written).append(at_domain_);
    return true;
  }

 private:
  std::string labels_;
  std::string at_domain_;
};

void append_line(std::string& lines, std::string_view attributes) {
  if (!attributes.empty()) lines.append(1, '\t').append(attributes);
  lines.push_back('\n');
}

// To the list's first subscriber behind `after`.
Result<bool> seek_behind(Cursor& cursor, std::string_view prefix, std::string_view after) {
  const std::string from = std::string(prefix).append(after);
  auto more = cursor.seek(from);
  if (more && *more && !after.empty() && cursor.key() == from) more = cursor.next();
  return more;
}

// The next subscribers in any state, whole; `after` moves on.
Result<bool> read_subscribers(const Environment& env, ListNumber list, std::string& after,
                              std::vector<Subscriber>& found) {
  found.clear();
  auto snapshot = env.read();
  if (!snapshot) return fail(snapshot);
  if (auto there = get_counts(*snapshot, list); !there) return fail(there);
  auto cursor = snapshot->cursor(table::subscribers);
  if (!cursor) return fail(cursor);
  const std::string prefix = list_prefix(list);
  std::size_t octets = 0;
  auto more = seek_behind(*cursor, prefix, after);
  for (; more && *more && cursor->key().starts_with(prefix); more = cursor->next()) {
    if (found.size() == slice_count || octets >= slice_octets) return true;
    const auto key = cursor->key().substr(prefix_octets);
    auto subscriber = value_to_subscriber(key, cursor->value());
    if (!subscriber) return damaged("the record", key);
    octets += cursor->value().size();
    found.push_back(std::move(*subscriber));
    after = key;
  }
  if (!more) return fail(more);
  return false;
}

}  // namespace

Result<std::optional<Subscriber>> Store::find(ListNumber list, const Address& address) const {
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  const std::string key = subscriber_key(list, address);
  auto value = snapshot->get(table::subscribers, key);
  if (!value) return fail(value);
  if (!*value) return std::nullopt;
  auto subscriber = value_to_subscriber(std::string_view(key).substr(prefix_octets), **value);
  if (!subscriber) return damaged("the record", address_to_text(address));
  return subscriber;
}

Result<> Store::next_slice(ListNumber list, Slice& slice) const {
  slice.lines.clear();
  slice.count = 0;
  slice.last = false;
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  if (auto there = get_counts(*snapshot, list); !there) return fail(there);
  auto cursor = snapshot->cursor(table::subscribers);
  if (!cursor) return fail(cursor);
  auto suppressed_cursor = snapshot->cursor(table::suppressed);
  if (!suppressed_cursor) return fail(suppressed_cursor);
  Suppressed suppressed(std::move(*suppressed_cursor));
  AddressText address;
  const std::string prefix = list_prefix(list);
  std::string_view newest;
  auto more = seek_behind(*cursor, prefix, slice.after);
  for (; more && *more && cursor->key().starts_with(prefix); more = cursor->next()) {
    const auto key = cursor->key().substr(prefix_octets);
    const auto value = view_value(cursor->value());
    if (!value) return damaged("the record", key);
    if (!is_due(value->state)) continue;
    auto is_suppressed = suppressed.has(key);
    if (!is_suppressed) return fail(is_suppressed);
    if (*is_suppressed) continue;
    if (slice.count == slice_count || slice.lines.size() >= slice_octets) {
      slice.after = newest;
      return {};
    }
    if (!address.append(slice.lines, key, value->written)) return damaged("the record", key);
    append_line(slice.lines, value->attributes);
    newest = key;
    ++slice.count;
  }
  if (!more) return fail(more);
  if (slice.count > 0) slice.after = newest;
  slice.last = true;
  return {};
}

Result<> Store::each(ListNumber list, const std::function<bool(const Subscriber&)>& call) const {
  std::vector<Subscriber> subscribers;
  std::string after;
  for (bool more = true; more;) {
    auto read = read_subscribers(inside_->env, list, after, subscribers);
    if (!read) return fail(read);
    more = *read;
    for (const Subscriber& subscriber : subscribers) {
      if (!call(subscriber)) return {};
    }
  }
  return {};
}

Result<Counts> Store::count(ListNumber list) const {
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  return get_counts(*snapshot, list);
}

}  // namespace ml
