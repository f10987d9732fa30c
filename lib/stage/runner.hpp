// Who runs a queue: a queue is a hand-over only where somebody does.
//
// The queues that run by themselves are post, bounces, outbound and those of the other roles
// (request, subscribe ...): `ml-run --from QUEUE` knows what each one's entries go through. Where
// no unit of systemd holds such a queue, the first entry starts a runner,
//
//   ml-queue run QUEUE --until-empty --log WHERE -- ml-run --from QUEUE
//
// detached from whoever stored the entry, in the home. It sleeps while entries wait for their time,
// wakes for a new one or when one is due, and ends when the queue is empty.
//
//   auto queue = open_run_queue(*home, "outbound");                                  // 75: nobody
//   ...keep the entry, durably...
//   if (auto woken = wake_runner(*home, *queue); !woken) return fail(woken);         // 75
#pragma once

#include <string_view>

#include "base/home.hpp"
#include "base/result.hpp"
#include "queue/queue.hpp"

namespace ml {

enum class Runner {
  held,       // a runner has it
  unit,       // an installed unit of systemd names it: it is run, or will be when that starts
  startable,  // wake_runner() can start one
  nobody,     // an entry would lie there until a person comes
};

// Looks without locking or starting anything. Any name may be asked for.
[[nodiscard]] Runner runner_of(const Home& home, std::string_view queue);
[[nodiscard]] Runner runner_of(const Home& home, const Queue& queue);

// A queue to hand over to, made if it is not there; 75, with what to do, where nobody runs it.
[[nodiscard]] Result<Queue> open_run_queue(const Home& home, std::string_view queue);

// Called after an entry was kept: starts a runner where there is none and no unit. Where this fails
// the entry is safe all the same, and the caller answers 75: the same message again is the same
// entry (its name is its id). Nobody: 75 that says what to do.
[[nodiscard]] Result<> wake_runner(const Home& home, const Queue& queue);
[[nodiscard]] Result<> wake_runner(const Home& home, std::string_view queue);

// After a reboot, or where runners were killed: starts one for each queue that runs by itself, has
// entries that wait and nobody who runs it. What cannot be started waits for the next message.
// wake_runner() does so too where it has to start a runner.
void wake_runners(const Home& home);

}  // namespace ml
