#include "stage/queue_run.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <deque>
#include <list>
#include <optional>
#include <set>
#include <utility>

#include "base/diag.hpp"
#include "base/interruptions.hpp"
#include "queue/intake_recovery.hpp"
#include "stage/queue_fates.hpp"
#include "stage/queue_job.hpp"
#include "stage/queue_watch.hpp"
#include "stage/runner.hpp"

namespace ml {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::size_t most_candidates = 1024;
// At entries that another process has locked: soon, for ml-queue retry has one while it moves it;
// then ever later, for a command that outlived its runner may have it for long.
constexpr std::time_t look_again = 30;
constexpr seconds long_run{10};

bool is_interrupted() {
  return Interruptions::caught() != 0;
}

std::vector<std::string> with_shell(const std::vector<std::string>& command) {
  constexpr std::string_view marks = " \t\n|&;<>()$`\\\"'*?[]#~=%{}!";
  if (command.size() != 1 || command.front().find_first_of(marks) == std::string::npos) {
    return command;
  }
  return {"/bin/sh", "-c", command.front()};
}

class QueueRunner {
 public:
  QueueRunner(const Home& home, const Queue& queue, const std::vector<std::string>& command,
              const RunOptions& options)
      : home_(home),
        queue_(queue),
        command_(with_shell(command)),
        options_(options),
        fates_(home, queue, options) {}

  Result<Status> run() {
    auto slot = queue_.become_runner(options_.runners);
    if (!slot) return fail(slot);
    if (!*slot) return Status::done;
    const auto restored = recover_intake(home_);
    if (!restored) return fail(restored);
    if (*restored) wake_runners(home_);
    const Interruptions interruptions({SIGTERM, SIGINT, SIGHUP});
    queue_.remove_litter();
    fresh_.set();
    for (;;) {
      interruptions.let_in();
      if (!is_interrupted() && state_) state_ = start_jobs();
      if (jobs_.empty() && (is_interrupted() || !state_)) break;
      if (watch_ && watch_->gone()) break;
      if (jobs_.empty() && !stays()) {
        auto more = more_after_release(*slot);
        if (!more) return fail(more);
        if (!*more) break;
        continue;
      }
      if (!watch_) {
        if (auto begun = begin_to_watch(); !begun) return fail(begun);
        continue;
      }
      if (auto waited = wait(interruptions); !waited) return fail(waited);
      if (auto ended = finish_jobs(); !ended && state_) state_ = ended;
    }
    if (Interruptions::caught() == SIGINT) raise(SIGINT);
    if (!state_) return fail(state_);
    return Status::done;
  }

 private:
  // Before the first job, which nobody would wait for where this fails, or when there is only time
  // to wait for; what came before that is looked for.
  Result<> begin_to_watch() {
    auto watch = QueueWatch::start(queue_);
    if (!watch) return fail(watch);
    watch_.emplace(std::move(*watch));
    fresh_.set();
    return {};
  }

  // Whoever keeps an entry looks for a runner afterwards, so we look for entries after we are none
  // any more: one of the two sees the other.
  Result<bool> more_after_release(std::optional<Fd>& slot) {
    slot.reset();
    if (watch_) {
      watch_->collect(fresh_);
    } else {
      fresh_.set();
    }
    if (auto looked = look(); !looked) return fail(looked);
    if (candidates_.empty() && !stays()) return false;
    auto again = queue_.become_runner(options_.runners);
    if (!again) return fail(again);
    slot = std::move(*again);
    return slot.has_value();
  }

  // True while there may be something to wait for.
  [[nodiscard]] bool stays() const {
    if (options_.stay == Stay::for_ever) return true;
    return options_.stay == Stay::until_empty && (next_time_ != 0 || !passed_over_.empty());
  }

  // --- finding entries

