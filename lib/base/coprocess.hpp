// A command run as a filter inside this process: octets in, octets out, never a deadlock.
//
// While we write to it we also take what it says, so that neither waits for the other. A command
// that stops reading early (head) is no failure: what it will not have is dropped.
//
//   auto command = Coprocess::start({"grep", "-v", "@test.invalid"});
//   command->feed(lines, take);                  // take(octets) is called as output comes
//   auto ending = command->finish(take);         // closes its input, takes the rest, waits
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/process.hpp"
#include "base/result.hpp"

namespace ml {

class Coprocess {
 public:
  // Gets each piece of output; the view is valid during the call.
  using Take = std::function<void(std::string_view)>;

  [[nodiscard]] static Result<Coprocess> start(const std::vector<std::string>& argv);

  // An unfinished command is left to see the end of its input.
  Coprocess(Coprocess&&) = default;
  Coprocess& operator=(Coprocess&&) = default;

  [[nodiscard]] Result<> feed(std::string_view octets, const Take& take);
  [[nodiscard]] Result<Ending> finish(const Take& take);

 private:
  Coprocess(pid_t child, Fd to, Fd from)
      : child_(child), to_(std::move(to)), from_(std::move(from)) {}

  [[nodiscard]] Result<> take_some(const Take& take);
  [[nodiscard]] Result<> give_some(std::string_view& octets);

  pid_t child_;
  Fd to_;
  Fd from_;
};

}  // namespace ml
