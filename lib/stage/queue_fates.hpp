// What becomes of an entry whose command has ended, or that has waited for too long: the arrows of
// the table in queue/queue.hpp, as ml-queue run takes them by exit status and age (queue_run.hpp).
//
//   EntryFates fates(home, queue, options);
//   if (fates.is_too_old(*taken)) return fates.give_up(*taken);
//   auto job = Job::start(queue, *taken, command);
//   ...it ends...
//   return fates.settle(*job);
#pragma once

#include <ctime>
#include <optional>
#include <string>

#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/queue.hpp"
#include "stage/queue_job.hpp"
#include "stage/queue_run.hpp"

namespace ml {

class EntryFates {
 public:
  // All of them must outlive it.
  EntryFates(const Home& home, const Queue& queue, const RunOptions& options)
      : home_(home), queue_(queue), options_(options) {}

  // Of a job that has ended. A failure is the runner's, not the entry's.
  [[nodiscard]] Result<> settle(Job& job);
  // 75 when three entries running have failed in the same way before they were read.
  [[nodiscard]] Result<> put_off(const Taken& taken, const JobEnding& ending);
  [[nodiscard]] bool is_too_old(const Taken& taken) const;
  [[nodiscard]] Result<> give_up(const Taken& taken);

 private:
  [[nodiscard]] Result<> put_off_rest(const Taken& taken, const JobEnding& ending);
  [[nodiscard]] Result<> move_to_failed(const Taken& taken, const std::string& reason);
  [[nodiscard]] std::time_t growing(const Taken& taken) const;
  [[nodiscard]] std::time_t pause(const Taken& taken) const;

  const Home& home_;
  const Queue& queue_;
  const RunOptions& options_;
  std::optional<Queue> failed_;
  unsigned failures_ = 0;  // at once, the same, running
  std::string last_failure_;
};

}  // namespace ml
