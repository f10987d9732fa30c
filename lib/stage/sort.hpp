// ml-sort: the recipients of each section in another order.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {

enum class Order {
  domain,  // by address_key: the domain's labels from the last to the first, then the local part
  fair,    // each domain spread evenly over the section, see fair_place
  random,
  mx,    // domains that share a mail host together, in domain order of the hosts
  pace,  // domains that were slow last time behind the quick ones, see Pace; else as they came
};
[[nodiscard]] std::optional<Order> text_to_order(std::string_view text);

struct SortOptions {
  Order order = Order::domain;
  std::size_t memory = std::size_t{64} << 20;
  std::uint64_t seed = 0;                // random: the same seed gives the same order
  std::vector<std::string> directories;  // for temporary files, the first that takes one
  std::optional<std::string> home{};     // mx, pace: what it knows; without one nobody is slow
  std::string resolver{};                // mx: whom to ask; empty: the system's
  std::chrono::seconds max_wait{30};     // mx: with DNS, for all sections
};

// Where in the section, as a fraction of 2^64, the recipient `index` of the `count` recipients of
// a domain goes, the domain being `domain` in domain order (all counted from 0):
// (index + p) / count, p the fractional part of `domain` times the golden ratio. So a domain's
// recipients are equally far apart, and small domains do not meet in one place.
[[nodiscard]] std::uint64_t fair_place(std::uint64_t index, std::uint64_t count,
                                       std::uint64_t domain);

// Stable; each section by itself; message and end stay where they are. A section that came cut or
// failed passes with the recipients it has. One that cannot be sorted (no room on disk) passes
// none of them and ends with 75.
[[nodiscard]] Result<Status> sort(Reader& in, Writer& out, const SortOptions& options);

}  // namespace ml
