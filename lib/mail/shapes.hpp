// Bounces whose words nobody knows: whom their text says it could not reach, by its shape alone.
//
// A line that begins with `<ann@c.org>:`, a line that is an address, the transcript of a dialogue,
// a sentence about one, the recipient that the address of the notice signs (VERP), the only one of
// the message that came back: in this order, the first that finds anybody.
//
//   if (reports.empty()) reports = shape_to_reports(notice);
#pragma once

#include <vector>

#include "mail/dsn.hpp"
#include "mail/notice.hpp"

namespace ml {

// Of a text that a mail server wrote, or whose subject speaks of a failure: only who failed, nobody
// where it speaks of a delay or of a success.
[[nodiscard]] std::vector<Report> shape_to_reports(const Notice& notice);

}  // namespace ml
