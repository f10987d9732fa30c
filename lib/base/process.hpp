// This process's own beginnings, and the children it starts.
//
//   auto child = spawn({"grep", "-v", "@test.invalid"}, *input, *output);
//   auto ended = wait_for(*child);           // ended->status, ended->signal
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace ml {

// Called first by every main: names the program, sets umask 077, ignores SIGPIPE and SIGXFSZ
// (writes are checked instead), makes sure that using a descriptor of 0 to 2 that was closed fails
// and meets no file of ours, refuses to run set-id.
[[nodiscard]] Result<> start(std::string_view program);

struct Ending {
  int status = 0;  // the exit status, if no signal ended it
  int signal = 0;
};

// Starts argv[0], found along PATH unless it has a slash, with these as its descriptors 0 and 1,
// and `errors` as its 2. The child has SIGPIPE and SIGXFSZ back at their defaults and no signal
// blocked. A program that cannot be started is 75.
[[nodiscard]] Result<pid_t> spawn(const std::vector<std::string>& argv, const Fd& input,
                                  const Fd& output, int errors = 2);

[[nodiscard]] Result<Ending> wait_for(pid_t child);

}  // namespace ml
