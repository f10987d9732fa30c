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

// 75 if `given` names a file that cannot be written: to be known before the first recipient is sent
// to. The file is made if it is missing, and keeps what it holds.
[[nodiscard]] Result<> check_handover(const std::optional<std::string>& given);

enum class Onto {
  fresh,     // what a file named by `given` holds goes
  appended,  // it stays: this run wrote it
};

// Writes the stream to `given` ("-": standard output), or where that is missing to HOME/KIND/ID,
// numbered where that name is taken. A missing home is made; where there can be none the file is
// one of its own below /var/tmp, so that an account of the recipients is never lost.
[[nodiscard]] Result<Handover> hand_over(
    const std::optional<std::string>& given, Onto onto, const std::optional<std::string>& home,
    std::string_view kind, std::string_view id,
    const std::function<Result<std::uint64_t>(Writer&)>& write);

}  // namespace ml
