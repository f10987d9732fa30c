// The parts of a MIME message as views, for edits that leave every other octet alone. RFC 2046.
//
// mime.hpp reads foreign bounces through a library that re-writes what it reads; this one only
// finds where the parts begin and end. One pass over the lines, no recursion.
//
//   auto leaves = message_to_leaves(message);
//   for (const Leaf& leaf : *leaves) if (leaf.type.name == "text/plain") use(leaf.body);
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ml {

struct ContentType {
  struct Parameter {
    std::string name;   // lower case
    std::string value;  // unquoted
  };
  std::string name = "text/plain";  // lower case; RFC 2045 5.2 where there is none
  std::vector<Parameter> parameters;

  [[nodiscard]] std::optional<std::string_view> parameter(std::string_view which) const;
};

// The value of a Content-Type or a Content-Disposition field; what makes no sense is passed over.
[[nodiscard]] ContentType text_to_content_type(std::string_view value);
// "text/plain; charset=utf-8; format=flowed", values quoted where they must be.
[[nodiscard]] std::string content_type_to_text(const ContentType& type);

enum class Seal { open, sealed };  // sealed: inside of multipart/signed or multipart/encrypted

// A part that holds no further parts; message/rfc822 is one. Its head, separator and body stand
// behind one another in the message; the LF in front of a boundary is not the body's.
struct Leaf {
  ContentType type;
  Seal seal = Seal::open;
  unsigned number = 0;         // from 1, in the order of the message
  std::string_view head;       // of the message itself where it is no multipart
  std::string_view separator;  // "\n", or empty
  std::string_view body;
};

inline constexpr std::size_t deepest_part = 30;

// Parts nested deeper than `deepest_part` are 65, `5.6.0 ...`.
[[nodiscard]] Result<std::vector<Leaf>> message_to_leaves(std::string_view message);

}  // namespace ml
