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
//   if (runner_of(*home, "outbound") == Runner::nobody) return retry("nobody runs ...");
//   ...keep the entry, durably...
//   if (auto woken = wake_runner(*home, "outbound"); !woken) return fail(woken);     // 75
#pragma once

#include <string_view>

#include "base/home.hpp"
#include "base/result.hpp"

namespace ml {

enum class Runner {
  held,       // a runner has it
  unit,       // an installed unit of systemd names it: it is run, or will be when that starts
  startable,  // wake_runner() can start one
  nobody,     // an entry would lie there until a person comes
};

// Looks without locking or starting anything. Any name may be asked for.
[[nodiscard]] Runner runner_of(const Home& home, std::string_view queue);

// Called after an entry was kept: starts a runner where there is none and no unit. Where this fails
// the entry is safe all the same, and the caller answers 75: the same message again is the same
// entry (its name is its id). Nobody: 75 that says what to do.
[[nodiscard]] Result<> wake_runner(const Home& home, std::string_view queue);

// After a reboot, or where runners were killed: starts one for each queue that runs by itself, has
// entries that wait and nobody who runs it. What cannot be started waits for the next message.
// wake_runner() does so too where it has to start a runner.
void wake_runners(const Home& home);

// 75, with what to do, where runner_of() says nobody; to be asked before anything is stored.
[[nodiscard]] Result<> check_runner(const Home& home, std::string_view queue);

}  // namespace ml
