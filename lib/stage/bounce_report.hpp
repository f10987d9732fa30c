// ml-bounce --report: what bounces say, for anybody; no list, no home, no store.
//
//   ann@c.org TAB failed TAB 5.1.1 TAB mailbox TAB 550 5.1.1 unknown
//   {"message":"17","address":"ann@c.org","action":"failed","status":"5.1.1",...}
#pragma once

#include <optional>
#include <string>

#include "base/out.hpp"
#include "base/result.hpp"

namespace ml {

struct BounceReportOptions {
  std::optional<std::string> mbox;     // a file, or "-" for the input; neither: one message
  std::optional<std::string> maildir;  // a directory with `new` and `cur`
  bool json = false;
};

// Prints a line for each recipient that a message speaks of; `-` in text, nothing in JSON for what
// is not said. JSON also says which message it was.
[[nodiscard]] Result<Status> bounce_report(int input, const BounceReportOptions& options, Out& out);

}  // namespace ml
