// How each domain took its mail last time, out of ml-send's journals.
//
//   const auto pace = Pace::read(home, "news@x.org");
//   pace->slowness("example.org");                       // 0: quickly, or nothing is known
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/home.hpp"
#include "base/result.hpp"

namespace ml {

class Pace {
 public:
  Pace() = default;  // nothing is known of anybody

  // Of the list's last message, or the last one of all where `list` is empty or has none.
  [[nodiscard]] static Result<Pace> read(const Home& home, std::string_view list);

  // From 0; each step stands for twice the delay of a recipient, from a tenth of a second on.
  // A recipient who was deferred, or whom the relay left unanswered, counts as a minute. A domain
  // is slow as well where nothing came back for two seconds or longer before an answer of its own.
  [[nodiscard]] std::uint64_t slowness(std::string_view domain) const;

 private:
  std::unordered_map<std::string, std::uint64_t> slow_;  // those above 0, in lower case
};

}  // namespace ml
