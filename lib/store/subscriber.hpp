// A subscriber as the store keeps one, and its packed value.
//
// The value is 8 octets, then the attributes as they stand on a rcpt line, so that expansion
// copies them and never parses. Times are days since 1970-01-01 UTC.
//
//   octet 0    state
//   octet 1    bit 0: the local part as written follows (length octet, octets) before the
//              attributes, because the key has it folded
//   octets 2-3 day of joining        (big endian)
//   octets 4-5 day of the last change of state
//   octets 6-7 reserved, zero
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "mail/address.hpp"

namespace ml {

enum class State : std::uint8_t {
  active = 1,
  nomail = 2,
  digest = 3,
  bouncing = 4,   // mail still goes out; bounces have been seen
  suspended = 5,  // by bounces: no mail; comes back only with --revive
  removed = 6,    // a tombstone: left or was taken off; comes back only with --revive
};
[[nodiscard]] std::string_view state_to_text(State state);
[[nodiscard]] std::optional<State> text_to_state(std::string_view text);

// A list's message goes to these: active, bouncing, and digest until lists have digests.
[[nodiscard]] constexpr bool is_due(State state) {
  return state == State::active || state == State::bouncing || state == State::digest;
}
// Comes back only with --revive.
[[nodiscard]] constexpr bool is_out(State state) {
  return state == State::removed || state == State::suspended;
}
// Whether it takes --revive to make a `now` a `wanted`: who is suspended may be removed as he is.
[[nodiscard]] constexpr bool stays_out(State now, State wanted) {
  return is_out(now) && wanted != now && wanted != State::removed;
}

struct Subscriber {
  Address address;
  State state = State::active;
  std::uint16_t joined = 0;
  std::uint16_t changed = 0;
  // "name=Ann\ttags=a,b", values escaped as in the stream, in the order of their keys; often empty
  std::string attributes;

  bool operator==(const Subscriber&) const = default;
};

[[nodiscard]] std::string subscriber_to_value(const Subscriber& subscriber);
// nullopt: the value is damaged, or does not belong to this key. `key` is an address_key().
[[nodiscard]] std::optional<Subscriber> value_to_subscriber(std::string_view key,
                                                            std::string_view value);

// The same as views into the store's map, for those who must not allocate: no more is checked
// than keeps a damaged value from being read past its end.
struct ValueView {
  State state = State::active;
  std::uint16_t joined = 0;
  std::uint16_t changed = 0;
  std::string_view written;  // the local part as written; empty: as it stands in the key
  std::string_view attributes;

  bool operator==(const ValueView&) const = default;
};
[[nodiscard]] std::optional<ValueView> view_value(std::string_view value);
// True for nearly all values: no local part as written, so that value[0] is the state and from
// fixed_octets on stand the attributes. The others, and damaged ones, are for view_value().
inline constexpr std::size_t fixed_octets = 8;
[[nodiscard]] inline bool is_plain_value(std::string_view value) {
  return value.size() >= fixed_octets && value[1] == 0 &&
         value[0] >= static_cast<char>(State::active) &&
         value[0] <= static_cast<char>(State::removed);
}
void append_value(std::string& to, const ValueView& view);
// In a packed value, those that are given.
void set_days(std::string& value, std::optional<std::uint16_t> joined,
              std::optional<std::uint16_t> changed);
// The local part as it belongs into a value: nothing where the key says it already.
[[nodiscard]] std::string_view written_for_value(std::string_view local);

// An address_key() at its NUL: labels from the last to the first, and the folded local part.
struct KeyView {
  std::string_view labels;
  std::string_view local;
};
[[nodiscard]] std::optional<KeyView> view_key(std::string_view key);
// "org\x01example" -> "example.org"; the reverse of what append_key() does to a domain.
void append_domain(std::string& to, std::string_view labels);

// True for text that may stand behind an address on a rcpt line: fields of key=value, UTF-8 and
// without controls other than the TAB between them. Empty is good.
[[nodiscard]] bool are_good_attributes(std::string_view attributes);
// In the order of their keys, each key once, the last of it; as they come if they are so already.
[[nodiscard]] std::string sorted_attributes(std::string_view attributes);
// What `older` says, with what `newer` says laid over it, key by key.
[[nodiscard]] std::string merge_attributes(std::string_view older, std::string_view newer);

// Calendar days, "2026-11-22".
[[nodiscard]] std::string day_to_text(std::uint16_t day);
[[nodiscard]] std::optional<std::uint16_t> text_to_day(std::string_view text);
[[nodiscard]] std::uint16_t today();

}  // namespace ml
