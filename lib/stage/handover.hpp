// Where the recipients that were not delivered go: to a file that is on disk, whole and synced,
// before anybody is told of it; or to standard output.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "stream/writer.hpp"

namespace ml {

// Writes the sections of those recipients.
using WriteRemains = std::function<Result<>(Writer&)>;

// 75 if `given` cannot be written, a pipe or a device: to be known before the first recipient is
// sent to.
[[nodiscard]] Result<> check_handover(const std::string& given);

// Whether what goes to the one would meet in one ordinary file what goes to the other, whatever
// they are called: by links, as /dev/fd/3, "-" for standard output. In a stream of both, as two
// times "-", nothing is lost.
[[nodiscard]] bool is_one_file(const std::string& a, const std::string& b);

// Writes the stream to `given` ("-": standard output), behind what a file has, or where that is
// missing to HOME/KIND/ID, numbered where that name is taken. A missing home is made; where there
// can be none the file is one of its own below /var/tmp, so that an account of the recipients is
// never lost. Gives the file's path, or nothing for standard output.
[[nodiscard]] Result<std::string> hand_over(const std::optional<std::string>& given,
                                            const std::optional<std::string>& home,
                                            std::string_view kind, std::string_view id,
                                            const WriteRemains& write);

}  // namespace ml
