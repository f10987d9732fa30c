// What the mail of a role goes through: [pipeline] of the settings, a string a stage.
//
//   [pipeline]
//   post = ["ml-receive", "ml-rcpts -- grep -v @test.invalid", "ml-verp", "ml-send"]
//
// Up to and with ml-receive it runs while the mail server waits, so that its verdict can be told
// there; the rest runs from a queue. A role without ml-receive runs from its queue altogether.
//
//   const auto stages = pipeline_of(settings, "post");
//   const Pipeline both = split_pipeline(stages);
//   stage_to_argv("ml-rcpts -- cat", {.programs = "/usr/bin", .list = "news@x.org"})
//     -> {"/usr/bin/ml-rcpts", "--", "cat"}
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "list/settings.hpp"

namespace ml {

using Stages = std::vector<std::string>;

// The setting `pipeline.KEY`, else its default: of post ml-receive, ml-expand, ml-verp, ml-send; of
// bounces ml-bounce, ml-send; of outbound ml-send; of all others none.
[[nodiscard]] Stages pipeline_of(const Settings& settings, std::string_view key);

struct Pipeline {
  Stages inside;  // while the mail server waits: up to and with ml-receive, or nothing
  Stages after;
};
[[nodiscard]] Pipeline split_pipeline(Stages stages);

// True if all that happens inside is ml-receive without options.
[[nodiscard]] bool is_plain_receive(const Stages& inside);

struct StageTerms {
  std::string_view programs;  // the directory of our programs, where those named ml-* are
  std::string_view list;      // its posting address; empty: none
};
// The command of a stage. One with characters of the shell goes through /bin/sh -c; else blanks
// part its words, and ml-receive and ml-bounce are told the list behind them, if they do not name
// it.
[[nodiscard]] std::vector<std::string> stage_to_argv(const std::string& stage,
                                                     const StageTerms& terms);
// The line for the shell that such a command is; nothing: it is a program and its operands.
[[nodiscard]] std::optional<std::string_view> shell_line(const std::vector<std::string>& argv);

}  // namespace ml
