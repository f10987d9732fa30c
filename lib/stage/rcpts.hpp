// ml-rcpts: any line filter as a stage on the recipients of each section.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {

// Runs `command` once a section, its input the section's rcpt lines, its output their
// replacement; message and end stay where they are. A command that stops reading early is drained
// for. One that dies, exits above 1 or writes a line that is no rcpt record ends the section with
// 75, and so does status 1 behind any output: grep means "nothing found" by it, an interpreter
// that it died of an error. Where nobody is left, stderr says so. A section without a message has
// no recipients and runs nothing.
[[nodiscard]] Result<Status> rcpts(Reader& in, Writer& out,
                                   const std::vector<std::string>& command);

}  // namespace ml
