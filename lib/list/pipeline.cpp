#include "list/pipeline.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::string_view shell_marks = "|&;<>()$`\\\"'*?[]{}#~\n";

bool needs_shell(std::string_view stage) {
  if (stage.find_first_of(shell_marks) != std::string_view::npos) return true;
  const auto all = words(stage);
  return !all.empty() && all.front().find('=') != std::string_view::npos;  // NAME=value command
}

// In whatever words: "nice ml-receive", "/usr/bin/ml-receive", "ml-receive $LIST | tee copy".
bool is_receive(std::string_view stage) {
  return std::ranges::any_of(words(stage), [](std::string_view word) {
    return word.substr(word.rfind('/') + 1) == "ml-receive";
  });
}

}  // namespace

Stages pipeline_of(const Settings& settings, std::string_view key) {
  if (auto set = settings.many("pipeline." + std::string(key))) return std::move(*set);
  if (key == "post") return {"ml-receive", "ml-expand", "ml-verp", "ml-send"};
  if (key == "bounces") return {"ml-bounce", "ml-send"};
  if (key == "outbound") return {"ml-send"};
  return {};
}

Pipeline split_pipeline(Stages stages) {
  const auto receive = std::ranges::find_if(stages, is_receive);
  if (receive == stages.end()) return {{}, std::move(stages)};
  return {{stages.begin(), receive + 1}, {receive + 1, stages.end()}};
}

bool is_plain_receive(const Stages& inside) {
  return inside.size() == 1 && trim(inside.front()) == "ml-receive";
}

std::vector<std::string> stage_to_argv(const std::string& stage, const StageTerms& terms) {
  if (needs_shell(stage)) return {"/bin/sh", "-c", stage};
  std::vector<std::string> argv;
  for (const std::string_view word : words(stage)) argv.emplace_back(word);
  if (argv.empty()) return {"/bin/sh", "-c", ":"};
  const bool wants_list = argv.front() == "ml-receive" || argv.front() == "ml-bounce";
  if (wants_list && !terms.list.empty() && std::ranges::find(argv, terms.list) == argv.end()) {
    argv.emplace_back(terms.list);
  }
  if (argv.front().starts_with("ml-")) argv.front().insert(0, std::string(terms.programs) + '/');
  return argv;
}

std::optional<std::string_view> shell_line(const std::vector<std::string>& argv) {
  if (argv.size() != 3 || argv.front() != "/bin/sh") return std::nullopt;
  return argv.back();
}

}  // namespace ml
