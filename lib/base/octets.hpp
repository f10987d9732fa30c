// What the hot loops do with every line and its fields, eight or sixteen octets at a time and
// without a call.
//
//   if (is_printable("news@x.org", Tabs::refused)) ...
//   copy_octets(field, to);
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ml {

// Sixteen octets side by side; those above 0x7f are below 0. A comparison gives 0 or -1 for each.
using Octets16 [[gnu::vector_size(16)]] = signed char;

// The octets from `from` to `from + 16`.
[[nodiscard]] inline Octets16 load_octets(const char* from) {
  Octets16 octets;
  std::memcpy(&octets, from, sizeof octets);
  return octets;
}

// A bit for each of the sixteen, the first the lowest: set where it is below 0.
[[nodiscard]] inline std::uint32_t bits_of(Octets16 octets) {
#ifdef __SSE2__
  return static_cast<std::uint32_t>(_mm_movemask_epi8(reinterpret_cast<__m128i>(octets)));
#else
  std::uint32_t bits = 0;
  for (unsigned i = 0; i < 16; ++i) bits |= (octets[i] < 0 ? 1U : 0U) << i;
  return bits;
#endif
}

// Those of 0x20 to 0x7e: what is one more is above 0x20, but for 0x7f, which wraps.
[[nodiscard]] inline Octets16 printable(Octets16 octets) {
  using Unsigned16 [[gnu::vector_size(16)]] = unsigned char;
  return reinterpret_cast<Octets16>(reinterpret_cast<Unsigned16>(octets) + 1) > 0x20;
}

enum class Tabs { allowed, refused };

// True if every octet is of 0x20 to 0x7e, or an allowed TAB.
[[nodiscard]] inline bool is_printable(std::string_view text, Tabs tabs) {
  const auto is_bad = [&](signed char c) {
    return (c < 0x20 || c == 0x7f) && (tabs == Tabs::refused || c != '\t');
  };
  if (text.size() < sizeof(Octets16)) {
    bool bad = false;
    for (const char c : text) bad = is_bad(static_cast<signed char>(c)) || bad;
    return !bad;
  }
  Octets16 good = load_octets(text.data()) == load_octets(text.data());
  const auto look = [&](const char* from) {
    const Octets16 octets = load_octets(from);
    Octets16 fine = printable(octets);
    if (tabs == Tabs::allowed) fine |= octets == '\t';
    good &= fine;
  };
  for (std::size_t at = 0; at + sizeof(Octets16) <= text.size(); at += sizeof(Octets16)) {
    look(text.data() + at);
  }
  look(text.data() + text.size() - sizeof(Octets16));
  return bits_of(good) == 0xFFFF;
}

// True if any octet is of A to Z.
[[nodiscard]] inline bool has_capitals(std::string_view text) {
  if (text.size() < sizeof(Octets16)) {
    bool found = false;
    for (const char c : text) found = (c >= 'A' && c <= 'Z') || found;
    return found;
  }
  Octets16 found{};
  const auto look = [&](const char* from) {
    const Octets16 octets = load_octets(from);
    found |= (octets >= 'A') & (octets <= 'Z');
  };
  for (std::size_t at = 0; at + sizeof(Octets16) <= text.size(); at += sizeof(Octets16)) {
    look(text.data() + at);
  }
  look(text.data() + text.size() - sizeof(Octets16));
  return bits_of(found) != 0;
}

inline constexpr std::size_t octets_in_word = sizeof(std::uint64_t);

[[nodiscard]] inline std::uint64_t load_word(const char* from) {
  std::uint64_t octets = 0;
  std::memcpy(&octets, from, sizeof octets);
  return octets;
}

// Of texts that are short: memcmp() is slow for these.
[[nodiscard]] inline bool same_octets(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  if (a.size() < octets_in_word) return a == b;
  const auto differ = [&](std::size_t at) {
    return load_word(a.data() + at) != load_word(b.data() + at);
  };
  for (std::size_t at = 0; at + octets_in_word < a.size(); at += octets_in_word) {
    if (differ(at)) return false;
  }
  return !differ(a.size() - octets_in_word);
}

// A text that is short, in a few pieces; the last may overlap the one before.
inline void copy_octets(std::string_view text, char* to) {
  const auto copy = [&](std::size_t at, auto piece) {
    std::memcpy(&piece, text.data() + at, sizeof piece);
    std::memcpy(to + at, &piece, sizeof piece);
  };
  const auto copy_all = [&](auto piece) {
    const std::size_t last = text.size() - sizeof piece;
    for (std::size_t at = 0; at < last; at += sizeof piece) copy(at, piece);
    copy(last, piece);
  };
  if (text.size() >= sizeof(Octets16)) {
    copy_all(Octets16());
  } else if (text.size() >= octets_in_word) {
    copy_all(std::uint64_t());
  } else if (text.size() >= sizeof(std::uint32_t)) {
    copy_all(std::uint32_t());
  } else {
    for (std::size_t at = 0; at < text.size(); ++at) to[at] = text[at];
  }
}

}  // namespace ml
