// The two spellings of a slot, the author's and the marked one; inside of slots.hpp only.
//
//   {{key|default}}  ->  {{nonce/place/key/hex of the default}}
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ml {

// Where a slot stands, as its mark says it.
enum class SlotPlace : char {
  text = 't',       // in text/plain
  html = 'h',       // escaped, in HTML
  attribute = 'a',  // the same, in quotes
  url = 'u',        // percent-encoded
  whole_url = 'w',  // a URL from its beginning, in HTML
  field = 'f',      // in a field: text or display name
  address = 'm',    // in a field: an address
  field_url = 'l',  // in a field: a URL from its beginning
};

struct AuthorSlot {
  std::string_view raw;  // with its braces
  std::string_view key;
  std::optional<std::string_view> fallback;
  bool good = false;  // false: braces around something that is no slot
};

// The first `{{...}}` at or behind `from`; nothing if there is none. Braces that are not closed
// within longest_slot octets are text, but before a letter a slot that is no good.
inline constexpr std::size_t longest_slot = 400;
[[nodiscard]] std::optional<AuthorSlot> find_slot(std::string_view text, std::size_t from);

// More than anybody writes; a bound on what a message can make us keep.
inline constexpr std::size_t most_slots = 10'000;
inline constexpr std::size_t most_keys = 200;

struct SlotMark {
  std::string_view raw;
  SlotPlace place = SlotPlace::text;
  std::string_view key;
  std::optional<std::string> fallback;
};

[[nodiscard]] std::string slot_to_mark(const AuthorSlot& slot, SlotPlace place,
                                       std::string_view nonce);
// "{{nonce/", with which every mark begins.
[[nodiscard]] std::string mark_prefix(std::string_view nonce);
// The mark at the front of `text`, which begins with the prefix; nothing if it is damaged.
[[nodiscard]] std::optional<SlotMark> text_to_mark(std::string_view text, std::string_view prefix);

// What kind of field takes slots, and how.
enum class SlotField { text, mailbox, urls, structured, trace };
[[nodiscard]] SlotField slot_field(std::string_view name);

// "Name <address>" taken apart: the display name unquoted and decoded, the address without its
// brackets; a lone word is an address. Nothing for anything else.
struct NamedAddress {
  std::string name;
  std::string address;
};
[[nodiscard]] std::optional<NamedAddress> split_mailbox(std::string_view value);

}  // namespace ml
