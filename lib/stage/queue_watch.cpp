#include "stage/queue_watch.hpp"

#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

namespace ml {

Result<QueueWatch> QueueWatch::start(const Queue& queue) {
  QueueWatch watch;
  watch.events_ = Fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  watch.timer_ = Fd(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!watch.events_.open() || !watch.timer_.open()) {
    return system_failure("cannot watch the queue", errno);
  }
  for (const char hash : Queue::hashes) {
    const int number = watch.add(queue.path(std::string(1, hash)));
    if (number < 0) return system_failure("cannot watch the queue " + queue.path(""), errno);
    watch.numbers_.push_back(number);
  }
  if (watch.add(queue.path("later")) < 0 || watch.add(queue.path("")) < 0) {
    return system_failure("cannot watch the queue " + queue.path("later"), errno);
  }
  return watch;
}

void QueueWatch::wake_at(std::time_t time) const {
  itimerspec spec{};
  spec.it_value.tv_sec = time;
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, nullptr);
}

void QueueWatch::collect(QueueDirectories& fresh) {
  std::uint64_t expirations = 0;
  static_cast<void>(!read(timer_.get(), &expirations, sizeof expirations));
  alignas(inotify_event) std::array<char, 16384> room;
  for (;;) {
    const ssize_t got = read(events_.get(), room.data(), room.size());
    if (got <= 0) return;
    for (ssize_t at = 0; at < got;) {
      const auto* const event = reinterpret_cast<const inotify_event*>(room.data() + at);
      at += static_cast<ssize_t>(sizeof *event + event->len);
      const auto found = std::ranges::find(numbers_, event->wd);
      if ((event->mask & IN_Q_OVERFLOW) != 0) fresh.set();
      if ((event->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0) gone_ = true;
      if (found != numbers_.end()) fresh.set(static_cast<std::size_t>(found - numbers_.begin()));
    }
  }
}

int QueueWatch::add(const std::string& path) const {
  return inotify_add_watch(events_.get(), path.c_str(),
                           IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
}

}  // namespace ml
