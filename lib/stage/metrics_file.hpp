// A file for the textfile collector of Prometheus: whoever reads it sees it whole.
//
//   if (auto written = replace_metrics_file("/var/lib/prom/ml-queue.prom", text); !written)
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ml {

// Writes `text` beside `file`, for everybody to read (0644), and renames it to `file`. Where it
// fails `file` is as it was and nothing is left beside it.
[[nodiscard]] Result<> replace_metrics_file(const std::string& file, std::string_view text);

}  // namespace ml
