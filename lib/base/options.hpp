// Command lines: GNU long options, environment, help that fits a screen. The only door to CLI11.
//
// An option not on the command line is looked up in the environment as ML_<COMMAND>_<OPTION>
// (ML_SEND_VIA for ml-send's --via; of many values, words; of a flag, 0 or no for off; empty is
// as good as unset). Settings and defaults are the caller's: what was given in neither place
// leaves its variable untouched.
//
//   std::optional<std::string> by;
//   Options options("ml-sort", "[OPTION...]", "Orders the recipients of each section.",
//                   "ml-expand --to people.csv <mail.eml | ml-sort --by fair | ml-verp | ml-send");
//   options.text(by, "--by", "ORDER", "domain (default), fair or random");
//   auto read = options.read(argc, argv);
//   if (!read) return leave(fail(read));
//   if (*read) return leave(**read);
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace ml {

class Options {
 public:
  // `command` may have two words ("ml-store import"); the environment uses the first.
  // `misuse`: the status of a command line that makes no sense (filters 75, tools 64).
  Options(std::string command, std::string synopsis, std::string purpose, std::string example,
          Status misuse = Status::retry);

  // `names`: "--by" or "--quiet,-q". The variables must live until read() returns. One whose help
  // is empty shares the line, and the help, of the one behind it.
  Options& flag(bool& to, std::string names, std::string help);
  Options& text(std::optional<std::string>& to, std::string names, std::string value,
                std::string help);
  Options& many(std::vector<std::string>& to, std::string names, std::string value,
                std::string help);
  Options& number(std::optional<std::uint64_t>& to, std::string names, std::string value,
                  std::string help);
  // A number of octets: 65536, 64K, 64M, 2G.
  Options& size(std::optional<std::uint64_t>& to, std::string names, std::string value,
                std::string help);

  // Operands, in order; after `operands` nothing further. A missing `operand` is misuse.
  Options& operand(std::string& to, std::string name);
  Options& optional_operand(std::optional<std::string>& to, std::string name);
  Options& operands(std::vector<std::string>& to, std::string name);
  // Everything after `--`, which must be there and not be empty.
  Options& rest(std::vector<std::string>& to, std::string name);

  // Fills the variables. A status instead of nothing: --help or --version was answered on
  // stdout, leave with it. argv[0] is skipped. A literal `|` among the operands is 75: the
  // caller's mail server has no shell.
  [[nodiscard]] Result<std::optional<Status>> read(int argc, const char* const* argv);

 private:
  using Target = std::variant<bool*, std::optional<std::string>*, std::vector<std::string>*,
                              std::optional<std::uint64_t>*>;
  struct Option {
    Target to;
    std::string names;
    std::string value;  // empty: a flag
    std::string help;
    bool is_size = false;
  };
  struct Operand {
    std::variant<std::string*, std::optional<std::string>*, std::vector<std::string>*> to;
    std::string name;
  };

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> help_lines() const;
  [[nodiscard]] std::string help() const;
  [[nodiscard]] Failure misused(std::string_view why) const;
  [[nodiscard]] Result<> take(const Option& option, const std::vector<std::string>& values) const;
  [[nodiscard]] Result<> take_operands(const std::vector<std::string>& values) const;
  [[nodiscard]] std::optional<std::string> from_environment(const Option& option) const;

  [[nodiscard]] static std::vector<std::string> environment_values(const Target& to,
                                                                   const std::string& text);

  std::string command_;
  std::string synopsis_;
  std::string purpose_;
  std::string example_;
  Status misuse_;
  std::vector<Option> options_;
  std::vector<Operand> operands_;
  std::vector<std::string>* rest_ = nullptr;
};

// 64K, 2G and the like; nothing if it is none.
[[nodiscard]] std::optional<std::uint64_t> text_to_size(std::string_view text);

}  // namespace ml
