#include "stream/record.hpp"

#include <algorithm>
#include <array>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

bool is_plain(std::string_view line) {
  return std::ranges::all_of(line, [](char c) {
    return static_cast<signed char>(c) >= 0x20 ? c != 0x7f : c == '\t';
  });
}

}  // namespace

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
  constexpr std::array<std::string_view, 9> reserved{"list",     "author", "token", "status", "reply",
                                                     "attempts", "relay",  "left",  "part"};
  return key.starts_with("ml.") || std::ranges::find(reserved, key) != reserved.end();
}

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.front() != '.' &&
         std::ranges::all_of(
             text, [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_clean_line(std::string_view line) {
  if (is_plain(line)) return true;
  const auto bad_control = [](char c) { return is_control(c) && c != '\t'; };
  return std::ranges::none_of(line, bad_control) && is_utf8(line);
}

bool are_attributes(std::string_view line, std::string_view fields) {
  if (fields.empty()) return !line.ends_with('\t');
  for (;;) {
    const auto tab = fields.find('\t');
    const std::string_view field = fields.substr(0, tab);
    const auto equals = field.find('=');
    if (equals == std::string_view::npos || !is_key(field.substr(0, equals))) return false;
    const std::string_view value = field.substr(equals + 1);
    if (value.find('\\') != std::string_view::npos && !unescaped(value)) return false;
    if (tab == std::string_view::npos) return true;
    fields.remove_prefix(tab + 1);
  }
}

std::string_view take_field(std::string_view& fields) {
  const auto tab = fields.find('\t');
  const std::string_view field = fields.substr(0, tab);
  fields.remove_prefix(tab == std::string_view::npos ? fields.size() : tab + 1);
  return field;
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

Result<std::string> decoded_message(const MessageRecord& record) {
  auto text = base64_decoded(record.base64);
  if (!text) return retry("line {}: the message {} is not base64", record.line_number, record.id);
  return std::move(*text);
}

std::expected<RcptRecord, std::string_view> line_to_rcpt(std::string_view line) {
  const auto none = [](std::string_view why) { return std::unexpected(why); };
  if (!is_clean_line(line)) return none("it has a control character or is not UTF-8");
  std::string_view fields = line;
  if (take_field(fields) != "rcpt") return none("it is not a rcpt record");
  RcptRecord rcpt;
  rcpt.address = take_field(fields);
  rcpt.sender = take_field(fields);
  rcpt.attributes = Attributes(fields);
  if (rcpt.address.empty() || rcpt.sender.empty()) return none("the rcpt record lacks a field");
  if (!are_attributes(line, fields)) return none("a field of the rcpt is not key=value");
  return rcpt;
}

}  // namespace ml