  // Fills the candidates: from directories with something new, and from every time that has come.
  Result<> look() {
    if (again_ != 0 && again_ <= std::time(nullptr)) {
      passed_over_.clear();
      fresh_.set();
      again_ = 0;
    }
    for (std::size_t i = 0; i < fresh_.size() && candidates_.size() < most_candidates; ++i) {
      next_hash_ = (next_hash_ + 1) % fresh_.size();
      if (!fresh_.test(next_hash_)) continue;
      if (auto added = add(std::string(1, Queue::hashes[next_hash_])); !added) return fail(added);
      fresh_.reset(next_hash_);
    }
    auto times = queue_.later();
    if (!times) return fail(times);
    const std::time_t now = std::time(nullptr);
    next_time_ = 0;
    for (const std::time_t time : *times) {
      if (time > now) {
        next_time_ = time;
        return {};
      }
      if (candidates_.size() >= most_candidates) return {};
      auto added = add(Queue::later_directory(time));
      if (!added) return fail(added);
      if (*added == 0) queue_.drop_later(time);
    }
    return {};
  }

  // Those of a directory that are not in hand already; gives the number of all.
  Result<std::size_t> add(const std::string& directory) {
    auto places = queue_.places(directory);
    if (!places) return fail(places);
    for (std::string& place : *places) {
      if (!passed_over_.contains(place) && !big_.contains(place) && !is_running(name_at(place))) {
        candidates_.push_back(std::move(place));
      }
    }
    return places->size();
  }

  [[nodiscard]] bool is_running(std::string_view name) const {
    return std::ranges::any_of(jobs_,
                               [&](const Job& job) { return job.taken().facts().name == name; });
  }

  // --- starting

  [[nodiscard]] bool is_big(const Job& job) const {
    return job.taken().facts().size > options_.small ||
           steady_clock::now() - job.since() >= long_run;
  }
  [[nodiscard]] unsigned big_jobs() const {
    return static_cast<unsigned>(
        std::ranges::count_if(jobs_, [&](const Job& job) { return is_big(job); }));
  }
  [[nodiscard]] bool has_room_for_small() const {
    const bool one_more = options_.jobs > 1 && big_jobs() >= options_.jobs;
    return jobs_.size() < options_.jobs + (one_more ? 1U : 0U);
  }
  [[nodiscard]] bool has_room_for_big() const {
    return jobs_.size() < options_.jobs && (options_.jobs == 1 || big_jobs() + 1 < options_.jobs);
  }

  Result<> start_jobs() {
    while (has_room_for_small()) {
      if (candidates_.empty()) {
        if (auto looked = look(); !looked) return looked;
      }
      if (!big_.empty() && has_room_for_big()) {
        candidates_.push_front(std::move(big_.extract(big_.begin()).value()));
      }
      if (candidates_.empty()) return {};
      const std::string place = std::move(candidates_.front());
      candidates_.pop_front();
      if (is_running(name_at(place))) continue;
      if (auto started = start(place); !started) return started;
    }
    return {};
  }

  Result<> start(const std::string& place) {
    auto taken = queue_.take(place);
    if (!taken) {
      say(taken.error().text);
      passed_over_.insert(place);
      return {};
    }
    if (!*taken) {  // gone, or somebody else's
      if (queue_.has(place)) passed_over_.insert(place);
      return {};
    }
    if (place.starts_with("later/") && fates_.is_too_old(**taken)) return fates_.give_up(**taken);
    if ((*taken)->facts().size > options_.small && !has_room_for_big()) {
      big_.insert(place);
      return {};
    }
    if (!watch_) {
      if (auto begun = begin_to_watch(); !begun) return begun;
    }
    auto job = Job::start(queue_, **taken, command_);
    if (!job) return fates_.put_off(**taken, {JobEnding::Kind::later, job.error().text, true});
    jobs_.push_back(std::move(*job));
    return {};
  }

  // --- waiting

  Result<> wait(const Interruptions& interruptions) {
    std::vector<pollfd> all;
    if (!is_interrupted()) {
      watch_->wake_at(next_wake());
      all.push_back({watch_->events(), POLLIN, 0});
      all.push_back({watch_->timer(), POLLIN, 0});
    }
    for (const Job& job : jobs_) {
      all.push_back({job.ended(), POLLIN, 0});
      all.push_back({job.errors(), POLLIN, 0});
    }
    const int most = patience();
    const timespec time{most / 1000, most % 1000 * 1'000'000L};
    if (ppoll(all.data(), all.size(), most < 0 ? nullptr : &time, &interruptions.while_asleep()) <
            0 &&
        errno != EINTR) {
      return system_failure("cannot wait for the commands", errno);
    }
    watch_->collect(fresh_);
    for (Job& job : jobs_) job.listen();
    return {};
  }

