// Small text operations that know ASCII only: no locale ever changes their answer.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ml {

[[nodiscard]] constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
[[nodiscard]] constexpr bool is_alpha(char c) {
  return to_lower(c) >= 'a' && to_lower(c) <= 'z';
}
[[nodiscard]] constexpr bool is_alnum(char c) {
  return is_alpha(c) || is_digit(c);
}
[[nodiscard]] constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
[[nodiscard]] constexpr bool is_space(char c) {
  return is_blank(c) || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
// C0 controls and DEL, TAB and LF among them.
[[nodiscard]] constexpr bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}
[[nodiscard]] constexpr bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

[[nodiscard]] std::string lower(std::string_view text);

// Unix seconds for people: "2026-11-22 15:04 UTC".
[[nodiscard]] std::string time_to_text(std::int64_t time);
// For programs: "2026-11-22T15:04:05Z".
[[nodiscard]] std::string time_to_stamp(std::int64_t time);
[[nodiscard]] bool same_nocase(std::string_view a, std::string_view b);
[[nodiscard]] bool begins_nocase(std::string_view text, std::string_view prefix);
[[nodiscard]] std::string_view trim(std::string_view text);  // is_space off both ends
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
// Runs of blanks, TAB, CR and LF separate; no empty words.
[[nodiscard]] std::vector<std::string_view> words(std::string_view text);

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. ASCII runs are quick.
[[nodiscard]] bool is_utf8(std::string_view text);

// The whole text as a decimal number, or nothing: no sign, no blanks, no overflow.
template <class Number = std::uint64_t>
[[nodiscard]] std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() ||
      text.front() == '-') {
    return std::nullopt;
  }
  return value;
}

// For a person's eyes: controls and octets that are not UTF-8 as \xhh, at most `limit` octets.
// Whatever came from outside goes through here before it reaches a terminal or a log.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 512);

}  // namespace ml
