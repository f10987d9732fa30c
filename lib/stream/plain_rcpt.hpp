// Nearly every rcpt line, recognised at one look: printable ASCII without attributes, its address
// within the first 64 octets and its end within 128: "rcpt\tann@example.org\t-\n".
//
//   const PlainRcpt plain = find_plain_rcpt(text);
//   if (plain.size > 0) line = text.substr(0, plain.size);
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/octets.hpp"

namespace ml {

struct PlainRcpt {
  static constexpr std::size_t address = 5;  // where it begins, behind "rcpt" and its TAB

  std::size_t size = 0;  // of the line without its LF; 0: it is another, line_to_rcpt() decides
  std::size_t at = 0;    // in the line: the last @ of the address; none: the end
  std::size_t end = 0;   // of the address
};

// The line that `text` begins with, if all of it is there and 64 octets are, or 128 of one that is
// longer. Bit by bit of what these are: no branch hangs on where a field ends, which nobody can
// foretell.
[[nodiscard]] inline PlainRcpt find_plain_rcpt(std::string_view text) {
  constexpr std::size_t looked_at = 64;
  const auto first = [](std::uint64_t bits) {
    return static_cast<std::size_t>(std::countr_zero(bits));
  };
  // Controls, TAB and LF among them, and what is not ASCII.
  const auto low_of = [](Octets16 octets) {
    return std::uint64_t{bits_of((octets < 0x20) | (octets == 0x7f))};
  };
  if (text.size() < looked_at) return {};
  std::uint64_t low = 0;
  std::uint64_t tabs = 0;
  std::uint64_t ats = 0;
  const auto look = [&](std::size_t from) {
    const Octets16 octets = load_octets(text.data() + from);
    low |= low_of(octets) << from;
    tabs |= std::uint64_t{bits_of(octets == '\t')} << from;
    ats |= std::uint64_t{bits_of(octets == '@')} << from;
  };
  look(0);
  look(16);
  look(32);
  look(48);
  std::size_t size = first(low & ~tabs);
  if (size == looked_at) {
    if (text.size() < 2 * looked_at) return {};
    const auto more = [&](std::size_t from) {
      return low_of(load_octets(text.data() + looked_at + from)) << from;
    };
    size += first(more(0) | more(16) | more(32) | more(48));
    if (size == 2 * looked_at) return {};
  }
  if (text[size] != '\n' || !text.starts_with("rcpt\t")) return {};
  tabs &= tabs - 1;  // the first is seen
  const std::size_t end = first(tabs);
  const std::size_t third = first(tabs & (tabs - 1));  // in a line behind, or in none
  const std::size_t seen = std::min(size, looked_at);  // of the line, in these bits
  if (end == PlainRcpt::address || end >= seen || end + 1 == size || third < seen) return {};
  ats &= (std::uint64_t{1} << end) - 1;
  const std::size_t at = looked_at - 1 - static_cast<std::size_t>(std::countl_zero(ats));
  return {size, std::min(at, end), end};
}

}  // namespace ml
