#include "base/options.hpp"

// CLI11 includes <iostream> for what it never prints here. Its streams would be made ready at
// every start, a tenth of what a filter costs before it begins: so it finds them declared only.
#define _GLIBCXX_IOSTREAM 1  // NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
#include <istream>
#include <ostream>
namespace std {             // NOLINT(cert-dcl58-cpp)
extern istream cin;         // NOLINT(readability-redundant-declaration)
extern ostream cout, cerr;  // NOLINT(readability-redundant-declaration)
}  // namespace std
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <span>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "base/version.hpp"

namespace ml {
namespace {

// "--max-wait,-w" -> "max-wait"
std::string_view long_name(std::string_view names) {
  names = names.substr(0, names.find(','));
  names.remove_prefix(std::min(names.find_first_not_of('-'), names.size()));
  return names;
}

std::string shown_names(const std::string& names, const std::string& value) {
  const auto comma = names.find(',');
  std::string shown =
      comma == std::string::npos ? names : names.substr(comma + 1) + ", " + names.substr(0, comma);
  return value.empty() ? shown : shown + ' ' + value;
}

// A `|` that no shell has eaten. Behind `--` it may be an argument of the command there
// (awk -F '|'), unless one of our filters follows it.
bool has_bare_pipe(std::span<const char* const> arguments) {
  bool in_rest = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--") in_rest = true;
    if (argument != "|") continue;
    if (!in_rest) return true;
    if (i + 1 == arguments.size()) return true;
    const std::string_view next = arguments[i + 1];
    if (next.substr(next.rfind('/') + 1).starts_with("ml-")) return true;
  }
  return false;
}

// CLI11 takes [a,b] apart and sees no value in `--name=`. A mark in front of each value that
// might be one keeps it whole; unmarked() takes it off again.
constexpr char mark = '\x01';

std::string marked(std::string_view argument) {
  if (argument.starts_with("[")) return mark + std::string(argument);
  std::string result(argument);
  if (const auto equals = result.find('=');
      equals != std::string::npos && result.starts_with("--")) {
    result.insert(equals + 1, 1, mark);
  }
  return result;
}

std::vector<std::string> unmarked(std::vector<std::string> values) {
  for (std::string& value : values) {
    if (value.starts_with(mark)) value.erase(0, 1);
  }
  return values;
}

}  // namespace

std::optional<std::uint64_t> text_to_size(std::string_view text) {
  if (text.empty()) return std::nullopt;
  unsigned shift = 0;
  switch (to_lower(text.back())) {
    case 'k': shift = 10; break;
    case 'm': shift = 20; break;
    case 'g': shift = 30; break;
    case 't': shift = 40; break;
    default: break;
  }
  if (shift > 0) text.remove_suffix(1);
  const auto value = number(text);
  if (!value || *value > std::numeric_limits<std::uint64_t>::max() >> shift) return std::nullopt;
  return *value << shift;
}

Options::Options(std::string command, std::string synopsis, std::string purpose,
                 std::string example, Status misuse)
    : command_(std::move(command)),
      synopsis_(std::move(synopsis)),
      purpose_(std::move(purpose)),
      example_(std::move(example)),
      misuse_(misuse) {}

Options& Options::flag(bool& to, std::string names, std::string help) {
  options_.push_back({&to, std::move(names), {}, std::move(help)});
  return *this;
}
Options& Options::text(std::optional<std::string>& to, std::string names, std::string value,
                       std::string help) {
  options_.push_back({&to, std::move(names), std::move(value), std::move(help)});
  return *this;
}
Options& Options::many(std::vector<std::string>& to, std::string names, std::string value,
                       std::string help) {
  options_.push_back({&to, std::move(names), std::move(value), std::move(help)});
  return *this;
}
Options& Options::number(std::optional<std::uint64_t>& to, std::string names, std::string value,
                         std::string help) {
  options_.push_back({&to, std::move(names), std::move(value), std::move(help)});
  return *this;
}
Options& Options::size(std::optional<std::uint64_t>& to, std::string names, std::string value,
                       std::string help) {
  options_.push_back({&to, std::move(names), std::move(value), std::move(help), true});
  return *this;
}
Options& Options::operand(std::string& to, std::string name) {
  operands_.push_back({&to, std::move(name)});
  return *this;
}
Options& Options::optional_operand(std::optional<std::string>& to, std::string name) {
  operands_.push_back({&to, std::move(name)});
  return *this;
}
Options& Options::operands(std::vector<std::string>& to, std::string name) {
  operands_.push_back({&to, std::move(name)});
  return *this;
}
Options& Options::rest(std::vector<std::string>& to, std::string name) {
  rest_ = &to;
  operands_.push_back({static_cast<std::vector<std::string>*>(nullptr), std::move(name)});
  return *this;
}

// An environment variable for an option of many values holds words.
std::vector<std::string> Options::environment_values(const Target& to, const std::string& text) {
  if (!std::holds_alternative<std::vector<std::string>*>(to)) return {text};
  const auto found = words(text);
  return {found.begin(), found.end()};
}

Failure Options::misused(std::string_view why) const {
  return failure(misuse_, "{} (see {} --help)", why, command_);
}

// What stands left and right on each line, the left ones all of one width.
std::vector<std::pair<std::string, std::string>> Options::help_lines() const {
  std::vector<std::pair<std::string, std::string>> lines;
  std::string names;
  for (auto option = options_.begin(); option != options_.end(); ++option) {
    const bool shares = option->help.empty() && option + 1 != options_.end();
    const bool same_value = shares && option->value == (option + 1)->value;
    names += shown_names(option->names, same_value ? "" : option->value);
    names += shares ? ", " : "";
    if (!shares) lines.emplace_back(std::exchange(names, {}), option->help);
  }
  lines.emplace_back("--help, --version", "print this, or the version, and leave");
  const auto widest =
      std::ranges::max_element(lines, {}, [](const auto& line) { return line.first.size(); });
  const std::size_t width = widest->first.size();
  for (auto& line : lines) line.first.resize(width, ' ');
  return lines;
}

