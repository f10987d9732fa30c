#include "queue/intake_log.hpp"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace ml {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds longest_use{1};

}  // namespace

// One segment takes the groups in, the other one is spare, or due: its checkpoint waits for the
// thread or runs.
class IntakeLog::Writer {
 public:
  explicit Writer(const Home& home) : home_(home), boot_(boot_id()) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() {
    {
      const std::scoped_lock lock(mutex_);
      leaving_ = true;
    }
    changed_.notify_all();
  }

  Result<std::optional<Hold>> append(LogGroup& group) {
    Hold lock(mutex_);
    if (failed_) {
      auto failed = std::exchange(failed_, std::nullopt);
      return Failure(std::move(*failed));
    }
    if (!has_segment_for(group)) return std::optional<Hold>();
    const bool is_first = !active_->is_used();
    if (is_first) since_ = Clock::now();
    if (auto appended = active_->append(group, boot_); !appended) {
      given_up_ = true;  // the groups before it have their checkpoint at its time
      return fail(appended);
    }
    if (is_first) changed_.notify_all();
    return std::optional(std::move(lock));
  }

 private:
  bool has_segment_for(const LogGroup& group) {
    if (!begun_) begin();
    if (given_up_) return false;
    if (active_ && !active_->has_room(group)) {
      if (due_ || !spare_) return false;
      due_ = std::exchange(active_, std::nullopt);
      changed_.notify_all();
    }
    if (!active_) active_ = std::exchange(spare_, std::nullopt);
    return active_ && active_->fits(group);
  }

  // Where there are no two segments to be had, no thread, or no telling one boot from the next,
  // there is no log.
  void begin() {
    begun_ = true;
    for (unsigned i = 0; boot_ != no_boot && i < LogSegment::most && !(active_ && spare_); ++i) {
      auto segment = take(i);
      if (segment) (active_ ? spare_ : active_) = std::move(segment);
    }
    given_up_ = !spare_ || !has_thread();
    if (given_up_) active_.reset();
  }

  [[nodiscard]] std::optional<LogSegment> take(unsigned number) const {
    auto segment = LogSegment::open(home_, number, Create::yes);
    if (!segment || !*segment || !(*segment)->try_lock()) return std::nullopt;
    const auto boot = (*segment)->boot();
    if (!boot || *boot || !(*segment)->fill_up()) return std::nullopt;
    return std::move(*segment);
  }

  // Signals are for the thread that waits for them.
  bool has_thread() {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = start_thread();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
  }

  bool start_thread() {
    try {
      thread_ = std::jthread([this] { work(); });
      return true;
    } catch (const std::system_error&) {
      return false;
    }
  }

  void work() {
    Hold lock(mutex_);
    for (;;) {
      if (!due_ && is_time()) due_ = std::exchange(active_, std::nullopt);
      if (due_) {
        checkpoint(lock);
      } else if (leaving_) {
        return;
      } else if (active_ && active_->is_used()) {
        changed_.wait_until(lock, since_ + longest_use);
      } else {
        changed_.wait(lock);
      }
    }
  }

  [[nodiscard]] bool is_time() const {
    return active_ && active_->is_used() && (leaving_ || Clock::now() >= since_ + longest_use);
  }

  // Entries may go on to change meanwhile; groups go into the other segment. What fails is let go,
  // for the next one to restore.
  void checkpoint(Hold& lock) {
    lock.unlock();
    Result<> done = due_->sync_all();
    if (!done) {
      static_cast<void>(due_->doubt());
    } else {
      done = due_->clean();
    }
    lock.lock();
    if (done) {
      (spare_ ? active_ : spare_) = std::exchange(due_, std::nullopt);
      return;
    }
    due_.reset();
    given_up_ = true;
    failed_ = std::move(done.error());
  }

  const Home& home_;
  const std::string boot_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool begun_ = false;
  bool given_up_ = false;
  bool leaving_ = false;
  std::optional<Error> failed_;  // of a checkpoint, to be told
  std::optional<LogSegment> active_;
  std::optional<LogSegment> spare_;
  std::optional<LogSegment> due_;  // while set, the thread's alone
  Clock::time_point since_;        // when the active one was first used
  std::jthread thread_;            // last, so that it ends before what it uses
};

IntakeLog::IntakeLog(const Home& home) : writer_(std::make_unique<Writer>(home)) {}
IntakeLog::IntakeLog(IntakeLog&&) noexcept = default;
IntakeLog::~IntakeLog() = default;

Result<std::optional<IntakeLog::Hold>> IntakeLog::append(LogGroup& group) {
  return writer_->append(group);
}

}  // namespace ml
