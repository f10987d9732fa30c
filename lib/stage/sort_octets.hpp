// Short texts, as sorting compares them: eight octets at a time.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/octets.hpp"
#include "base/text.hpp"

namespace ml {

[[nodiscard]] inline unsigned char folded(char c) {
  return static_cast<unsigned char>(to_lower(c));
}

// ASCII capitals folded, octet by octet.
[[nodiscard]] inline std::uint64_t folded(std::uint64_t octets) {
  constexpr std::uint64_t each = 0x0101010101010101U;
  const std::uint64_t low = octets & (each * 0x7f);
  const std::uint64_t from_a = low + each * (0x80 - 'A');
  const std::uint64_t behind_z = low + each * (0x7f - 'Z');
  const std::uint64_t capitals = from_a & ~behind_z & ~octets & (each * 0x80);
  return octets | capitals >> 2;
}

// Octets in memory as a number that compares as they do, folded.
[[nodiscard]] inline std::uint64_t word_to_number(std::uint64_t octets) {
  return folded(std::endian::native == std::endian::little ? __builtin_bswap64(octets) : octets);
}

// Of fewer octets than a word: filled up with NUL.
[[nodiscard]] inline std::uint64_t few_octets(std::string_view text) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    value |= static_cast<std::uint64_t>(folded(text[i])) << (8 * (octets_in_word - 1 - i));
  }
  return value;
}

// The octets of `text` from `from` on, folded, as one number that compares as they do; a short rest
// is filled up with NUL.
[[nodiscard]] inline std::uint64_t eight_octets(std::string_view text, std::size_t from) {
  if (from + octets_in_word <= text.size()) return word_to_number(load_word(text.data() + from));
  if (from >= text.size()) return 0;
  if (text.size() < octets_in_word) return few_octets(text.substr(from));
  const std::size_t seen = from + octets_in_word - text.size();  // of the last word
  return word_to_number(load_word(text.data() + text.size() - octets_in_word)) << (8 * seen);
}

}  // namespace ml