std::string Options::help() const {
  std::string text = fmt::format("Usage: {} {}\n{}\n\n", command_, synopsis_, purpose_);
  for (const auto& [names, what] : help_lines()) text += fmt::format("  {}  {}\n", names, what);
  const auto program = command_.substr(0, command_.find(' '));
  text += fmt::format("\nExample:\n  {}\n\nThe manual: man {}\n", example_, program);
  return text;
}

std::optional<std::string> Options::from_environment(const Option& option) const {
  if (long_name(option.names) == "home") return std::nullopt;  // ML_HOME is base/home's
  std::string name = command_.substr(0, command_.find(' ')) + '_';
  name += long_name(option.names);
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(is_alpha(c) ? to_lower(c) - 32 : c);
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || trim(value).empty()) return std::nullopt;
  return value;
}

Result<> Options::take(const Option& option, const std::vector<std::string>& values) const {
  if (auto* const* const flag = std::get_if<bool*>(&option.to)) {
    **flag = values.empty() || (values.back() != "0" && values.back() != "no");
  } else if (auto* const* const text = std::get_if<std::optional<std::string>*>(&option.to)) {
    **text = values.back();
  } else if (auto* const* const many = std::get_if<std::vector<std::string>*>(&option.to)) {
    **many = values;
  } else {
    const auto value =
        option.is_size ? text_to_size(values.back()) : ml::number<std::uint64_t>(values.back());
    if (!value) {
      return misused(fmt::format("--{} takes a {}, not '{}'", long_name(option.names),
                                 option.is_size ? "size such as 64M" : "number", values.back()));
    }
    *std::get<std::optional<std::uint64_t>*>(option.to) = value;
  }
  return {};
}

Result<> Options::take_operands(const std::vector<std::string>& values) const {
  std::size_t next = 0;
  for (const Operand& operand : operands_) {
    if (auto* const* const one = std::get_if<std::string*>(&operand.to)) {
      if (next == values.size()) return misused(fmt::format("{} is missing", operand.name));
      **one = values[next++];
    } else if (auto* const* const maybe = std::get_if<std::optional<std::string>*>(&operand.to)) {
      if (next < values.size()) **maybe = values[next++];
    } else if (auto* const all = std::get<std::vector<std::string>*>(operand.to)) {
      all->assign(values.begin() + static_cast<std::ptrdiff_t>(next), values.end());
      next = values.size();
    }
  }
  if (next == values.size()) return {};
  return misused(fmt::format("'{}' is one operand too many{}", values[next],
                             rest_ ? "; the command goes after --" : ""));
}

Result<std::optional<Status>> Options::read(int argc, const char* const* argv) {
  std::span<const char* const> arguments(argv, static_cast<std::size_t>(argc));
  arguments = arguments.subspan(arguments.empty() ? 0 : 1);
  if (has_bare_pipe(arguments)) {
    return retry(
        "'|' came as an operand: whoever started this has no shell; "
        "start the pipeline with /bin/sh -c '... | ...'");
  }
  if (rest_) {
    const auto dashes = std::ranges::find(arguments, std::string_view("--"));
    if (dashes != arguments.end()) rest_->assign(dashes + 1, arguments.end());
    arguments = arguments.first(static_cast<std::size_t>(dashes - arguments.begin()));
  }

  CLI::App app;
  app.set_help_flag();
  bool wants_help = false;
  bool wants_version = false;
  app.add_flag("--help", wants_help);
  app.add_flag("--version", wants_version);
  std::vector<std::vector<std::string>> values(options_.size());
  std::vector<CLI::Option*> given;
  given.reserve(options_.size());
  for (std::size_t i = 0; i < options_.size(); ++i) {
    given.push_back(options_[i].value.empty()
                        ? app.add_flag(options_[i].names)->disable_flag_override()
                        : app.add_option(options_[i].names, values[i])
                              ->expected(1)
                              ->allow_extra_args(false)
                              ->take_all());
  }
  std::vector<std::string> operands;
  app.add_option("operands", operands);
  try {
    std::vector<std::string> reversed;  // as CLI11 wants them
    reversed.reserve(arguments.size());
    for (std::size_t i = arguments.size(); i > 0; --i) reversed.push_back(marked(arguments[i - 1]));
    app.parse(std::move(reversed));
  } catch (const CLI::Error& error) {
    return misused(error.what());
  }
  if (wants_help || wants_version) {
    const std::string answer =
        wants_help ? help() : fmt::format("{} (mlpipe) {}\n", command_, version);
    if (auto written = write_all(1, answer, "standard output"); !written) return fail(written);
    return Status::done;
  }
  for (std::size_t i = 0; i < options_.size(); ++i) {
    Result<> taken;
    if (given[i]->count() > 0) {
      taken = take(options_[i], unmarked(values[i]));
    } else if (const auto set = from_environment(options_[i])) {
      taken = take(options_[i], environment_values(options_[i].to, *set));
    }
    if (!taken) return fail(taken);
  }
  if (auto taken = take_operands(unmarked(operands)); !taken) return fail(taken);
  if (rest_ && rest_->empty()) return misused("the command is missing: it goes after --");
  return std::nullopt;
}

}  // namespace ml
