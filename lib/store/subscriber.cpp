#include "store/subscriber.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/attributes.hpp"
#include "base/octets.hpp"
#include "base/text.hpp"
#include "store/octets.hpp"

namespace ml {
namespace {

constexpr char has_written = 1;

constexpr std::array<std::string_view, 7> state_names = {
    "", "active", "nomail", "digest", "bouncing", "suspended", "removed"};

}  // namespace

std::string_view state_to_text(State state) {
  return state_names[static_cast<std::size_t>(state)];
}

std::optional<State> text_to_state(std::string_view text) {
  const auto* found = std::ranges::find(state_names, text);
  if (text.empty() || found == state_names.end()) return std::nullopt;
  return static_cast<State>(found - state_names.begin());
}

std::string subscriber_to_value(const Subscriber& subscriber) {
  std::string value;
  append_value(value, {subscriber.state, subscriber.joined, subscriber.changed,
                       written_for_value(subscriber.address.local), subscriber.attributes});
  return value;
}

std::string_view written_for_value(std::string_view local) {
  return has_capitals(local) ? local : std::string_view();
}

void append_value(std::string& to, const ValueView& view) {
  const auto high = [](std::uint16_t day) { return static_cast<char>(day >> 8); };
  const auto low = [](std::uint16_t day) { return static_cast<char>(day & 0xFF); };
  const std::array<char, fixed_octets> fixed = {static_cast<char>(view.state),
                                                view.written.empty() ? '\0' : has_written,
                                                high(view.joined),
                                                low(view.joined),
                                                high(view.changed),
                                                low(view.changed),
                                                '\0',
                                                '\0'};
  to.append(fixed.data(), fixed.size());
  if (!view.written.empty()) {
    to.append(1, static_cast<char>(view.written.size())).append(view.written);
  }
  to.append(view.attributes);
}

void set_days(std::string& value, std::optional<std::uint16_t> joined,
              std::optional<std::uint16_t> changed) {
  const auto put = [&value](std::size_t at, std::uint16_t day) {
    value[at] = static_cast<char>(day >> 8);
    value[at + 1] = static_cast<char>(day & 0xFF);
  };
  if (joined) put(2, *joined);
  if (changed) put(4, *changed);
}

std::optional<ValueView> view_value(std::string_view value) {
  if (value.size() < fixed_octets) return std::nullopt;
  const auto state = static_cast<unsigned char>(value[0]);
  if (state == 0 || state >= state_names.size()) return std::nullopt;
  ValueView view{static_cast<State>(state),
                 static_cast<std::uint16_t>(big(value.substr(2, 2))),
                 static_cast<std::uint16_t>(big(value.substr(4, 2))),
                 {},
                 {}};
  const char flags = value[1];
  value.remove_prefix(fixed_octets);
  if (flags == has_written) {
    const std::size_t length = value.empty() ? 0 : static_cast<unsigned char>(value[0]);
    if (length == 0 || value.size() < 1 + length) return std::nullopt;
    view.written = value.substr(1, length);
    value.remove_prefix(1 + length);
  } else if (flags != 0) {
    return std::nullopt;
  }
  view.attributes = value;
  return view;
}

std::optional<KeyView> view_key(std::string_view key) {
  const auto nul = key.find('\0');
  if (nul == std::string_view::npos) return std::nullopt;
  return KeyView{key.substr(0, nul), key.substr(nul + 1)};
}

void append_domain(std::string& to, std::string_view labels) {
  for (;;) {
    const auto one = labels.rfind('\x01');
    if (one == std::string_view::npos) break;
    to.append(labels.substr(one + 1)).push_back('.');
    labels = labels.substr(0, one);
  }
  to.append(labels);
}

std::optional<Subscriber> value_to_subscriber(std::string_view key, std::string_view value) {
  const auto key_view = view_key(key);
  const auto view = view_value(value);
  if (!key_view || !view) return std::nullopt;
  Subscriber subscriber;
  subscriber.address.local = view->written.empty() ? key_view->local : view->written;
  append_domain(subscriber.address.domain, key_view->labels);
  subscriber.state = view->state;
  subscriber.joined = view->joined;
  subscriber.changed = view->changed;
  subscriber.attributes = view->attributes;
  // One spelling for each: what we would not have written is damage.
  if (subscriber.address.local.empty() || address_key(subscriber.address) != key ||
      big(value.substr(6, 2)) != 0 ||
      view->written.empty() == has_capitals(subscriber.address.local)) {
    return std::nullopt;
  }
  return subscriber;
}

bool are_good_attributes(std::string_view attributes) {
  if (attributes.empty()) return true;
  if (!is_utf8(attributes) || attributes.back() == '\t') return false;
  const auto is_bad = [](char c) { return is_control(c) && c != '\t'; };
  if (std::ranges::any_of(attributes, is_bad)) return false;
  return std::ranges::all_of(split(attributes, '\t'), [](std::string_view field) {
    const auto equals = field.find('=');
    return equals != std::string_view::npos && is_key(field.substr(0, equals)) &&
           unescaped(field.substr(equals + 1));
  });
}

std::string sorted_attributes(std::string_view attributes) {
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  bool rising = true;
  Attributes(attributes).each([&](std::string_view key, std::string_view value) {
    rising = rising && (fields.empty() || fields.back().first < key);
    fields.emplace_back(key, value);
  });
  if (rising) return std::string(attributes);
  // Of equal keys the one that stands first comes first.
  std::ranges::sort(fields, [](const auto& a, const auto& b) {
    const int order = a.first.compare(b.first);
    return order != 0 ? order < 0 : a.first.data() < b.first.data();
  });
  std::string sorted;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i + 1 < fields.size() && fields[i].first == fields[i + 1].first) continue;
    if (!sorted.empty()) sorted.push_back('\t');
    sorted.append(fields[i].first).append(1, '=').append(fields[i].second);
  }
  return sorted;
}

std::string merge_attributes(std::string_view older, std::string_view newer) {
  if (older.empty() || older == newer) return std::string(newer);
  if (newer.empty()) return std::string(older);
  return sorted_attributes(std::string(older).append(1, '\t').append(newer));
}

std::string day_to_text(std::uint16_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::optional<std::uint16_t> text_to_day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = number<int>(text.substr(0, 4));
  const auto month = number<unsigned>(text.substr(5, 2));
  const auto day = number<unsigned>(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{*month},
                                         std::chrono::day{*day}};
  if (!date.ok()) return std::nullopt;
  const auto since = std::chrono::sys_days{date}.time_since_epoch().count();
  if (since < 0 || since > 0xFFFF) return std::nullopt;
  return static_cast<std::uint16_t>(since);
}

std::uint16_t today() {
  const auto now = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
  return static_cast<std::uint16_t>(now.time_since_epoch().count());
}

}  // namespace ml
