// JSON text (RFC 8259), appended to a string: for commands with --json.
//
//   std::string text;
//   append_json(text, "a \"b\"\n");     // "a \"b\"\n", quotes and escapes included
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ml {

// How a command reports.
enum class Form { text, json };
// What the option --json asks for.
[[nodiscard]] constexpr Form form_of(bool json) {
  return json ? Form::json : Form::text;
}

// A JSON string. What is not UTF-8 comes out as \xhh spelt out, as in printable().
void append_json(std::string& to, std::string_view text);
// A JSON array of strings.
void append_json(std::string& to, std::span<const std::string> texts);

}  // namespace ml
