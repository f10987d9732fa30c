#include "stage/entry_mark.hpp"

#include <optional>

#include "base/attributes.hpp"

namespace ml {

std::string without_mark(std::string_view line) {
  std::size_t at = 0;  // of the TAB in front of the attributes
  for (int field = 0; field < 4 && at != std::string_view::npos; ++field) {
    at = line.find('\t', field == 0 ? 0 : at + 1);
  }
  std::string text(line);
  if (at == std::string_view::npos) return text;
  const std::string attributes =
      with_attribute(Attributes(line.substr(at + 1)), entry_mark, std::nullopt);
  text.erase(attributes.empty() ? at : at + 1);
  return text.append(attributes);
}

}  // namespace ml
