#include "mail/notice_text.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace ml {
namespace {

// What may stand in front of a line's address: bullets, numbers, brackets, a label.
std::size_t dressing_length(std::string_view line) {
  constexpr std::array<std::string_view, 8> labels{
      "to:", "recipient:", "recipient address:", "user:", "address:", "rcpt to:", "e-mail:", ">>>"};
  std::size_t at = 0;
  const auto skip = [&] {
    while (at < line.size() &&
           std::string_view(" \t<>*-\"'[(").find(line[at]) != std::string_view::npos) {
      ++at;
    }
  };
  skip();
  for (const auto label : labels) {
    if (begins_nocase(line.substr(at), label)) {
      at += label.size();
      skip();
      return at;
    }
  }
  std::size_t digits = at;
  while (digits < line.size() && is_digit(line[digits])) ++digits;
  if (digits > at && digits - at < 4 && digits + 1 < line.size() &&
      (line[digits] == '.' || line[digits] == ')') && is_blank(line[digits + 1])) {
    at = digits + 1;
    skip();
  }
  return at;
}

}  // namespace

Flow::Flow(std::string_view from) {
  text.reserve(from.size());
  origin.reserve(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    const bool space = is_space(from[i]);
    if (space && (text.empty() || text.back() == ' ')) continue;
    text.push_back(space ? ' ' : to_lower(from[i]));
    origin.push_back(static_cast<std::uint32_t>(i));
  }
}

std::vector<TextLine> lines_of(std::string_view text) {
  std::vector<TextLine> lines;
  for (std::size_t at = 0; at < text.size();) {
    TextLine line;
    line.begin = at;
    line.text = text.substr(at, text.find('\n', at) - at);
    line.indent = std::min(line.text.find_first_not_of(" \t"), line.text.size());
    line.blank = trim(line.text).empty();
    if (line.text.find('@') != std::string_view::npos) {
      const auto mentions = mentions_in(line.text);
      if (!mentions.empty() && mentions.front().begin <= dressing_length(line.text)) {
        line.lead = mentions.front();
      }
    }
    at += line.text.size() + 1;
    lines.push_back(line);
  }
  return lines;
}

}  // namespace ml
