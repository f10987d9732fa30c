// Store: reading subscribers.
#include <array>
#include <cstring>
#include <utility>

#include "base/octets.hpp"
#include "store/inside.hpp"
#include "store/store.hpp"

namespace ml {
namespace {

// The suppressed addresses, followed in the order of the subscribers: both have the same keys.
class Suppressed {
 public:
  explicit Suppressed(Cursor cursor) : cursor_(std::move(cursor)) {}

  // Before the first of keys that rise from here on.
  [[nodiscard]] Result<> begin(std::string_view key) { return seek(key); }
  // False, nearly always: neither `key` nor one before it needs has().
  [[nodiscard]] bool concerns(std::string_view key) const { return more_ && cursor_.key() <= key; }
  [[nodiscard]] Result<bool> has(std::string_view key) {
    if (more_ && cursor_.key() < key) {
      if (auto sought = seek(key); !sought) return fail(sought);
    }
    return more_ && cursor_.key() == key;
  }

 private:
  Result<> seek(std::string_view key) {
    auto found = key.empty() ? cursor_.first() : cursor_.seek(key);
    if (!found) return fail(found);
    more_ = *found;
    return {};
  }

  Cursor cursor_;
  bool more_ = true;
};

// Four octets compared as one.
bool is_of_list(std::string_view record, const std::string& prefix) {
  return record.size() > prefix_octets &&
         std::memcmp(record.data(), prefix.data(), prefix_octets) == 0;
}

// What expansion wants of a value; false: it is damaged.
inline bool unpack(std::string_view packed, ValueView& value) {
  if (is_plain_value(packed)) {
    value.state = static_cast<State>(packed[0]);
    value.attributes = packed.substr(fixed_octets);
    return true;
  }
  const auto view = view_value(packed);
  if (view) value = *view;
  return view.has_value();
}

constexpr std::size_t batch = 64;  // handed over at a time
constexpr std::size_t longest_at_domain = longest_domain + 1;

// Some who are due, and the text of their domains, which is made once for all of a domain.
class Batch {
 public:
  Batch() { domains_.reserve(batch * longest_at_domain); }

  void clear() {
    count_ = 0;
    domains_.clear();
    labels_ = {};
  }
  // False: the key is no address_key(). `key` must live as long as the batch is not cleared.
  [[nodiscard]] bool add(std::string_view key, State state, std::string_view written,
                         std::string_view attributes) {
    const bool same = key.size() > labels_.size() && key[labels_.size()] == '\0' &&
                      same_octets(key.substr(0, labels_.size()), labels_);
    if (!same || labels_.empty()) {
      const auto view = view_key(key);
      if (!view || view->labels.size() > longest_domain) return false;
      labels_ = view->labels;
      const std::size_t begin = domains_.size();
      domains_.push_back('@');
      append_domain(domains_, labels_);
      at_domain_ = std::string_view(domains_).substr(begin);
    }
    Due& due = due_[count_++];
    due.key = key;
    due.local = written.empty() ? key.substr(labels_.size() + 1) : written;
    due.at_domain = at_domain_;
    due.attributes = attributes;
    due.state = state;
    return true;
  }
  [[nodiscard]] std::span<const Due> due() const { return std::span(due_).first(count_); }

