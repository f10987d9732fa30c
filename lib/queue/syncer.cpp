#include "queue/syncer.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace ml {

// Every thread takes the next file until none is left; whoever asked takes its share. A round is
// over when its files are taken and nobody is busy: then nobody looks at `fds` any more.
class Syncer::Crew {
 public:
  Crew() = default;
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew() {
    {
      const std::scoped_lock lock(mutex_);
      leaving_ = true;
    }
    begun_.notify_all();
  }

  // The errno of each, 0 where it went well.
  std::vector<int> sync(std::span<const int> fds) {
    engage(std::min<std::size_t>(fds.size(), most_at_once) - 1);
    {
      std::unique_lock lock(mutex_);
      ended_.wait(lock, [&] { return busy_ == 0; });
      fds_ = fds;
      errors_.assign(fds.size(), 0);
      next_ = 0;
      ++round_;
    }
    begun_.notify_all();
    take_files();
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return busy_ == 0; });
    return std::move(errors_);
  }

 private:
  // Signals are for the thread that waits for them. Where no further thread is to be had, those
  // there take longer.
  void engage(std::size_t wanted) {
    if (threads_.size() >= wanted) return;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (threads_.size() < wanted && has_further_thread()) {}
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  bool has_further_thread() {
    try {
      threads_.emplace_back([this] { work(); });
      return true;
    } catch (const std::system_error&) {
      return false;
    }
  }

  void work() {
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
      begun_.wait(lock, [&] { return leaving_ || round_ != seen; });
      if (leaving_) return;
      seen = round_;
      ++busy_;
      lock.unlock();
      take_files();
      lock.lock();
      if (--busy_ == 0) ended_.notify_all();
    }
  }

  void take_files() {
    for (std::size_t i = next_++; i < fds_.size(); i = next_++) {
      if (fsync(fds_[i]) != 0) errors_[i] = errno;
    }
  }

  std::mutex mutex_;
  std::condition_variable begun_;
  std::condition_variable ended_;
  bool leaving_ = false;
  std::uint64_t round_ = 0;
  unsigned busy_ = 0;
  std::span<const int> fds_;  // of this round, as errors_; changed only while nobody is busy
  std::vector<int> errors_;
  std::atomic<std::size_t> next_ = 0;
  std::vector<std::jthread> threads_;  // last, so that they end before what they use
};

Syncer::Syncer() : crew_(std::make_unique<Crew>()) {}
Syncer::Syncer(Syncer&&) noexcept = default;
Syncer& Syncer::operator=(Syncer&&) noexcept = default;
Syncer::~Syncer() = default;

Result<> Syncer::sync(std::span<const int> fds,
                      const std::function<std::string(std::size_t)>& name_of) {
  if (fds.empty()) return {};
  const std::vector<int> errors = crew_->sync(fds);
  const auto failed = std::ranges::find_if(errors, [](int code) { return code != 0; });
  if (failed == errors.end()) return {};
  const auto which = static_cast<std::size_t>(failed - errors.begin());
  return system_failure("cannot sync " + name_of(which), *failed);
}

}  // namespace ml
