// Addresses that stand in running text, as people and servers write them.
//
//   for (const Mention& mention : mentions_in("<ann@c.org>: no such user")) use(mention.address);
//
// By shape alone and generous: what is no address for RFC 5321 may be one here. Linear in the text.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace ml {

struct Mention {
  std::string_view address;  // "ann@c.org": a view into the text
  std::size_t begin = 0;     // where it stands, its brackets not counted
  std::size_t end = 0;
  bool bracketed = false;  // <ann@c.org>
};

[[nodiscard]] std::vector<Mention> mentions_in(std::string_view text);

}  // namespace ml
