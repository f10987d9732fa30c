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

// The value of an environment variable; nothing if it is not set.
[[nodiscard]] std::optional<std::string> environment_variable(const char* name);

struct Ending {
  int status = 0;  // the exit status, if no signal ended it
  int signal = 0;
};

// NAME=value each.
using Variables = std::vector<std::string>;

// A name without a slash along the PATH of `environment`; nothing where it is nowhere. An empty
// element of it, the directory that a shell works in, is none of ours.
[[nodiscard]] std::optional<std::string> find_program(const std::string& name,
                                                      const Variables& environment);

// Starts argv[0], found along PATH unless it has a slash, with these as its descriptors 0 and 1,
// and `errors` as its 2. The child has SIGPIPE and SIGXFSZ back at their defaults and no signal
// blocked. A program that cannot be started is 75.
[[nodiscard]] Result<pid_t> spawn(const std::vector<std::string>& argv, const Fd& input,
                                  const Fd& output, int errors = 2);
// The same with this environment instead of our own, its PATH too.
[[nodiscard]] Result<pid_t> spawn(const std::vector<std::string>& argv, const Fd& input,
                                  const Fd& output, int errors, const Variables& environment);

// Starts argv[0], a path, as a process of its own: in a session of its own, a child of nobody, with
// no descriptor of ours, /dev/null as 0 and 1, `errors` as 2, in `directory`, every signal at its
// default. True when the program has begun; 75 where it cannot be started.
[[nodiscard]] Result<> spawn_detached(const std::vector<std::string>& argv, const Fd& errors,
                                      const std::string& directory, const Variables& environment);

[[nodiscard]] Result<Ending> wait_for(pid_t child);

}  // namespace ml
