// Numbers for a person who waits: a line that is written over on a terminal, else one now and
// then.
//
//   ProgressLine line(ShowProgress::no);      // shown all the same where stderr is a terminal
//   line.show({.delivered = 12}, now);        // at most once a second
//   line.end({.delivered = 37});
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace ml {

enum class ShowProgress { no, yes };

class ProgressLine {
 public:
  using Clock = std::chrono::steady_clock;
  struct Counts {
    std::uint64_t delivered = 0;
    std::uint64_t left = 0;
    std::uint64_t refused = 0;
  };

  explicit ProgressLine(ShowProgress show);

  [[nodiscard]] bool shown() const { return terminal_ || forced_; }
  void show(const Counts& counts, Clock::time_point now);
  // Silent where it was not long.
  void end(const Counts& counts);

 private:
  void write(const Counts& counts, Clock::time_point now) const;

  bool terminal_;
  bool forced_;
  bool written_ = false;
  Clock::time_point began_ = Clock::now();
  Clock::time_point next_ = began_ + std::chrono::seconds(1);
};

}  // namespace ml
