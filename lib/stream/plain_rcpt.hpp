// Nearly every rcpt line, recognised at one look: printable ASCII, the message's own sender, no
// attributes, in no more than 63 octets: "rcpt\tann@example.org\t-\n".
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

// The line that `text` begins with, if all of it is there and 64 octets are. Bit by bit of what
// these 64 are: no branch hangs on where a field ends, which nobody can foretell.
[[nodiscard]] inline PlainRcpt find_plain_rcpt(std::string_view text) {
  constexpr std::size_t looked_at = 64;
  if (text.size() < looked_at) return {};
  std::uint64_t low = 0;  // controls, TAB and LF among them, and what is not ASCII
  std::uint64_t tabs = 0;
  std::uint64_t ats = 0;
  const auto look = [&](std::size_t from) {
    const Octets16 octets = load_octets(text.data() + from);
    low |= std::uint64_t{bits_of((octets < 0x20) | (octets == 0x7f))} << from;
    tabs |= std::uint64_t{bits_of(octets == '\t')} << from;
    ats |= std::uint64_t{bits_of(octets == '@')} << from;
  };
  look(0);
  look(16);
  look(32);
  look(48);
  const auto size = static_cast<std::size_t>(std::countr_zero(low & ~tabs));
  if (size == looked_at || text[size] != '\n' || !text.starts_with("rcpt\t")) return {};
  tabs &= tabs - 1;  // the first is seen
  const auto end = static_cast<std::size_t>(std::countr_zero(tabs));
  if (end + 2 != size || text[end + 1] != '-' || end == PlainRcpt::address) return {};
  ats &= (std::uint64_t{1} << end) - 1;
  const std::size_t at = looked_at - 1 - static_cast<std::size_t>(std::countl_zero(ats));
  return {size, std::min(at, end), end};
}

}  // namespace ml
