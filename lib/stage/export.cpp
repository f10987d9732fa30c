#include "stage/export.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/attributes.hpp"
#include "store/sorted.hpp"

namespace ml {
namespace {

constexpr std::size_t sorting_memory = std::size_t{64} << 20;

using AttributeKeys = std::set<std::string, std::less<>>;

void append_field(std::string& to, std::string_view text) {
  const bool plain = text.find_first_of("\t\r\n\"") == std::string_view::npos &&
                     !text.starts_with(' ') && !text.ends_with(' ');
  if (plain) {
    to.append(text);
    return;
  }
  to.push_back('"');
  for (const char c : text) {
    if (c == '"') to.push_back('"');
    to.push_back(c);
  }
  to.push_back('"');
}

Result<AttributeKeys> attribute_keys(const OpenList& list) {
  AttributeKeys keys;
  auto read = list.store.each(list.number, [&](const Subscriber& subscriber) {
    Attributes(subscriber.attributes).each([&](std::string_view key, std::string_view) {
      if (!keys.contains(key)) keys.emplace(key);
    });
    return true;
  });
  if (!read) return fail(read);
  return keys;
}

// The first of the names that the reader takes for the address column and no attribute has.
std::string_view address_column(const AttributeKeys& keys) {
  constexpr std::array<std::string_view, 4> names = {"address", "email", "mail", "e-mail"};
  const auto* free = std::ranges::find_if(names, [&](auto name) { return !keys.contains(name); });
  return free == names.end() ? names.front() : *free;
}

// Both have the attributes in the order of their keys. False: one has no column.
bool append_attributes(std::string& line, const AttributeKeys& keys, std::string_view attributes) {
  auto column = keys.begin();
  bool all = true;
  Attributes(attributes).each([&](std::string_view key, std::string_view value) {
    for (; column != keys.end() && *column < key; ++column) line.push_back('\t');
    all = all && column != keys.end() && *column == key;
    if (!all) return;
    line.push_back('\t');
    append_field(line, unescaped(value).value_or(std::string(value)));
    ++column;
  });
  for (; column != keys.end(); ++column) line.push_back('\t');
  return all;
}

Result<> export_table(const OpenList& list, Out& out) {
  const auto keys = attribute_keys(list);
  if (!keys) return fail(keys);
  out.put(fmt::format("{}\tstate\tjoined\tchanged", address_column(*keys)));
  for (const std::string& key : *keys) out.put('\t' + key);
  out.put('\n');
  bool whole = true;
  auto read = list.store.each(list.number, [&](const Subscriber& subscriber) {
    std::string& line = out.buffer();
    append_field(line, address_to_text(subscriber.address));
    line.append(1, '\t').append(state_to_text(subscriber.state));
    line.append(1, '\t').append(day_to_text(subscriber.joined));
    line.append(1, '\t').append(day_to_text(subscriber.changed));
    whole = append_attributes(line, *keys, subscriber.attributes);
    line.push_back('\n');
    out.settle();
    return whole && !out.failed();
  });
  if (!read) return read;
  if (!whole) {
    return retry(
        "{} got a new attribute while it was exported: what was written is not whole, "
        "export it again",
        list.name.text());
  }
  return out.flush();
}

Result<> export_addresses(const OpenList& list, Out& out) {
  SortedRecords sorted(list.store.directory(), sorting_memory);
  Result<> added;
  auto read = list.store.each(list.number, [&](const Subscriber& subscriber) {
    if (subscriber.state == State::removed) return true;
    std::string text = address_to_text(subscriber.address);
    // A line that begins with # is a comment to those who read addresses; quotes mean the same.
    if (text.starts_with('#')) {
      text = '"' + subscriber.address.local + "\"@" + subscriber.address.domain;
    }
    added = sorted.add(text, {});
    return added.has_value();
  });
  if (!read) return read;
  if (!added) return added;
  if (auto rewound = sorted.rewind(); !rewound) return rewound;
  auto more = sorted.next();
  for (; more && *more && !out.failed(); more = sorted.next()) {
    out.buffer().append(sorted.key()).push_back('\n');
    out.settle();
  }
  if (!more) return fail(more);
  return out.flush();
}

}  // namespace

Result<Status> export_subscribers(const OpenList& list, Shape shape, Out& out) {
  auto done = shape == Shape::table ? export_table(list, out) : export_addresses(list, out);
  if (!done) return fail(done);
  return Status::done;
}

}  // namespace ml
