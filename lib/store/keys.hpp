// The secret keys of a home: files keys/K, 32 octets each, mode 0400.
//
// K is the generation, one character a-z2-7 in that order; the newest signs. When it is a year old
// the next is made; the one before decodes for 60 days more. The last of them signs for ever. A
// key's age is its file's. The first keys are made only with a new home: one that has a store but
// no keys is 75, because new keys would disown every address that is on its way. So whoever makes a
// home calls make_keys before it makes the store, and a kill between the two leaves a home that is
// still new.
//
//   keys/.K.NUMBER    being written; whoever finds one may remove it
//   keys/K            whole and synced: it came by link(2), which replaces nothing, so that of
//                     two makers at once both go on with the key of the first
//
//   auto keys = load_keys(home);                 // or keys_to_sign(home, now)
//   SipKey verp = keys->newest().sip_key("verp mac");
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "base/home.hpp"
#include "base/result.hpp"

namespace ml {

inline constexpr std::int64_t key_signs = 365 * 86400;      // seconds
inline constexpr std::int64_t key_decodes_on = 60 * 86400;  // once a younger one signs

class Key {
 public:
  Key(char generation, const Octets32& octets, std::int64_t made)
      : generation_(generation), octets_(octets), made_(made) {}

  [[nodiscard]] char generation() const { return generation_; }
  [[nodiscard]] std::int64_t made() const { return made_; }  // seconds since 1970-01-01 UTC
  // A key of its own for each use: HMAC-SHA-256 of the label.
  [[nodiscard]] Octets32 derive(std::string_view label) const;
  [[nodiscard]] SipKey sip_key(std::string_view label) const;

 private:
  char generation_;
  Octets32 octets_;
  std::int64_t made_;
};

class Keys {
 public:
  explicit Keys(std::vector<Key> keys) : keys_(std::move(keys)) {}  // oldest first, never empty
  [[nodiscard]] const Key& newest() const { return keys_.back(); }
  // For what has to stay the same for ever.
  [[nodiscard]] const Key& oldest() const { return keys_.front(); }
  [[nodiscard]] const Key* find(char generation) const;
  // Nothing also where it decodes bounce addresses no more.
  [[nodiscard]] const Key* find(char generation, std::int64_t now) const;

 private:
  std::vector<Key> keys_;
};

// Makes the first key of a home, durably, unless it has one. 75 for a used home without keys.
[[nodiscard]] Result<> make_keys(const Home& home);

// All keys. 75 where there are none, and for a key that is not 32 octets, not a plain file, or
// open to others than its owner. Files of other names are nobody's keys and passed over.
[[nodiscard]] Result<Keys> load_keys(const Home& home);

// The same for whoever signs now: with the next key made, durably, if it is time. Where it cannot
// be made, as on a disk that is full, the one before goes on.
[[nodiscard]] Result<Keys> keys_to_sign(const Home& home, std::int64_t now);

}  // namespace ml
