// ml-run: the one program that a mail server calls, and the one that a queue's runner calls.
//
//   RunTask task{.list = "news@x.org", .role = "bounces"};       // or .recipients of the envelope
//   return run(task, 0);
//
// From a mail server, in this order; killed at any step the message is there once or the mail
// server has it still:
//
//   | step | what                                                     | killed after it           |
//   | ---- | -------------------------------------------------------- | ------------------------- |
//   | 1    | home, store, settings; who it is for                     | the server tries again    |
//   | 2    | the message read, judged, written to a draft             | again; the draft is litter|
//   | 3    | the draft synced, renamed, its directory synced          | again: the same entry     |
//   | 4    | a runner found, or started and running                   | again: the same entry     |
//   | 5    | exit 0                                                   |                           |
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "mail/envelope.hpp"

namespace ml {

// What the command line and the environment said.
struct RunTask {
  std::optional<std::string> home;
  // LIST and ROLE of the command line. Without LIST the recipients decide; without ROLE the first
  // of them that is the list's says it, else it is post.
  std::optional<std::string> list;
  std::optional<std::string> role;
  std::vector<std::string> recipients;  // of the envelope, likeliest first
  SenderSources sender;
};

// Takes one message from `input`, for one recipient. 65 and 77 as ml-receive says, and 65 with
// 5.1.1 for a recipient that is no list's; a list that the command line names and that is not there
// is 75.
[[nodiscard]] Result<Status> run(const RunTask& task, int input);

// Runs what is left of the way of an entry of `queue` (intake.hpp), which is on `input`: for what
// has passed ml-receive the stages behind it of its role's, for others all of their role's; for the
// queue outbound those of [pipeline] outbound, whatever role it came to; a stream of refused
// recipients goes to the stages of bounces. What the last stage writes goes to `output`.
[[nodiscard]] Result<Status> run_entry(const std::optional<std::string>& home,
                                       std::string_view queue, const Fd& input, const Fd& output);

}  // namespace ml
