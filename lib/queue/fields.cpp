#include "queue/fields.hpp"

#include "base/fd.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t largest_file = 4096;

}  // namespace

Result<std::optional<HeadFields>> read_fields(const std::string& path) {
  auto text = read_file(path, largest_file);
  if (!text) return fail(text);
  if (!text->starts_with(journal_format) || !text->ends_with('\n')) {
    return std::nullopt;
  }
  HeadFields fields;
  for (const std::string_view line : split(*text, '\n')) {
    const auto blank = line.find(' ');
    if (blank == std::string_view::npos) continue;
    fields.all.emplace(line.substr(0, blank), line.substr(blank + 1));
  }
  return fields;
}

}  // namespace ml
