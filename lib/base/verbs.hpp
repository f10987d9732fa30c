// Tools of several verbs, such as `ml-store add` and `ml-store remove`: a table of verbs, each with
// a command line of its own; all of them work on a home.
//
//   Result<Status> count(VerbLine& line) {
//     std::string list;
//     line.options("LIST", "Counts the subscribers.", "ml-store count news@x.org")
//         .operand(list, "LIST");
//     return line.run([&](const Home& home, Out& out) { return count(home, list, out); });
//   }
//   constexpr std::array verbs{Verb{"count", count, "LIST", "how many there are"}};
//
//   return leave(run_verb({"ml-store", "The subscribers.", "ml-store count news@x.org"}, verbs,
//                         argc, argv));
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/home.hpp"
#include "base/options.hpp"
#include "base/out.hpp"
#include "base/result.hpp"

namespace ml {

// The command line of one verb, --home among its options.
class VerbLine {
 public:
  // `words`: the verb and what follows it. `misuse`: the status of a line that makes no sense.
  VerbLine(std::string_view program, std::span<const char* const> words, Status misuse)
      : program_(program), words_(words), misuse_(misuse) {}

  // Called once, first: what the verb's --help says, to which its options are added.
  [[nodiscard]] Options& options(std::string synopsis, std::string purpose, std::string example);

  // Reads the line, opens the home and calls work(home, out) -> Result<Status>; `out` is standard
  // output, and what is in it is written even if the work failed.
  template <class Work>
  [[nodiscard]] Result<Status> run(const Work& work, Create create = Create::no) {
    const auto read = options_->read(static_cast<int>(words_.size()), words_.data());
    if (!read) return fail(read);
    if (*read) return **read;
    const auto home = open_home(home_, create);
    if (!home) return fail(home);
    Out out(1, "standard output");
    const Result<Status> status = work(*home, out);
    if (auto flushed = out.flush(); !flushed && status) return fail(flushed);
    return status;
  }

 private:
  std::string_view program_;
  std::span<const char* const> words_;
  Status misuse_;
  std::optional<std::string> home_;
  std::optional<Options> options_;
};

struct Verb {
  std::string_view name;
  Result<Status> (*run)(VerbLine& line);
  std::string_view operands;  // for the tool's own --help
  std::string_view purpose;
  Status misuse = Status::usage;
};

struct Tool {
  std::string_view name;
  std::string_view purpose;
  std::string_view example;
  Status misuse = Status::usage;
};

// Runs the verb that argv[1] names; --help and --version without a verb are the tool's own.
[[nodiscard]] Result<Status> run_verb(const Tool& tool, std::span<const Verb> verbs, int argc,
                                      const char* const* argv);

}  // namespace ml