  // 0: never. While every place is taken, a job's end is what wakes us.
  [[nodiscard]] std::time_t next_wake() {
    if (!has_room_for_small()) return 0;
    if (passed_over_.empty()) {
      again_pause_ = 1;
      return next_time_;
    }
    if (again_ == 0) {
      again_ = std::time(nullptr) + again_pause_;
      again_pause_ = std::min(2 * again_pause_, look_again);
    }
    return next_time_ == 0 ? again_ : std::min(next_time_, again_);
  }

  // Until a job becomes a long one, if somebody waits for its place; in milliseconds.
  [[nodiscard]] int patience() const {
    if (options_.jobs == 1 || has_room_for_small() || (candidates_.empty() && fresh_.none())) {
      return -1;
    }
    auto soonest = steady_clock::duration::max();
    for (const Job& job : jobs_) {
      if (!is_big(job)) {
        soonest = std::min(soonest, job.since() + long_run - steady_clock::now());
      }
    }
    if (soonest == steady_clock::duration::max()) return -1;
    return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(soonest).count()) + 1;
  }

  // --- finishing

  Result<> finish_jobs() {
    Result<> state;
    for (auto job = jobs_.begin(); job != jobs_.end();) {
      pollfd ended{job->ended(), POLLIN, 0};
      if (poll(&ended, 1, 0) <= 0) {
        ++job;
        continue;
      }
      auto settled = fates_.settle(*job);
      if (!settled && state) state = settled;
      job = jobs_.erase(job);
    }
    return state;
  }

  const Home& home_;
  const Queue& queue_;
  std::vector<std::string> command_;
  const RunOptions& options_;
  EntryFates fates_;
  std::optional<QueueWatch> watch_;
  Result<> state_;

  std::list<Job> jobs_;
  std::deque<std::string> candidates_;  // places
  std::set<std::string> big_;           // places of big entries that wait for a job to end
  std::set<std::string> passed_over_;   // places that others have, or that cannot be opened
  QueueDirectories fresh_;              // directories to be read
  std::size_t next_hash_ = 0;
  std::time_t next_time_ = 0;  // of the soonest directory in later; 0: none
  std::time_t again_ = 0;      // when to look at those passed over
  std::time_t again_pause_ = 1;
};

}  // namespace

Result<RunOptions> run_options(RunNumbers numbers, const Settings& site) {
  for (const auto& [key, given] : {std::pair{"jobs", &numbers.jobs},
                                   {"give-up", &numbers.give_up},
                                   {"pause", &numbers.pause},
                                   {"max-pause", &numbers.max_pause}}) {
    if (*given) continue;
    auto set = site.size(key);
    if (!set) return fail(set);
    *given = *set;
  }
  constexpr std::uint64_t most = 1000;
  for (const auto& [option, given] :
       {std::pair{"--jobs", numbers.jobs}, {"--runners", numbers.runners}}) {
    if (given && (*given == 0 || *given > most)) {
      return retry("{} takes 1 to {}, not {}", option, most, *given);
    }
  }
  RunOptions run;
  constexpr std::uint64_t century = 100ULL * 366 * 86400;
  const auto to_seconds = [&](const auto& given, std::time_t otherwise) {
    return given ? static_cast<std::time_t>(std::min(*given, century)) : otherwise;
  };
  run.stay = numbers.watch         ? Stay::for_ever
             : numbers.until_empty ? Stay::until_empty
                                   : Stay::while_due;
  run.jobs = static_cast<unsigned>(numbers.jobs.value_or(run.jobs));
  run.runners = static_cast<unsigned>(numbers.runners.value_or(run.runners));
  run.give_up = to_seconds(numbers.give_up, run.give_up);
  run.first_pause = std::max<std::time_t>(to_seconds(numbers.pause, run.first_pause), 1);
  run.longest_pause = to_seconds(numbers.max_pause, run.longest_pause);
  return run;
}

Result<Status> run_queue(const Home& home, const Queue& queue,
                         const std::vector<std::string>& command, const RunOptions& options) {
  return QueueRunner(home, queue, command, options).run();
}

}  // namespace ml
