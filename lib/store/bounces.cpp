// Store: what bounces leave behind.
#include <algorithm>
#include <utility>

#include "store/inside.hpp"
#include "store/store.hpp"

namespace ml {
namespace {

constexpr std::size_t tag_octets = 4;

// What a key behind the list's number speaks of.
enum class Kind { mark, probe, message, domain, told, none };

Kind kind_of(std::string_view key) {
  if (key.starts_with('\0')) {
    if (key.size() == 1) return Kind::told;
    if (key.size() <= tag_octets) return Kind::none;
    return key.size() == 1 + tag_octets ? Kind::message : Kind::domain;
  }
  // Labels, NUL, local part, NUL: neither of the two holds another.
  const auto labels = key.find('\0');
  const auto local = labels == std::string_view::npos ? labels : key.find('\0', labels + 1);
  if (local == std::string_view::npos) return Kind::none;
  const std::size_t behind = key.size() - local - 1;
  return behind == 0 ? Kind::probe : behind == tag_octets ? Kind::mark : Kind::none;
}

std::uint16_t day_at(std::string_view value, std::size_t at) {
  return static_cast<std::uint16_t>(big(value.substr(at, 2)));
}

std::string probe_to_value(const Probe& probe) {
  std::string value;
  append_big<4>(value, probe.tag);
  append_big<2>(value, probe.day);
  append_big<1>(value, static_cast<std::uint8_t>(probe.step));
  append_big<1>(value, probe.bounced ? 1 : 0);
  return value;
}

std::optional<Probe> value_to_probe(std::string_view value) {
  if (value.size() != 8 || value[6] < 1 || value[6] > 3) return std::nullopt;
  return Probe{static_cast<std::uint32_t>(big(value.substr(0, 4))), day_at(value, 4),
               static_cast<ProbeStep>(value[6]), value[7] != 0};
}

struct MessageRow {
  Refused refused;
  std::uint16_t day = 0;
};

std::string message_to_value(const MessageRow& row) {
  std::string value;
  append_big<4>(value, row.refused.domains);
  append_big<2>(value, row.day);
  append_big<1>(value, row.refused.blamed ? 1 : 0);
  return value;
}

std::optional<MessageRow> value_to_message(std::string_view value) {
  if (value.size() != 7) return std::nullopt;
  return MessageRow{{static_cast<std::uint32_t>(big(value.substr(0, 4))), value[6] != 0},
                    day_at(value, 4)};
}

std::string message_key(ListNumber list, std::uint32_t tag) {
  std::string key = list_prefix(list).append(1, '\0');
  append_big<tag_octets>(key, tag);
  return key;
}

Result<MessageRow> get_message(const Snapshot& snapshot, const std::string& key) {
  auto value = snapshot.get(table::marks, key);
  if (!value) return fail(value);
  if (!*value) return MessageRow();
  const auto row = value_to_message(**value);
  if (!row) return damaged("the refusals", key);
  return *row;
}

// Erases the rows of a list for which `is_due(key, value)` holds; `key` without the list.
template <class Due>
Result<std::uint64_t> erase_where(StoreTransaction& change, ListNumber list, const Due& is_due) {
  const std::string prefix = list_prefix(list);
  auto cursor = change.cursor(table::marks);
  if (!cursor) return fail(cursor);
  std::uint64_t count = 0;
  auto more = cursor->seek(prefix);
  for (; more && *more && cursor->key().starts_with(prefix); more = cursor->next()) {
    if (!is_due(cursor->key().substr(prefix_octets), cursor->value())) continue;
    if (auto erased = cursor->erase(); !erased) return fail(erased);
    ++count;
  }
  if (!more) return fail(more);
  return count;
}

}  // namespace

Result<Refused> note_refusal(StoreTransaction& change, ListNumber list, const BounceMark& mark,
                             std::string_view domain) {
  const std::string key = message_key(list, mark.tag);
  const std::string domain_key = key + std::string(domain);
  auto row = get_message(change, key);
  if (!row) return fail(row);
  auto known = change.get(table::marks, domain_key);
  if (!known) return fail(known);
  if (*known) return row->refused;
  ++row->refused.domains;
  row->day = mark.day;
  if (auto put = change.put(table::marks, domain_key, {}); !put) return fail(put);
  if (auto put = change.put(table::marks, key, message_to_value(*row)); !put) return fail(put);
  return row->refused;
}

bool is_bounce_record(std::string_view key, std::string_view value) {
  switch (kind_of(key)) {
    case Kind::mark: return value.size() >= 2;
    case Kind::probe: return value_to_probe(value).has_value();
    case Kind::message: return value_to_message(value).has_value();
    case Kind::domain: return value.empty();
    case Kind::told: return value.size() == 4;
    case Kind::none: break;
  }
  return false;
}

Result<std::vector<BounceMark>> Store::bounce_marks(ListNumber list, const Address& address) const {
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  auto cursor = snapshot->cursor(table::marks);
  if (!cursor) return fail(cursor);
  const std::string prefix = mark_prefix(list, address_key(address));
  std::vector<BounceMark> marks;
  auto more = cursor->seek(prefix);
  for (; more && *more && cursor->key().starts_with(prefix); more = cursor->next()) {
    if (cursor->key().size() != prefix.size() + tag_octets) continue;  // the probe
    const std::string_view value = cursor->value();
    if (value.size() < 2) return damaged("a bounce mark", address_to_text(address));
    marks.push_back({static_cast<std::uint32_t>(big(cursor->key().substr(prefix.size()))),
                     day_at(value, 0), std::string(value.substr(2))});
  }
  if (!more) return fail(more);
  return marks;
}

Result<std::optional<Probe>> Store::probe(ListNumber list, const Address& address) const {
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  auto value = snapshot->get(table::marks, mark_prefix(list, address_key(address)));
  if (!value) return fail(value);
  if (!*value) return std::nullopt;
  const auto probe = value_to_probe(**value);
  if (!probe) return damaged("the probe", address_to_text(address));
  return probe;
}

Result<> Store::put_probe(ListNumber list, const Address& address, const Probe& probe) {
  return inside_->env.write([&](StoreTransaction& change) {
    return change.put(table::marks, mark_prefix(list, address_key(address)), probe_to_value(probe));
  });
}

Result<> Store::drop_probe(ListNumber list, const Address& address) {
  return inside_->env.write([&](StoreTransaction& change) -> Result<> {
    auto erased = change.erase(table::marks, mark_prefix(list, address_key(address)));
    return erased ? Result<>() : fail(erased);
  });
}

Result<std::vector<Address>> Store::probed(ListNumber list) const {
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  auto cursor = snapshot->cursor(table::marks);
  if (!cursor) return fail(cursor);
  const std::string prefix = list_prefix(list);
  std::vector<Address> found;
  auto more = cursor->seek(prefix);
  for (; more && *more && cursor->key().starts_with(prefix); more = cursor->next()) {
    const std::string_view key = cursor->key().substr(prefix_octets);
    if (kind_of(key) != Kind::probe) continue;
    const auto view = view_key(key.substr(0, key.size() - 1));
    if (!view) return damaged("a probe", key);
    Address address;
    address.local = view->local;
    append_domain(address.domain, view->labels);
    found.push_back(std::move(address));
  }
  if (!more) return fail(more);
  return found;
}

Result<std::uint64_t> Store::blame_message(ListNumber list, std::uint32_t tag) {
  const std::string key = message_key(list, tag);
  std::uint64_t count = 0;
  auto done = inside_->env.write([&](StoreTransaction& change) -> Result<> {
    auto row = get_message(change, key);
    if (!row) return fail(row);
    row->refused.blamed = true;
    if (auto put = change.put(table::marks, key, message_to_value(*row)); !put) return put;
    auto erased = erase_where(change, list, [&](std::string_view each, std::string_view) {
      return kind_of(each) == Kind::mark && big(each.substr(each.size() - tag_octets)) == tag;
    });
    if (!erased) return fail(erased);
    count = *erased;
    return {};
  });
  if (!done) return fail(done);
  return count;
}

Result<std::uint64_t> Store::domains(ListNumber list) const {
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  auto cursor = snapshot->cursor(table::subscribers);
  if (!cursor) return fail(cursor);
  const std::string prefix = list_prefix(list);
  std::uint64_t count = 0;
  auto more = cursor->seek(prefix);
  while (more && *more && cursor->key().starts_with(prefix)) {
    ++count;
    const auto labels = cursor->key().find('\0', prefix_octets);
    // The first behind everybody of that domain: \x01 follows the NUL, and begins a subdomain.
    more = cursor->seek(std::string(cursor->key().substr(0, labels)).append(1, '\1'));
  }
  if (!more) return fail(more);
  return count;
}

Result<> Store::forget_bounces(ListNumber list, std::uint16_t day) {
  return inside_->env.write([&](StoreTransaction& change) -> Result<> {
    std::string old;  // the message whose domains are met now
    auto erased = erase_where(change, list, [&](std::string_view key, std::string_view value) {
      switch (kind_of(key)) {
        case Kind::mark: return value.size() >= 2 && day_at(value, 0) < day;
        case Kind::message:
          if (value.size() == 7 && day_at(value, 4) < day) old = key;
          return old == key;
        case Kind::domain: return !old.empty() && key.starts_with(old);
        case Kind::probe:
        case Kind::told:
        case Kind::none: break;
      }
      return false;
    });
    return erased ? Result<>() : fail(erased);
  });
}

Result<std::uint32_t> Store::owners_told(ListNumber list) const {
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  const std::string key = list_prefix(list).append(1, '\0');
  auto value = snapshot->get(table::marks, key);
  if (!value) return fail(value);
  if (!*value) return 0;
  if ((*value)->size() != 4) return damaged("the time of a notice", key);
  return static_cast<std::uint32_t>(big(**value));
}

Result<> Store::put_owners_told(ListNumber list, std::uint32_t minute) {
  std::string value;
  append_big<4>(value, minute);
  return inside_->env.write([&](StoreTransaction& change) {
    return change.put(table::marks, list_prefix(list).append(1, '\0'), value);
  });
}

}  // namespace ml
