// Numbers in keys and values: big endian, so that keys sort as their numbers do.
//
//   append_big<4>(key, 7);
//   big(key.substr(0, 4)) == 7
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ml {

template <std::size_t octets>
void append_big(std::string& to, std::uint64_t value) {
  static_assert(octets >= 1 && octets <= 8);
  for (std::size_t i = octets; i > 0; --i) {
    to.push_back(static_cast<char>(value >> (8 * (i - 1)) & 0xFF));
  }
}

// All of `octets`, at most 8 of them, as one number.
[[nodiscard]] constexpr std::uint64_t big(std::string_view octets) {
  std::uint64_t value = 0;
  for (const char c : octets) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

// Four octets as one number.
[[nodiscard]] inline std::uint32_t big4(const char* octets) {
  std::uint32_t value = 0;
  std::memcpy(&value, octets, sizeof value);
  return std::endian::native == std::endian::little ? __builtin_bswap32(value) : value;
}

}  // namespace ml
