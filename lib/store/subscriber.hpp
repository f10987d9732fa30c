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
[[nodiscard]] bool is_due(State state);

struct Subscriber {
  Address address;
  State state = State::active;
  std::uint16_t joined = 0;
  std::uint16_t changed = 0;
  std::string attributes;  // "name=Ann\ttags=a,b", values escaped as in the stream; often empty

  bool operator==(const Subscriber&) const = default;
};

[[nodiscard]] std::string subscriber_to_value(const Subscriber& subscriber);
// nullopt: the value is damaged. `key` is the address_key() part of the store's key.
[[nodiscard]] std::optional<Subscriber> value_to_subscriber(std::string_view key,
                                                            std::string_view value);

// Calendar days, "2026-11-22".
[[nodiscard]] std::string day_to_text(std::uint16_t day);
[[nodiscard]] std::optional<std::uint16_t> text_to_day(std::string_view text);
[[nodiscard]] std::uint16_t today();

}  // namespace ml
