#include "mail/transfer.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "base/octets.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t widest = 75;  // and an '=' at the end of the line
constexpr std::string_view hex = "0123456789ABCDEF";

std::optional<unsigned> hex_value(char c) {
  const auto digit = hex.find(c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c);
  if (digit == std::string_view::npos) return std::nullopt;
  return static_cast<unsigned>(digit);
}

constexpr std::uint8_t no_digit = 64;
constexpr std::array<std::uint8_t, 256> base64_digits = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(no_digit);
  std::uint8_t value = 0;
  for (unsigned c = 'A'; c <= 'Z'; ++c) table[c] = value++;
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = value++;
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = value++;
  table['+'] = value++;
  table['/'] = value;
  return table;
}();

// One line without its LF; true if the next one goes on with it.
bool append_decoded_line(std::string& to, std::string_view line) {
  while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  const bool soft = line.ends_with('=');
  if (soft) line.remove_suffix(1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool escape = line[i] == '=' && i + 2 < line.size();
    const auto high = escape ? hex_value(line[i + 1]) : std::nullopt;
    const auto low = escape ? hex_value(line[i + 2]) : std::nullopt;
    if (high && low) {
      to.push_back(static_cast<char>(*high << 4 | *low));
      i += 2;
    } else {
      to.push_back(line[i]);
    }
  }
  return soft;
}

bool stands_for_itself(char c) {
  return (c >= ' ' && c <= '~' && c != '=') || c == '\t';
}

}  // namespace

std::string base64_text_to_octets(std::string_view text) {
  std::string octets;
  std::uint32_t held = 0;
  unsigned bits = 0;
  for (const char c : text) {
    if (c == '=') break;
    const std::uint8_t digit = base64_digits[static_cast<unsigned char>(c)];
    if (digit == no_digit) continue;
    held = (held << 6 | digit) & 0xFFFF;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    octets.push_back(static_cast<char>(held >> bits & 0xFF));
  }
  return octets;
}

std::string quoted_printable_to_octets(std::string_view text) {
  std::string octets;
  octets.reserve(text.size());
  while (!text.empty()) {
    const auto lf = text.find('\n');
    const bool goes_on = append_decoded_line(octets, text.substr(0, lf));
    if (lf == std::string_view::npos) break;
    if (!goes_on) octets.push_back('\n');
    text.remove_prefix(lf + 1);
  }
  return octets;
}

bool is_quoted_as_it_stands(std::string_view text) {
  return !text.empty() && text.size() <= widest && is_printable(text, Tabs::refused) &&
         text.find('=') == std::string_view::npos && text.front() != '.' && text.front() != '-' &&
         text.back() != ' ' && !text.starts_with("From ");
}

void QuotedPrintable::add(std::string_view text) {
  for (;;) {
    const auto lf = text.find('\n');
    add_line(text.substr(0, lf));
    if (lf == std::string_view::npos) return;
    to_.push_back('\n');
    column_ = 0;
    text.remove_prefix(lf + 1);
  }
}

void QuotedPrintable::soft_break() {
  if (column_ == 0) return;
  to_.append("=\n");
  column_ = 0;
}

void QuotedPrintable::put(std::string_view encoded) {
  if (column_ + encoded.size() > widest) soft_break();
  to_.append(encoded);
  column_ += encoded.size();
}

// How much of the line stands for itself where it would be put.
std::string_view QuotedPrintable::plain_run(std::string_view line) const {
  const std::size_t room = column_ < widest ? widest - column_ : widest;
  const bool starts = room == widest;
  if (starts && (line.front() == '.' || line.front() == '-' || line.starts_with("From ")))
    return {};
  std::string_view run = line.substr(0, room);
  const auto* const end = std::ranges::find_if_not(run, stands_for_itself);
  run = run.substr(0, static_cast<std::size_t>(end - run.begin()));
  // A blank at the end of a line may be lost on the way.
  if (run.size() == line.size() && is_blank(run.back())) run.remove_suffix(1);
  return run;
}

void QuotedPrintable::add_line(std::string_view line) {
  while (!line.empty()) {
    if (const std::string_view run = plain_run(line); !run.empty()) {
      put(run);
      line.remove_prefix(run.size());
      continue;
    }
    const auto octet = static_cast<unsigned char>(line.front());
    const std::array<char, 3> escape{'=', hex[octet >> 4], hex[octet & 15]};
    put({escape.data(), escape.size()});
    line.remove_prefix(1);
  }
}

}  // namespace ml
