#include "stage/progress.hpp"

#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/diag.hpp"
#include "base/fd.hpp"

namespace ml {

ProgressLine::ProgressLine(ShowProgress show)
    : terminal_(isatty(2) == 1), forced_(show == ShowProgress::yes) {}

void ProgressLine::show(const Counts& counts, Clock::time_point now) {
  if (!shown() || now < next_) return;
  next_ = now + std::chrono::seconds(1);
  written_ = true;
  write(counts, now);
}

void ProgressLine::end(const Counts& counts) {
  if (!forced_ && !written_) return;
  write(counts, Clock::now());
  if (terminal_) static_cast<void>(write_all(2, "\n", "standard error"));
}

void ProgressLine::write(const Counts& counts, Clock::time_point now) const {
  const double seconds = std::max(std::chrono::duration<double>(now - began_).count(), 0.001);
  const auto line =
      fmt::format("{}{}: {} delivered, {:.0f}/s, {} left, {} refused{}", terminal_ ? "\r" : "",
                  program(), counts.delivered, static_cast<double>(counts.delivered) / seconds,
                  counts.left, counts.refused, terminal_ ? "\x1b[K" : "\n");
  static_cast<void>(write_all(2, line, "standard error"));
}

}  // namespace ml
