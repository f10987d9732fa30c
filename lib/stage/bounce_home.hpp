// A home as ml-bounce works in it, opened before its first octet is read.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/home.hpp"
#include "base/result.hpp"
#include "list/name.hpp"
#include "store/keys.hpp"
#include "store/store.hpp"

namespace ml {

struct BounceHome {
  Home files;
  std::optional<ListName> list;  // marks for this one only
  Keys keys;
  Store store;
  std::chrono::system_clock::time_point now;

  [[nodiscard]] std::uint16_t day() const;
  [[nodiscard]] std::uint32_t minute() const;  // since 1970
};

// `list` as the operator names it; one that is not there is 75.
[[nodiscard]] Result<BounceHome> open_bounce_home(const std::optional<std::string>& home,
                                                  const std::optional<std::string>& list,
                                                  std::chrono::system_clock::time_point now);

}  // namespace ml
