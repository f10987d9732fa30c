// ml-queue run: feeds each due entry of a queue to a command.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "base/home.hpp"
#include "base/result.hpp"
#include "list/settings.hpp"
#include "queue/queue.hpp"

namespace ml {

// How long a runner stays.
enum class Stay {
  while_due,    // until nothing is due
  until_empty,  // until nothing is due or waits for its time; held entries do not count
  for_ever,
};

struct RunOptions {
  unsigned jobs = 4;     // commands at a time
  unsigned runners = 1;  // processes at a time; one more leaves with 0
  Stay stay = Stay::while_due;
  std::time_t give_up = 432000;  // an entry older than this has failed
  std::time_t first_pause = 60;  // then as long as the entry is old
  std::time_t longest_pause = 3600;
  std::uint64_t small = std::uint64_t{1} << 20;  // an entry of more octets is big
};

// What a command line of ml-queue run gave.
struct RunNumbers {
  bool watch = false;
  bool until_empty = false;
  std::optional<std::uint64_t> jobs, runners, give_up, pause, max_pause;
};

// Where the line says nothing, the settings of the site (jobs, give-up, pause, max-pause) do. 75
// for a number that cannot be.
[[nodiscard]] Result<RunOptions> run_options(RunNumbers numbers, const Settings& site);

// Runs `command` (argv; one word with blanks or shell characters goes through sh -c) with each
// due entry as its stdin. By its exit status:
//
//   0       what the command wrote goes to our stdout, and the entry is done with; where that
//           cannot be written the entry stays and the runner leaves with 75
//   65, 77  the entry moves to the queue `failed`, with the last line of stderr as the reason
//   75      put off; an ml-stream on its stdout, whole, is what is left and replaces the entry
//   others, and a signal: put off
//
// Put off, an entry that keeps what is left of a message loses who is delivered or refused by now
// (stage/entry_rest.hpp).
//
// An entry older than `give_up` has failed when its time comes: to the queue `failed` too, but for
// those sections of a stream that have a list and recipients: they go to the queue `bounces` with
// status=4.4.7 at each recipient whom no journal has as delivered, and what else the stream has is
// an entry by itself that fails next. Where a journal is damaged nobody knows who has the message:
// all of the entry goes to `failed`, and nobody is told.
//
// Of `jobs` places one is kept from entries that are big or whose command has run for ten
// seconds; if all the same every place is taken by such, there is one more for a small entry. With
// jobs = 1 the entries go strictly one after another.
//
// Three entries running on which the command fails the same way without reading them: 75, the
// command is at fault. SIGTERM, SIGINT: takes no more, lets the commands finish, leaves; the second
// of a kind ends it there and then, and its commands keep their entries locked. A queue that is
// moved or removed ends its runner.
[[nodiscard]] Result<Status> run_queue(const Home& home, const Queue& queue,
                                       const std::vector<std::string>& command,
                                       const RunOptions& options);

}  // namespace ml
