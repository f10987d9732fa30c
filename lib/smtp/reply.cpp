#include "smtp/reply.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/octets.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_line = 4096;
constexpr std::size_t longest_reply = std::size_t{64} << 10;
constexpr std::size_t longest_said = 512;

// With what every line of a reply begins, but for the mark behind it.
bool has_code(std::string_view line) {
  return line.size() >= 3 && line[0] >= '2' && line[0] <= '5' && is_digit(line[1]) &&
         is_digit(line[2]);
}

// Of a line that has one.
int code_of(std::string_view line) {
  return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

}  // namespace

std::string reply_to_text(const Reply& reply) {
  std::string text;
  append_reply(text, reply);
  return text;
}

void append_reply(std::string& to, const Reply& reply) {
  // Printable ASCII, as nearly all of them are, needs no second look.
  is_printable(reply.said, Tabs::refused) ? to.append(reply.said)
                                          : to.append(printable(reply.said));
}

Reply local_reply(int code, EnhancedCode enhanced, std::string_view text) {
  Reply reply{.code = code, .enhanced = enhanced, .said = fmt::format("{}", code), .ours = true};
  if (enhanced.kind != 0) reply.said.append(" ").append(enhanced_code_to_text(enhanced));
  if (!text.empty()) reply.said.push_back(' ');
  reply.head = reply.said.size();
  reply.said.append(text);
  return reply;
}

bool ReplyParser::pass(std::string_view& octets, const char (&code)[5]) const {
  if (!whole_ || octets.size() < 4 || std::memcmp(octets.data(), code, 4) != 0) return false;
  const auto lf = octets.find('\n');
  if (lf == std::string_view::npos || lf > longest_line) return false;
  octets.remove_prefix(lf + 1);
  return true;
}

// Nearly every reply: one line, all of it there. False, and nothing is taken: it is another.
inline bool ReplyParser::take_single(std::string_view& octets) {
  const auto lf = octets.find('\n');
  if (lf == std::string_view::npos || lf < 4 || lf > longest_line) return false;
  const std::string_view line = octets.substr(0, lf - (octets[lf - 1] == '\r' ? 1 : 0));
  if (!has_code(line) || octets[3] != ' ') return false;
  lines_.clear();
  begin_reply(line);
  octets.remove_prefix(lf + 1);
  return true;
}

ReplyParser::Found ReplyParser::take(std::string_view& octets) {
  if (octets.empty()) return Found::nothing;
  if (whole_ && take_single(octets)) return Found::reply;
  if (whole_) {
    whole_ = false;
    first_ = true;
    size_ = 0;
    lines_.clear();
  }
  while (!octets.empty()) {
    const auto lf = octets.find('\n');
    const std::string_view piece = octets.substr(0, lf);
    octets.remove_prefix(lf == std::string_view::npos ? octets.size() : lf + 1);
    if (line_.size() + piece.size() > longest_line) {
      line_.append(piece.substr(0, longest_said));
      return Found::garbage;
    }
    if (lf == std::string_view::npos) {
      line_.append(piece);
      return Found::nothing;
    }
    Step step;
    if (line_.empty()) {
      step = take_line(piece);
      if (step == Step::garbage) line_ = piece;
    } else {
      line_.append(piece);
      step = take_line(line_);
      if (step != Step::garbage) line_.clear();
    }
    if (step == Step::garbage) return Found::garbage;
    if (step == Step::last) {
      whole_ = true;
      return Found::reply;
    }
  }
  return Found::nothing;
}

ReplyParser::Step ReplyParser::take_line(std::string_view line) {
  size_ += line.size();
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!has_code(line) || size_ > longest_reply) return Step::garbage;
  const char mark = line.size() == 3 ? ' ' : line[3];
  if (mark != ' ' && mark != '-') return Step::garbage;
  if (first_) begin_reply(line);
  if (code_of(line) != reply_.code) return Step::garbage;
  const std::string_view text = line.substr(std::min<std::size_t>(line.size(), 4));
  if (!first_ || mark == '-') lines_.append(text).push_back('\n');
  if (!first_) add_line(text);
  first_ = false;
  return mark == '-' ? Step::more : Step::last;
}

inline void ReplyParser::begin_reply(std::string_view line) {
  std::string_view text = line.substr(std::min<std::size_t>(line.size(), 4));
  reply_.code = code_of(line);
  reply_.enhanced = take_enhanced_code(text);
  reply_.said.assign(line.substr(0, longest_said));
  if (line.size() > 3) reply_.said[3] = ' ';
  if (text.empty() && reply_.said.back() == ' ') reply_.said.pop_back();
  reply_.head = std::min(line.size() - text.size(), reply_.said.size());
}

// Its code counts where no line before it had one; one that was said is not said again.
void ReplyParser::add_line(std::string_view text) {
  std::string_view words = text;
  const EnhancedCode code = take_enhanced_code(words);
  if (code == reply_.enhanced) {
    text = words;
  } else if (reply_.enhanced.kind == 0) {
    reply_.enhanced = code;
  }
  if (reply_.said.size() >= longest_said) return;
  reply_.said.append(" ").append(text.substr(0, longest_said - reply_.said.size()));
}

}  // namespace ml
