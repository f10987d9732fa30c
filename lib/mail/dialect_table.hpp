// The words by which mail servers without a standard tell what became of a message: data, and the
// questions that a reader of bounces has for them. Nothing is decided here.
//
//   for (const Dialect& dialect : dialects()) if (text.contains(dialect.lead)) ...
//   if (speaks_of_waiting(text) && !speaks_of_the_end(text)) ...       // a delay
//
// All of them want text in lower case, with one blank for any run of white space.
#pragma once

#include <span>
#include <string_view>

#include "mail/dsn.hpp"

namespace ml {

// How recipients stand behind the words that lead to them.
enum class Placement {
  lines,     // at the beginning of lines, with brackets, bullets or blanks
  behind,    // right behind the words, each time they come
  before,    // right before them, in the same line
  within,    // not far behind the words
  names,     // local parts in lines of their own; the domain is the server's
  returned,  // not named at all: the only recipient in the header that came back
};

struct Dialect {
  std::string_view name;
  std::string_view sign;  // must be in the text, From or Subject; empty: `lead` is sign enough
  std::string_view lead;
  Placement placement;
  Action action = Action::failed;
};

// In the order of how sure their words are.
[[nodiscard]] std::span<const Dialect> dialects();

// Nothing has failed yet.
[[nodiscard]] bool speaks_of_waiting(std::string_view text);
// It is over, whatever else the text says.
[[nodiscard]] bool speaks_of_the_end(std::string_view text);
[[nodiscard]] bool speaks_of_success(std::string_view text);
// In some language, for sentences of no known dialect.
[[nodiscard]] bool speaks_of_failure(std::string_view text);

}  // namespace ml
