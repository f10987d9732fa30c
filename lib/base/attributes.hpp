// Attributes: the key=value fields that a recipient, a message and a subscriber carry, in one text
// form everywhere: "name=Ann\ttags=a,b", separated by one TAB, values escaped, never an empty
// field. Keys match `[a-z][a-z0-9_.-]*`.
//
//   Attributes(text).value("name").value_or("friend")
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ml {

// The fields after a record's fixed ones, still escaped: "name=Ann\ttoken=x7", or empty.
class Attributes {
 public:
  Attributes() = default;
  explicit Attributes(std::string_view text) : text_(text) {}

  [[nodiscard]] std::string_view text() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }
  // The value of `key`, unescaped; nothing if it is not there.
  [[nodiscard]] std::optional<std::string> value(std::string_view key) const;
  // The same, still escaped: no allocation.
  [[nodiscard]] std::optional<std::string_view> raw(std::string_view key) const;
  // Calls with each key and its escaped value, in order.
  template <class Call>
  void each(Call&& call) const {
    for (std::string_view rest = text_; !rest.empty();) {
      const auto tab = rest.find('\t');
      const std::string_view field = rest.substr(0, tab);
      const auto equals = field.find('=');
      call(field.substr(0, equals), field.substr(equals + 1));
      rest.remove_prefix(tab == std::string_view::npos ? rest.size() : tab + 1);
    }
  }

 private:
  std::string_view text_;
};

// Appends "\tkey=value", the value escaped.
void append_attribute(std::string& to, std::string_view key, std::string_view value);
// The attributes with `key` set to `value` (in its place, or last), or taken out (nullopt).
[[nodiscard]] std::string with_attribute(Attributes attributes, std::string_view key,
                                         std::optional<std::string_view> value);

// `[a-z][a-z0-9_.-]*`
[[nodiscard]] bool is_key(std::string_view text);
// Keys that an input column may not have: list author token status reply attempts relay left
// part, and all that begin "ml.". ("name" is reserved too, but means the same everywhere.)
[[nodiscard]] bool is_reserved_key(std::string_view key);
// TAB, LF, CR and `\` as \t \n \r \\ and back; nothing for a lone or unknown backslash sequence.
void append_escaped(std::string& to, std::string_view value);
[[nodiscard]] std::optional<std::string> unescaped(std::string_view text);

}  // namespace ml
