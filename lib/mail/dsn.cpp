#include "mail/dsn.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <utility>

#include "base/text.hpp"
#include "mail/enhanced_code.hpp"
#include "mail/header.hpp"

namespace ml {
namespace {

constexpr std::size_t most_reports = 1000;

// The first of an action is its name; the others are what servers write for it.
constexpr std::array<std::pair<std::string_view, Action>, 14> actions{
    {{"failed", Action::failed},
     {"failure", Action::failed},
     {"fail", Action::failed},
     {"error", Action::failed},
     {"expired", Action::failed},
     {"delayed", Action::delayed},
     {"delay", Action::delayed},
     {"deferred", Action::delayed},
     {"delivered", Action::delivered},
     {"relayed", Action::relayed},
     {"expanded", Action::expanded},
     {"replied", Action::replied},
     {"complained", Action::complained},
     {"-", Action::unknown}}};

std::optional<unsigned> capital_hex(char c) {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

void append_utf8(std::string& to, std::uint32_t point) {
  const auto octet = [&](std::uint32_t value) { to.push_back(static_cast<char>(value)); };
  if (point < 0x80) {
    octet(point);
  } else if (point < 0x800) {
    octet(0xC0 | point >> 6);
    octet(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    octet(0xE0 | point >> 12);
    octet(0x80 | (point >> 6 & 0x3F));
    octet(0x80 | (point & 0x3F));
  } else {
    octet(0xF0 | point >> 18);
    octet(0x80 | (point >> 12 & 0x3F));
    octet(0x80 | (point >> 6 & 0x3F));
    octet(0x80 | (point & 0x3F));
  }
}

// What stands behind "rfc822;" or another type; the whole where there is no type.
std::string_view without_type(std::string_view value, std::string& type) {
  const auto semicolon = value.find(';');
  const std::string_view before = trim(value.substr(0, semicolon));
  const bool is_type = semicolon != std::string_view::npos && !before.empty() &&
                       before.find_first_of(" @<\"") == std::string_view::npos;
  if (!is_type) return trim(value);
  type = lower(before);
  return trim(value.substr(semicolon + 1));
}

// Single blanks for runs of them, which folded fields are full of.
std::string one_line(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char c : text) {
    if (!is_blank(c)) {
      line.push_back(c);
    } else if (!line.empty() && line.back() != ' ') {
      line.push_back(' ');
    }
  }
  return line;
}

// "rfc822; <ann@c.org> (Ann)" -> "ann@c.org"
std::string field_address(std::string_view value) {
  std::string type;
  std::string_view text = without_type(value, type);
  if (text.starts_with('<')) {
    text = text.substr(1, std::min(text.find('>', 1), text.size()) - 1);
  } else if (!text.starts_with('"')) {
    text = text.substr(0, text.find_first_of(" \t("));
  }
  if (type == "utf-8") return utf8_xtext_to_text(text).value_or(std::string(text));
  return std::string(text);
}

// RFC 3464 wants the address as the sender wrote it, and some servers leave the xtext of ORCPT in
// place. An address whose every `+` stands for an octet that xtext must escape is taken as such.
std::string original_address(std::string_view value) {
  std::string address = field_address(value);
  const auto decoded = xtext_to_text(address);
  if (!decoded) return address;
  for (std::size_t i = 0; (i = address.find('+', i)) != std::string::npos; i += 3) {
    const char c =
        static_cast<char>(*capital_hex(address[i + 1]) << 4 | *capital_hex(address[i + 2]));
    if (c != '+' && c != '=') return address;
  }
  return *decoded;
}

Action text_to_action(std::string_view text) {
  const std::string_view word = text.substr(0, text.find_first_of(" \t(;"));
  for (const auto& [name, action] : actions) {
    if (same_nocase(word, name)) return action;
  }
  return Action::unknown;
}

Action status_to_action(std::string_view status) {
  if (status.starts_with('5')) return Action::failed;
  if (status.starts_with('4')) return Action::delayed;
  if (status.starts_with('2')) return Action::delivered;
  return Action::unknown;
}

// Collects fields into groups. A group ends at an empty line, or where a recipient is named anew.
class Groups {
 public:
  void take(const Field& field) {
    const std::string value = unfolded(field.value);
    if (same_nocase(field.name, "Final-Recipient")) {
      name_recipient(report_.final_recipient, field_address(value));
    } else if (same_nocase(field.name, "Original-Recipient")) {
      name_recipient(report_.original_recipient, original_address(value));
    } else if (same_nocase(field.name, "X-Actual-Recipient")) {
      actual_ = field_address(value);
    } else if (same_nocase(field.name, "Action")) {
      report_.action = text_to_action(value);
    } else if (same_nocase(field.name, "Status")) {
      report_.status = leading_status(value).value_or(std::string());
      if (report_.status.empty()) misplaced_ = value;  // some put the reply there
    } else if (same_nocase(field.name, "Diagnostic-Code")) {
      std::string type;
      report_.diagnostic = one_line(without_type(value, type));
    }
  }

  void close() {
    // A program or a file as the last recipient: the address that led there is worth more.
    const bool is_mailbox = report_.address().find('@') != std::string::npos;
    if (!is_mailbox && actual_.find('@') != std::string::npos) {
      report_.original_recipient = std::move(actual_);
    }
    if (!report_.address().empty() && reports_.size() < most_reports) {
      if (report_.action == Action::unknown) report_.action = status_to_action(report_.status);
      if (report_.diagnostic.empty()) report_.diagnostic = std::move(misplaced_);
      reports_.push_back(std::move(report_));
    }
    report_ = {};
    misplaced_.clear();
    actual_.clear();
  }

  [[nodiscard]] bool full() const { return reports_.size() >= most_reports; }
  [[nodiscard]] std::vector<Report> reports() && { return std::move(reports_); }

 private:
  void name_recipient(std::string& to, std::string address) {
    if (!to.empty()) close();
    to = std::move(address);
  }

  Report report_;
  std::string misplaced_;  // what stands for a status and is none
  std::string actual_;     // X-Actual-Recipient of Sendmail
  std::vector<Report> reports_;
};

}  // namespace

std::string_view action_to_text(Action action) {
  return std::ranges::find(actions, action, [](const auto& row) { return row.second; })->first;
}

std::vector<Report> text_to_reports(std::string_view text) {
  Groups groups;
  while (!text.empty() && !groups.full()) {
    if (const auto field = first_field(text)) {
      groups.take(*field);
      text.remove_prefix(field->raw.size());
      continue;
    }
    const std::string_view line = text.substr(0, text.find('\n'));
    if (trim(line).empty()) groups.close();
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  groups.close();
  return std::move(groups).reports();
}

std::optional<std::string> leading_status(std::string_view text) {
  const EnhancedCode code = take_enhanced_code(text);
  if (code.kind == 0) return std::nullopt;
  return enhanced_code_to_text(code);
}

std::optional<std::string> xtext_to_text(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c < '!' || c > '~' || c == '=') return std::nullopt;
    if (c != '+') {
      decoded.push_back(c);
      continue;
    }
    const auto high = i + 2 < text.size() ? capital_hex(text[i + 1]) : std::nullopt;
    const auto low = i + 2 < text.size() ? capital_hex(text[i + 2]) : std::nullopt;
    if (!high || !low) return std::nullopt;
    decoded.push_back(static_cast<char>(*high << 4 | *low));
    i += 2;
  }
  return decoded;
}

std::optional<std::string> utf8_xtext_to_text(std::string_view text) {
  constexpr std::string_view opening = "\\x{";
  std::string decoded;
  while (!text.empty()) {
    if (!text.starts_with(opening)) {
      decoded.push_back(text.front());
      text.remove_prefix(1);
      continue;
    }
    const auto end = text.find('}');
    if (end == std::string_view::npos || end == opening.size() || end > opening.size() + 6) {
      return std::nullopt;
    }
    std::uint32_t point = 0;
    for (const char c : text.substr(opening.size(), end - opening.size())) {
      const auto digit = capital_hex(c);
      if (!digit) return std::nullopt;
      point = point << 4 | *digit;
    }
    if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return std::nullopt;
    append_utf8(decoded, point);
    text.remove_prefix(end + 1);
  }
  return decoded;
}

}  // namespace ml
