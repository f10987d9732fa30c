// The text of a notice as its readers look at it: flowing, so that words are found however they
// were wrapped, and in lines, each with the address that it begins with.
//
//   const Flow flow(text);
//   const auto at = flow.text.find("could not be delivered to");
//   const auto place = flow.place(at, text.size());              // where that stands in `text`
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/mentions.hpp"

namespace ml {

// The text in lower case with one blank for any run of white space, and where each octet of it
// stands in the text.
struct Flow {
  std::string text;
  std::vector<std::uint32_t> origin;

  explicit Flow(std::string_view from);

  // `end` for what is behind the last octet.
  [[nodiscard]] std::size_t place(std::size_t at, std::size_t end) const {
    return at < origin.size() ? origin[at] : end;
  }
};

// Views into the text.
struct TextLine {
  std::string_view text;
  std::size_t begin = 0;  // where in the text
  std::size_t indent = 0;
  bool blank = false;
  // The address that it begins with, behind no more than a bullet, a number, a bracket or a label;
  // its places are in the line.
  std::optional<Mention> lead;
};

[[nodiscard]] std::vector<TextLine> lines_of(std::string_view text);

}  // namespace ml
