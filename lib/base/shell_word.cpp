#include "base/shell_word.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace ml {
namespace {

// Wherever it stands in a word, and to every shell.
bool is_plain(char c) {
  constexpr std::string_view plain = "%+,-./:=@_";
  return is_alnum(c) || plain.find(c) != std::string_view::npos;
}

}  // namespace

std::string text_to_shell_word(std::string_view text) {
  if (!text.empty() && std::ranges::all_of(text, is_plain)) return std::string(text);
  std::string word = "'";
  for (const char c : text) {
    c == '\'' ? word.append("'\\''") : word.append(1, c);
  }
  return word + '\'';
}

}  // namespace ml