 private:
  std::array<Due, batch> due_;
  std::size_t count_ = 0;
  std::string domains_;  // never moves: there is room for all of a batch
  std::string_view labels_;
  std::string_view at_domain_;
};

// To the list's first subscriber behind `after`.
Result<bool> seek_behind(Cursor& cursor, std::string_view prefix, std::string_view after) {
  const std::string from = std::string(prefix).append(after);
  auto more = cursor.seek(from);
  if (more && *more && !after.empty() && cursor.key() == from) more = cursor.next();
  return more;
}

// The next subscribers in any state, whole; `after` moves on. False: the list is at its end.
Result<bool> read_subscribers(const Environment& env, ListNumber list, std::string& after,
                              std::vector<Subscriber>& found) {
  found.clear();
  auto snapshot = env.read();
  if (!snapshot) return fail(snapshot);
  if (auto there = get_counts(*snapshot, list); !there) return fail(there);
  auto cursor = snapshot->cursor(table::subscribers);
  if (!cursor) return fail(cursor);
  const std::string prefix = list_prefix(list);
  auto standing = seek_behind(*cursor, prefix, after);
  if (!standing) return fail(standing);
  std::array<DbRecord, batch> records;
  for (std::size_t octets = 0; found.size() < slice_count && octets < slice_octets;) {
    auto count = cursor->read_on(records, *standing);
    if (!count) return fail(count);
    for (const auto& [record, packed] : std::span(records).first(*count)) {
      if (!is_of_list(record, prefix)) return false;
      const auto key = record.substr(prefix_octets);
      auto subscriber = value_to_subscriber(key, packed);
      if (!subscriber) return damaged("the record", key);
      octets += packed.size();
      found.push_back(std::move(*subscriber));
    }
    if (*count < batch) return false;
  }
  after = address_key(found.back().address);
  cursor->forget_pages();
  return true;
}

using SuppressedAddress = std::pair<Address, Suppression>;

// The same of the suppressed.
Result<bool> read_suppressed(const Environment& env, std::string& after,
                             std::vector<SuppressedAddress>& found) {
  found.clear();
  auto snapshot = env.read();
  if (!snapshot) return fail(snapshot);
  auto cursor = snapshot->cursor(table::suppressed);
  if (!cursor) return fail(cursor);
  auto more = after.empty() ? cursor->first() : seek_behind(*cursor, "", after);
  for (; more && *more && found.size() < slice_count; more = cursor->next()) {
    const auto parts = view_key(cursor->key());
    auto why = value_to_suppression(cursor->value());
    if (!parts || !why) return damaged("the suppression", cursor->key());
    Address address{.local = std::string(parts->local), .domain = {}};
    append_domain(address.domain, parts->labels);
    after = cursor->key();
    found.emplace_back(std::move(address), std::move(*why));
  }
  return more;
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

Result<bool> Store::next_slice(ListNumber list, std::string& after, const Take& take) const {
  const std::string prefix = list_prefix(list);
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  if (auto there = get_counts(*snapshot, list); !there) return fail(there);
  auto cursor = snapshot->cursor(table::subscribers);
  if (!cursor) return fail(cursor);
  auto suppressed_cursor = snapshot->cursor(table::suppressed);
  if (!suppressed_cursor) return fail(suppressed_cursor);
  Suppressed suppressed(std::move(*suppressed_cursor));
  if (auto begun = suppressed.begin(after); !begun) return fail(begun);
  auto standing = seek_behind(*cursor, prefix, after);
  if (!standing) return fail(standing);
  Batch due;
  std::array<DbRecord, batch> records;
  std::size_t octets = 0;
  std::string_view last;
  for (std::size_t looked_at = 0; looked_at < slice_count && octets < slice_octets;) {
    auto count = cursor->read_on(records, *standing);
    if (!count) return fail(count);
    due.clear();
    bool more = *count == batch;
    for (const auto& [record, packed] : std::span(records).first(*count)) {
      if (!is_of_list(record, prefix)) {
        more = false;
        break;
      }
      last = record.substr(prefix_octets);
      octets += record.size() + packed.size();
      ValueView value;
      if (!unpack(packed, value)) return damaged("the record", last);
      if (!is_due(value.state)) continue;
      if (suppressed.concerns(last)) {
        auto is_suppressed = suppressed.has(last);
        if (!is_suppressed) return fail(is_suppressed);
        if (*is_suppressed) continue;
      }
      if (!due.add(last, value.state, value.written, value.attributes))
        return damaged("the record", last);
    }
    if (!due.due().empty()) take(due.due());
    looked_at += *count;
    if (!more) return false;
  }
  after = last;
  cursor->forget_pages();
  return true;
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

Result<> Store::each_suppressed(
    const std::function<bool(const Address&, const Suppression&)>& call) const {
  std::vector<SuppressedAddress> found;
  std::string after;
  for (bool more = true; more;) {
    auto read = read_suppressed(inside_->env, after, found);
    if (!read) return fail(read);
    more = *read;
    for (const auto& [address, why] : found) {
      if (!call(address, why)) return {};
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
