#include "stage/pipeline_check.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/process.hpp"
#include "base/text.hpp"
#include "list/pipeline.hpp"
#include "stage/stages.hpp"

namespace ml {
namespace {

constexpr std::array<std::string_view, 8> keys = {"post",    "bounces",   "outbound",    "owner",
                                                  "request", "subscribe", "unsubscribe", "confirm"};

// They write a stream, which nobody reads behind the last stage.
constexpr std::array<std::string_view, 7> filters = {
    "ml-receive", "ml-expand", "ml-sort", "ml-verp", "ml-rcpts", "ml-edit", "ml-bounce"};

bool is_program(const std::string& name, std::string_view programs) {
  const auto found = find_program(name, stage_environment(programs, {}, {}));
  return found && access(found->c_str(), X_OK) == 0;
}

bool delivers_nothing(const std::vector<std::string>& argv) {
  const std::string& name = argv.front();
  return !shell_line(argv) &&
         std::ranges::find(filters, name.substr(name.rfind('/') + 1)) != filters.end();
}

// ml-expand, also as in "nice ml-expand --tag staff", that neither --to nor a LIST tells whom. What
// goes through the shell may name it in any way.
bool expands_list_of_section(const std::string& stage, std::string_view programs) {
  const auto argv = stage_to_argv(stage, {programs, {}});
  if (shell_line(argv)) return false;
  auto word = std::ranges::find_if(argv, [](const std::string& name) {
    return name.substr(name.rfind('/') + 1) == "ml-expand";
  });
  if (word == argv.end()) return false;
  bool is_value = false;  // of the option before it
  for (++word; word != argv.end(); ++word) {
    const bool is_option = !is_value && word->starts_with("-");
    if (!is_option && !is_value) return false;
    if (is_option && (*word == "--to" || word->starts_with("--to="))) return false;
    is_value =
        is_option && *word != "--" && *word != "--merge" && word->find('=') == std::string::npos;
  }
  return true;
}

void check_one(std::string_view key, const Stages& stages, std::string_view programs,
               std::vector<std::string>& faults) {
  for (const std::string& stage : stages) {
    const auto argv = stage_to_argv(stage, {programs, {}});
    if (shell_line(argv) || is_program(argv.front(), programs)) continue;
    faults.push_back(fmt::format("pipeline.{}: there is no program {}", key,
                                 printable(words(stage).front(), 80)));
  }
  for (const std::string& stage : stages) {
    if (key == "post" || !expands_list_of_section(stage, programs)) continue;
    const std::string text = printable(stage, 80);
    faults.push_back(
        fmt::format("pipeline.{}: '{}' there is for no subscribers: give it --to FILE or a "
                    "LIST, as in: {} news@x.org",
                    key, text, text));
  }
  const Stages after = split_pipeline(stages).after;
  if (after.empty()) {
    faults.push_back(
        fmt::format("pipeline.{}: nothing delivers what passes ml-receive: it ends "
                    "with ml-expand, ml-verp, ml-send where they are not left out",
                    key));
  } else if (delivers_nothing(stage_to_argv(after.back(), {programs, {}}))) {
    faults.push_back(
        fmt::format("pipeline.{}: '{}' at its end delivers nothing: put ml-send "
                    "behind it",
                    key, printable(after.back(), 80)));
  }
}

// ml-send without --via, in whatever words.
bool sends_by_site(std::string_view stage) {
  return stage.find("ml-send") != std::string_view::npos &&
         stage.find("--via") == std::string_view::npos;
}

}  // namespace

bool sends_by_relays_of_site(const Settings& settings) {
  return std::ranges::any_of(keys, [&](std::string_view key) {
    return std::ranges::any_of(pipeline_of(settings, key), sends_by_site);
  });
}

std::vector<std::string> pipeline_faults(const Settings& settings, std::string_view programs) {
  std::vector<std::string> faults;
  for (const std::string_view key : keys) {
    const auto set = settings.many(fmt::format("pipeline.{}", key));
    if (!set) continue;
    if (set->empty()) {
      faults.push_back(fmt::format("pipeline.{} has no stage: nothing takes its mail", key));
    } else {
      check_one(key, *set, programs, faults);
    }
  }
  return faults;
}

}  // namespace ml
