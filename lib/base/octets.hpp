// What the hot loops ask of every line, eight octets at a time.
//
//   if (is_printable("news@x.org", Tabs::refused)) ...
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace ml {

enum class Tabs { allowed, refused };

// True if every octet is of 0x20 to 0x7e, or an allowed TAB.
[[nodiscard]] inline bool is_printable(std::string_view text, Tabs tabs) {
  constexpr std::uint64_t each = 0x0101010101010101U;
  constexpr std::uint64_t high = each * 0x80;
  constexpr std::uint64_t low = each * 0x7f;
  // The high bit of each octet that is not 0; exact, no carry from octet to octet.
  const auto nonzero = [](std::uint64_t word) { return ((word & low) + low) | word; };
  std::uint64_t bad = 0;
  const auto look = [&](std::uint64_t word) {
    std::uint64_t below = ~((word & low) + each * 0x60);  // below 0x20
    if (tabs == Tabs::allowed) below &= nonzero(word ^ each * '\t');
    bad |= (word | below | ~nonzero(word ^ low)) & high;
  };
  while (text.size() >= sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof word);
    look(word);
    text.remove_prefix(sizeof word);
  }
  if (!text.empty()) {
    std::uint64_t word = each * ' ';
    std::memcpy(&word, text.data(), text.size());
    look(word);
  }
  return bad == 0;
}

}  // namespace ml
