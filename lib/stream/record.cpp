#include "stream/record.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "base/octets.hpp"
#include "base/text.hpp"

namespace ml {

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.front() != '.' &&
         std::ranges::all_of(
             text, [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_clean_line(std::string_view line) {
  if (is_printable(line, Tabs::allowed)) return true;
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

Result<std::string> decoded_message(const MessageRecord& record) {
  auto text = base64_decoded(record.base64);
  if (!text) return retry("line {}: the message {} is not base64", record.line_number, record.id);
  return std::move(*text);
}

namespace {

std::string_view not_rcpt(std::string_view line) {
  return line == "rcpt" ? "the rcpt record lacks a field" : "it is not a rcpt record";
}

}  // namespace

std::expected<RcptRecord, std::string_view> line_to_rcpt(std::string_view line) {
  const auto none = [](std::string_view why) { return std::unexpected(why); };
  if (!is_clean_line(line)) return none("it has a control character or is not UTF-8");
  if (!line.starts_with("rcpt\t")) return none(not_rcpt(line));
  std::string_view fields = line.substr(5);
  RcptRecord rcpt;
  rcpt.address = take_field(fields);
  rcpt.at = std::min(rcpt.address.rfind('@'), rcpt.address.size());
  if (fields == "-" && !rcpt.address.empty()) {  // nearly all of them
    rcpt.sender = fields;
    rcpt.attributes = Attributes(fields.substr(1));  // none, and where they would stand
    return rcpt;
  }
  rcpt.sender = take_field(fields);
  rcpt.attributes = Attributes(fields);
  if (rcpt.address.empty() || rcpt.sender.empty()) return none("the rcpt record lacks a field");
  if (!are_attributes(line, fields)) return none("a field of the rcpt is not key=value");
  return rcpt;
}

}  // namespace ml
