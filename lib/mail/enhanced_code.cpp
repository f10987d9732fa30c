#include "mail/enhanced_code.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace ml {
namespace {

// "2.1.5 Ok", as nearly all of them are.
bool has_short_code(std::string_view text) {
  return text.size() >= 6 && is_digit(text[2]) && is_digit(text[4]) && text[1] == '.' &&
         text[3] == '.' && text[5] == ' ';
}

bool has_kind(std::string_view text) {
  return text.size() >= 5 && (text[0] == '2' || text[0] == '4' || text[0] == '5');
}

// A dot and one to three digits off the front, or -1.
int take_number(std::string_view& text) {
  if (!text.starts_with('.')) return -1;
  text.remove_prefix(1);
  int value = 0;
  std::size_t digits = 0;
  for (; digits < 3 && digits < text.size() && is_digit(text[digits]); ++digits) {
    value = value * 10 + (text[digits] - '0');
  }
  text.remove_prefix(digits);
  return digits > 0 ? value : -1;
}

// "5.1.1a", "5.1.1.2": what stands before `rest` is no code.
bool goes_on(std::string_view rest) {
  if (rest.starts_with('.')) return rest.size() > 1 && is_digit(rest[1]);
  return !rest.empty() && is_alnum(rest[0]);
}

EnhancedCode take_any(std::string_view& text) {
  std::string_view rest = text;
  while (!rest.empty() && is_blank(rest.front())) rest.remove_prefix(1);
  if (!has_kind(rest)) return {};
  EnhancedCode code;
  code.kind = rest[0] - '0';
  rest.remove_prefix(1);
  if ((code.subject = take_number(rest)) < 0 || (code.detail = take_number(rest)) < 0) return {};
  if (goes_on(rest)) return {};
  if (!rest.empty() && is_blank(rest.front())) rest.remove_prefix(1);
  text = rest;
  return code;
}

}  // namespace

EnhancedCode take_enhanced_code(std::string_view& text) {
  if (!has_kind(text) || !has_short_code(text)) return take_any(text);
  const EnhancedCode code{text[0] - '0', text[2] - '0', text[4] - '0'};
  text.remove_prefix(6);
  return code;
}

std::string enhanced_code_to_text(const EnhancedCode& code) {
  if (code.kind == 0) return {};
  return fmt::format("{}.{}.{}", code.kind, code.subject, code.detail);
}

}  // namespace ml
