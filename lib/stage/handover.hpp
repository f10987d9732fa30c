// Where the recipients that were not delivered go: to a file that is on disk, whole and synced,
// before anybody is told of it; or to standard output.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "stream/writer.hpp"

namespace ml {

struct Handover {
  std::uint64_t count = 0;  // recipients written
  std::string path;         // empty: standard output, or nothing was written
};

// Writes the stream to `given` ("-": standard output), or where that is missing to HOME/KIND/ID,
// numbered where that name is taken. A missing home is made.
[[nodiscard]] Result<Handover> hand_over(
    const std::optional<std::string>& given, const std::optional<std::string>& home,
    std::string_view kind, std::string_view id,
    const std::function<Result<std::uint64_t>(Writer&)>& write);

}  // namespace ml
