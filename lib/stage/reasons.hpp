// Why recipients were left: the commonest reason, for the line that says how many they are.
//
//   Reasons reasons;
//   reasons.add(reply);                             // for each of them
//   line += reasons.text(37);                       // " (450 4.2.0 later)", if all have it
//                                                   // " (20 of them: 450 4.2.0 later)"
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "smtp/reply.hpp"

namespace ml {

// Replies with the same codes are one reason, in the words of the first. A relay that has a code of
// its own for each gets no more than a hundred of them counted.
class Reasons {
 public:
  void add(const Reply& reply);
  // `all`: how many are left. Empty if no reason is known.
  [[nodiscard]] std::string text(std::uint64_t all) const;

 private:
  struct Reason {
    std::string text;
    std::uint64_t count = 0;
  };
  std::map<std::pair<int, std::string>, Reason> reasons_;
};

}  // namespace ml
