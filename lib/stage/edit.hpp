// ml-edit: any RFC 5322 filter as a stage on the message of each section.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {

// Runs `command` once a section, its input the message with LF line ends, its output the message
// from here on; id, sender, attributes and recipients stay. A section whose command fails gives
// out no message and no recipients, only its end: 65 or 77 if the command left with that (a
// filter may judge a message), else 75. So does an output that is no message: empty, over 100
// MiB, with a NUL, or beginning with something other than a header field.
[[nodiscard]] Result<Status> edit(Reader& in, Writer& out, const std::vector<std::string>& command);

}  // namespace ml
