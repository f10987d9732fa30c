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
[[nodiscard, gnu::always_inline]] inline PlainRcpt find_plain_rcpt(std::string_view text) {
  constexpr std::size_t looked_at = 64;
  const auto first = [](std::uint64_t bits) {
    return static_cast<std::size_t>(std::countr_zero(bits));
  };
  if (text.size() < looked_at || !text.starts_with("rcpt\t")) return {};
  std::uint64_t printables = 0;
  std::uint64_t ats = 0;
  for (std::size_t from = 0; from < looked_at; from += sizeof(Octets16)) {
    const Octets16 octets = load_octets(text.data() + from);
    printables |= std::uint64_t{bits_of(printable(octets))} << from;
    ats |= std::uint64_t{bits_of(octets == '@')} << from;
  }
  std::uint64_t bounds = ~printables;  // TAB and LF among them
  bounds &= bounds - 1;                // the first is seen
  const std::size_t end = first(bounds);
  if (end == PlainRcpt::address || end == looked_at || text[end] != '\t') return {};
  std::size_t size = first(bounds & (bounds - 1));
  if (size == looked_at) {
    if (text.size() < 2 * looked_at) return {};
    std::uint64_t more = 0;
    for (std::size_t from = 0; from < looked_at; from += sizeof(Octets16)) {
      more |= std::uint64_t{bits_of(printable(load_octets(text.data() + looked_at + from)))}
              << from;
    }
    size += first(~more);
    if (size == 2 * looked_at) return {};
  }
  if (text[size] != '\n' || size == end + 1) return {};
  ats &= (std::uint64_t{1} << end) - 1;
  const std::size_t at = looked_at - 1 - static_cast<std::size_t>(std::countl_zero(ats));
  return {size, std::min(at, end), end};
}

}  // namespace ml
