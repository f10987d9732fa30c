// The stages of a pipeline as child processes, joined by pipes, and the one status that they come
// to: what a shell's pipe would be with pipefail, and nothing but 0, 65, 75 or 77.
//
//   auto ending = run_stages(argvs, stage_environment(*home, mail), {*message, *output});
//   if (!ending) return fail(ending);                  // nothing could be started
//   return ending->status;                           // ending->why where no stage can have said it
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/home.hpp"
#include "base/process.hpp"
#include "base/result.hpp"

namespace ml {

// The end of a pipe that stages write into, read while they run, so that what they write can be
// bounded.
struct Tap {
  Fd from;                                     // closed when no more is wanted
  std::function<bool(std::string_view)> take;  // false: no more
};

// Where the first stage reads, the last one writes, and each complains.
struct StageEnds {
  const Fd& input;
  const Fd& output;
  std::span<const Fd> errors = {};  // one a stage; none: our own 2
  std::span<Tap> taps = {};         // of output and errors; only with a `patience`
};

struct StagesEnding {
  Status status = Status::done;
  std::size_t stage = 0;  // the one that failed
  // The stage and how it ended, where that is more than a status of ours with its own words:
  // "the stage 'spamc' was killed by signal 9". Else empty.
  std::string why;
};

// Runs them all and waits for all. The first that failed decides: 65, 75 and 77 are what they are,
// any other status and a signal are 75, and say more than a 75 before them. One that died of
// SIGPIPE, because the one behind it read no further, counts only if no other failed. Those still
// running at the end of `patience` are killed.
[[nodiscard]] Result<StagesEnding> run_stages(
    std::span<const std::vector<std::string>> argvs, const Variables& environment,
    const StageEnds& ends, std::optional<std::chrono::milliseconds> patience = {});

// What a stage may want to know of the mail; empty is left out.
struct StageMail {
  std::string_view list;
  std::string_view role;
  std::string_view recipient;
  std::optional<std::string_view> sender;  // "<>": the null sender
  std::string_view extension;
};

// The whole environment of a stage, whatever ours is: PATH (`programs`, /usr/local/bin, /usr/bin,
// /bin), HOME and ML_HOME (the home), LC_ALL=C.UTF-8; of the mail LIST, ROLE, RECIPIENT, SENDER
// (empty: the null sender) and EXTENSION.
[[nodiscard]] Variables stage_environment(std::string_view programs, std::string_view home,
                                          const StageMail& mail);

}  // namespace ml
