#include "base/json.hpp"

#include <iterator>

#include <fmt/format.h>

#include "base/text.hpp"

namespace ml {

void append_json(std::string& to, std::string_view text) {
  if (!is_utf8(text)) return append_json(to, printable(text, text.size() * 4));
  to.push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"': to.append("\\\""); break;
      case '\\': to.append("\\\\"); break;
      case '\n': to.append("\\n"); break;
      case '\t': to.append("\\t"); break;
      default:
        if (is_control(c)) {
          fmt::format_to(std::back_inserter(to), "\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          to.push_back(c);
        }
    }
  }
  to.push_back('"');
}

void append_json(std::string& to, std::span<const std::string> texts) {
  to.push_back('[');
  for (const std::string& text : texts) {
    if (to.back() != '[') to.push_back(',');
    append_json(to, text);
  }
  to.push_back(']');
}

}  // namespace ml
