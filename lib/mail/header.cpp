#include "mail/header.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace ml {
namespace {

// RFC 5322 3.6.8 ftext.
bool is_name_character(char c) {
  return c > ' ' && c < '\x7f' && c != ':';
}

// The length of the field name at the front of `line`, 0 if there is none.
std::size_t name_length(std::string_view line) {
  const auto end = std::ranges::find_if_not(line, is_name_character);
  const auto colon = std::find_if_not(end, line.end(), is_blank);
  if (colon == line.end() || *colon != ':') return 0;
  return static_cast<std::size_t>(end - line.begin());
}

// The end of the line that begins at `at`, its LF included.
std::size_t line_end(std::string_view text, std::size_t at) {
  const auto lf = text.find('\n', at);
  return lf == std::string_view::npos ? text.size() : lf + 1;
}

std::string field_line(std::string_view name, std::string_view value) {
  std::string line(name);
  line.append(": ");
  for (std::size_t i = 0; i < value.size(); ++i) {
    const bool folds = value[i] == '\n' && i + 1 < value.size() && is_blank(value[i + 1]);
    line.push_back(is_control(value[i]) && value[i] != '\t' && !folds ? ' ' : value[i]);
  }
  return line + '\n';
}

}  // namespace

std::optional<Field> first_field(std::string_view text) {
  const std::size_t length = name_length(text);
  if (length == 0) return std::nullopt;
  std::size_t end = line_end(text, length);
  while (end < text.size() && is_blank(text[end])) end = line_end(text, end);
  Field field;
  field.raw = text.substr(0, end);
  field.name = text.substr(0, length);
  field.value = field.raw.substr(field.raw.find(':', length) + 1);
  if (field.value.ends_with('\n')) field.value.remove_suffix(1);
  return field;
}

std::optional<Field> find_field(std::string_view block, std::string_view name) {
  for (const Field& field : Fields(block)) {
    if (same_nocase(field.name, name)) return field;
  }
  return std::nullopt;
}

std::size_t count_fields(std::string_view block, std::string_view name) {
  std::size_t count = 0;
  for (const Field& field : Fields(block)) {
    if (same_nocase(field.name, name)) ++count;
  }
  return count;
}

std::string_view top_block(std::string_view block) {
  const auto received = find_field(block, "Received");
  if (!received) return block;
  return block.substr(0, static_cast<std::size_t>(received->raw.data() - block.data()));
}

std::string unfolded(std::string_view value) {
  std::string line;
  line.reserve(value.size());
  std::ranges::copy_if(value, std::back_inserter(line), [](char c) { return c != '\n'; });
  return std::string(trim(line));
}

std::string without_fields(std::string_view block, std::initializer_list<std::string_view> names) {
  return without_fields(block, [&](const Field& field) {
    return std::ranges::any_of(names, [&](auto name) { return same_nocase(field.name, name); });
  });
}

void append_field(std::string& block, std::string_view name, std::string_view value) {
  if (!block.empty() && block.back() != '\n') block.push_back('\n');
  block.append(field_line(name, value));
}

void prepend_field(std::string& block, std::string_view name, std::string_view value) {
  block.insert(0, field_line(name, value));
}

}  // namespace ml
