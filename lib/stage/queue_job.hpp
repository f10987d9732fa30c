// One entry of a queue in the hands of the command that a runner feeds.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/process.hpp"
#include "base/result.hpp"
#include "queue/entry.hpp"
#include "queue/queue.hpp"

namespace ml {

// What a command made of its entry.
struct JobEnding {
  enum class Kind {
    done,    // exit 0
    failed,  // 65 or 77: the message's fault, no use in trying again
    left,    // 75, and on its stdout a whole ml-stream of what is left
    later,   // anything else
  };
  Kind kind = Kind::later;
  // One line: what the command said last on stderr, or how it ended.
  std::string reason;
  // It said why, and ended without a look at its input: a mistake in the command line, a missing
  // program. The next entry would fare the same.
  bool at_once = false;
};

class Job {
 public:
  // Starts the command with the entry as its stdin, by the very descriptor that holds the lock:
  // a command that outlives us still has its entry to itself. What it writes goes to a draft.
  // `taken` is moved from where it started; where this fails nothing runs.
  [[nodiscard]] static Result<Job> start(const Queue& queue, Taken& taken,
                                         const std::vector<std::string>& command);

  [[nodiscard]] const Taken& taken() const { return taken_; }
  [[nodiscard]] const QueueEntry& output() const { return output_; }
  [[nodiscard]] int ended() const { return ended_.get(); }    // readable when it has ended
  [[nodiscard]] int errors() const { return errors_.get(); }  // readable when it speaks; or -1
  [[nodiscard]] std::chrono::steady_clock::time_point since() const { return since_; }

  // Passes on to the log what the command says, by whole lines, and remembers the last one.
  void listen();
  // Once, when ended() is readable.
  [[nodiscard]] Result<JobEnding> finish();
  // What the command wrote, to our stdout.
  [[nodiscard]] Result<> pass_output() const;

 private:
  Job(Taken taken, QueueEntry output, Fd errors, pid_t child, Fd ended);

  void take_lines(std::string_view octets);
  [[nodiscard]] bool output_is_stream() const;

  Taken taken_;
  QueueEntry output_;
  Fd errors_;
  pid_t child_;
  Fd ended_;
  std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
  std::string partial_;
  std::string last_line_;
};

}  // namespace ml
