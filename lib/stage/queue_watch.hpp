// Waits for what comes into a queue, by inotify, and for a time on the clock.
//
//   auto watch = QueueWatch::start(*queue);
//   watch->wake_at(time);
//   ...poll() watch->events() and watch->timer()...
//   watch->collect(fresh);                          // the directories to be read
#pragma once

#include <bitset>
#include <ctime>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "queue/queue.hpp"

namespace ml {

// A bit for each of Queue::hashes.
using QueueDirectories = std::bitset<Queue::hashes.size()>;

class QueueWatch {
 public:
  [[nodiscard]] static Result<QueueWatch> start(const Queue& queue);

  // Descriptors that can be read when something came, and when the time has come.
  [[nodiscard]] int events() const { return events_.get(); }
  [[nodiscard]] int timer() const { return timer_.get(); }
  // Is the queue no longer where it was?
  [[nodiscard]] bool gone() const { return gone_; }

  // By the clock on the wall, woken too when that is set. 0: never.
  void wake_at(std::time_t time) const;

  // Adds to `fresh` the directories that something came into since the last time.
  void collect(QueueDirectories& fresh);

 private:
  [[nodiscard]] int add(const std::string& path) const;

  Fd events_;
  Fd timer_;
  bool gone_ = false;
  std::vector<int> numbers_;
};

}  // namespace ml
