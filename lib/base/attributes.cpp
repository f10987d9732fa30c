#include "base/attributes.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace ml {

std::optional<std::string_view> Attributes::raw(std::string_view key) const {
  for (std::string_view rest = text_; !rest.empty();) {
    const auto tab = rest.find('\t');
    const std::string_view field = rest.substr(0, tab);
    if (field.size() > key.size() && field[key.size()] == '=' && field.starts_with(key)) {
      return field.substr(key.size() + 1);
    }
    rest.remove_prefix(tab == std::string_view::npos ? rest.size() : tab + 1);
  }
  return std::nullopt;
}

std::optional<std::string> Attributes::value(std::string_view key) const {
  const auto found = raw(key);
  if (!found) return std::nullopt;
  return unescaped(*found);
}

void append_attribute(std::string& to, std::string_view key, std::string_view value) {
  to.push_back('\t');
  to.append(key).push_back('=');
  append_escaped(to, value);
}

std::string with_attribute(Attributes attributes, std::string_view key,
                           std::optional<std::string_view> value) {
  std::string result;
  bool placed = false;
  attributes.each([&](std::string_view its_key, std::string_view its_value) {
    if (its_key != key) {
      result.append("\t").append(its_key).append("=").append(its_value);
    } else if (value && !placed) {
      append_attribute(result, key, *value);
      placed = true;
    }
  });
  if (value && !placed) append_attribute(result, key, *value);
  if (!result.empty()) result.erase(0, 1);
  return result;
}

bool is_key(std::string_view text) {
  const auto lower_alpha = [](char c) { return c >= 'a' && c <= 'z'; };
  return !text.empty() && lower_alpha(text.front()) && std::ranges::all_of(text, [&](char c) {
    return lower_alpha(c) || is_digit(c) || c == '_' || c == '.' || c == '-';
  });
}

bool is_reserved_key(std::string_view key) {
  constexpr std::array<std::string_view, 9> reserved{
      "list", "author", "token", "status", "reply", "attempts", "relay", "left", "part"};
  return key.starts_with("ml.") || std::ranges::find(reserved, key) != reserved.end();
}

void append_escaped(std::string& to, std::string_view value) {
  for (const char c : value) {
    switch (c) {
      case '\t': to += "\\t"; break;
      case '\n': to += "\\n"; break;
      case '\r': to += "\\r"; break;
      case '\\': to += "\\\\"; break;
      default: to.push_back(c);
    }
  }
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      result.push_back(text[i]);
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    switch (text[i]) {
      case 't': result.push_back('\t'); break;
      case 'n': result.push_back('\n'); break;
      case 'r': result.push_back('\r'); break;
      case '\\': result.push_back('\\'); break;
      default: return std::nullopt;
    }
  }
  return result;
}

}  // namespace ml
