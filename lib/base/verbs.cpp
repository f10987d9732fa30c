#include "base/verbs.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/shell_word.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_word = 4096;  // of a command line, in an error

std::string purpose_of(const Tool& tool, std::span<const Verb> verbs) {
  std::size_t width = 0;
  for (const Verb& verb : verbs) {
    width = std::max(width, verb.name.size() + 1 + verb.operands.size());
  }
  std::string text = fmt::format("{} Each verb has its own --help:", tool.purpose);
  for (const Verb& verb : verbs) {
    const std::string form = fmt::format("{} {}", verb.name, verb.operands);
    text += fmt::format("\n  {:<{}}  {}", form, width, verb.purpose);
  }
  return text;
}

// The verb and what follows it, where options stand before it; nothing: no word is a verb, or it is
// not clear which.
std::optional<std::string> verb_first(std::span<const char* const> words,
                                      std::span<const Verb> verbs) {
  std::optional<std::string> verb;
  std::string others;
  std::string_view before;
  for (const std::string_view word : words) {
    const bool is_verb = std::ranges::find(verbs, word, &Verb::name) != verbs.end();
    if (is_verb && before != "--home") {  // whose value may be any word
      if (verb) return std::nullopt;
      verb = word;
    } else {
      others.append(" ").append(text_to_shell_word(printable(word, longest_word)));
    }
    before = word;
  }
  if (verb) verb->append(others);
  return verb;
}

}  // namespace

Options& VerbLine::options(std::string synopsis, std::string purpose, std::string example) {
  return options_
      .emplace(fmt::format("{} {}", program_, words_.front()), std::move(synopsis),
               std::move(purpose), std::move(example), misuse_)
      .text(home_, "--home", "DIRECTORY", "the home of store, settings and queues");
}

Result<Status> run_verb(const Tool& tool, std::span<const Verb> verbs, int argc,
                        const char* const* argv) {
  const std::span words(argv, static_cast<std::size_t>(argc));
  const std::string_view name = words.size() > 1 ? words[1] : "";
  const auto verb = std::ranges::find(verbs, name, &Verb::name);
  if (verb != verbs.end()) {
    VerbLine line(tool.name, words.subspan(1), verb->misuse);
    return verb->run(line);
  }
  const bool is_option = name.starts_with("-") && name != "--help" && name != "--version";
  if (is_option) {
    const auto line = verb_first(words.subspan(1), verbs);
    return failure(tool.misuse, "the verb comes first: {} {}", tool.name, line.value_or("--help"));
  }
  std::string word;
  Options options(std::string(tool.name), "VERB [OPTION...] [OPERAND...]", purpose_of(tool, verbs),
                  std::string(tool.example), tool.misuse);
  options.operand(word, "VERB");
  const auto read = options.read(std::min(argc, 2), argv);
  if (!read) return fail(read);
  if (*read) return **read;
  return failure(tool.misuse, "'{}' is no verb (see {} --help)", word, tool.name);
}

}  // namespace ml
