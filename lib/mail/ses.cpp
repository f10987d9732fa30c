#include "mail/ses.hpp"

#include <array>
#include <optional>
#include <string>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t most_recipients = 1000;

struct Token {
  enum class Kind { text, mark, end };  // a string; one of {}[]: or any other octet; no more
  Kind kind = Kind::end;
  char mark = '\0';
  std::string text;
};

class Tokens {
 public:
  explicit Tokens(std::string_view text) : rest_(text) {}

  Token next() {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
    if (rest_.empty()) return {};
    const char first = rest_.front();
    rest_.remove_prefix(1);
    if (first != '"') return {Token::Kind::mark, first, {}};
    return {Token::Kind::text, '\0', string()};
  }

 private:
  // Behind its first quote. A mail server may have wrapped the line: no line end is part of it.
  std::string string() {
    std::string text;
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') break;
      if (c == '\\' && !rest_.empty()) {
        text.push_back(escaped());
      } else if (c != '\n') {
        text.push_back(c);
      }
    }
    return text;
  }

  // Addresses and replies are ASCII: of \uXXXX nothing else is wanted.
  char escaped() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    if (c == 'n' || c == 't' || c == 'r') return ' ';
    if (c != 'u') return c;
    const std::string_view digits = rest_.substr(0, 4);
    rest_.remove_prefix(digits.size());
    unsigned value = 0;
    for (const char digit : digits) {
      const char low = to_lower(digit);
      if (!is_digit(low) && (low < 'a' || low > 'f')) return '?';
      value = value * 16 + static_cast<unsigned>(is_digit(low) ? low - '0' : low - 'a' + 10);
    }
    return value >= 0x20 && value < 0x7f ? static_cast<char>(value) : '?';
  }

  std::string_view rest_;
};

std::optional<Action> action_of_array(std::string_view name) {
  if (name == "bouncedRecipients") return Action::failed;
  if (name == "complainedRecipients") return Action::complained;
  if (name == "delayedRecipients") return Action::delayed;
  return std::nullopt;
}

void take_member(Report& report, std::string_view name, std::string_view value) {
  if (name == "emailAddress") report.final_recipient = value;
  if (name == "status") report.status = leading_status(value).value_or("");
  if (name == "action" && same_nocase(value, "delayed")) report.action = Action::delayed;
  if (name == "diagnosticCode") {
    report.diagnostic = trim(begins_nocase(value, "smtp;") ? value.substr(5) : value);
  }
}

// "Ann <ann@c.org>"
void strip_name(std::string& address) {
  const auto begin = address.rfind('<');
  const auto end = address.rfind('>');
  if (begin == std::string::npos || end == std::string::npos || end < begin) return;
  address = address.substr(begin + 1, end - begin - 1);
}

// The objects of one array, up to its end.
void take_recipients(Tokens& tokens, Action action, std::vector<Report>& reports) {
  Report report;
  std::string name;
  for (Token token = tokens.next(); token.kind != Token::Kind::end; token = tokens.next()) {
    if (token.kind == Token::Kind::text && name.empty()) {
      name = std::move(token.text);
    } else if (token.kind == Token::Kind::text) {
      take_member(report, name, token.text);
      name.clear();
    } else if (token.mark == ',') {
      name.clear();  // what was no text is not wanted
    } else if (token.mark == '{') {
      report = {};
      report.action = action;
    } else if (token.mark == '}') {
      strip_name(report.final_recipient);
      const bool is_one = report.final_recipient.find('@') != std::string::npos;
      if (is_one && reports.size() < most_recipients) reports.push_back(std::move(report));
      report = {};
    } else if (token.mark == ']') {
      return;
    }
  }
}

std::vector<Report> reports_in(std::string_view text, std::string& inner) {
  std::vector<Report> reports;
  bool transient = false;
  Tokens tokens(text);
  std::string name;
  for (Token token = tokens.next(); token.kind != Token::Kind::end; token = tokens.next()) {
    if (token.kind == Token::Kind::text) {
      if (name == "bounceType") transient = token.text == "Transient";
      if (name == "Message") inner = token.text;
      name = std::move(token.text);
    } else if (token.mark == '[') {
      if (const auto action = action_of_array(name)) take_recipients(tokens, *action, reports);
    } else if (token.mark != ':') {
      name.clear();
    }
  }
  for (Report& report : reports) {
    if (!report.status.empty() || report.action == Action::complained) continue;
    report.status = transient || report.action == Action::delayed ? "4.0.0" : "5.0.0";
  }
  return reports;
}

}  // namespace

std::vector<Report> text_to_ses_reports(std::string_view text) {
  text = trim(text);
  if (!text.starts_with('{') || text.find("Recipients") == std::string_view::npos) return {};
  std::string inner;
  auto reports = reports_in(text, inner);
  if (!reports.empty() || inner.empty()) return reports;
  std::string none;
  return reports_in(inner, none);
}

}  // namespace ml
