#include "mail/mime.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include <mimetic/mimetic.h>

#include "base/text.hpp"
#include "mail/message.hpp"
#include "mail/transfer.hpp"

namespace ml {
namespace {

// Makes the library read octet by octet: its parser for iterators that can jump finds a boundary
// in the middle of a line, searches to the end of the text once a nesting, and throws out of it.
class Octets {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Octets() = default;
  explicit Octets(const char* at) : at_(at) {}
  reference operator*() const { return *at_; }
  Octets& operator++() {
    ++at_;
    return *this;
  }
  bool operator==(const Octets&) const = default;

 private:
  const char* at_ = nullptr;
};

// A line and those behind it that begin with a blank may be a field wherever they stand: what
// is over the bound is left out.
std::string with_bounded_fields(std::string_view text) {
  std::string bounded;
  bounded.reserve(text.size());
  std::size_t field = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.empty() || !is_blank(line.front())) field = 0;
    const std::size_t fits = std::min(line.size(), longest_mime_field - field);
    bounded.append(line.substr(0, fits));
    field += fits;
    text.remove_prefix(line.size());
    if (text.empty()) break;
    // A continuation that was left out whole leaves no empty line behind to end the header.
    if (fits > 0 || line.empty()) bounded.push_back('\n');
    text.remove_prefix(1);
  }
  return bounded;
}

bool has_few_content_types(std::string_view text) {
  constexpr std::string_view name = "content-type";
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find_first_of("cC", at)) != std::string_view::npos; ++at) {
    if (begins_nocase(text.substr(at), name) && ++count > most_content_types) return false;
  }
  return true;
}

// "text/plain; charset=x (y)" -> "text/plain"
std::string first_word(std::string_view value) {
  const auto end = value.find_first_of("; \t(");
  return lower(value.substr(0, end));
}

std::string decoded(const std::string& body, std::string_view encoding) {
  std::string text;
  if (encoding == "quoted-printable") {
    text = quoted_printable_to_octets(body);
  } else if (encoding == "base64") {
    text = base64_text_to_octets(body);
  } else {
    return body;
  }
  std::erase(text, '\r');
  std::erase(text, '\0');
  return text;
}

struct Place {
  unsigned depth = 0;
  unsigned messages = 0;
};

// How deep this goes is bounded by has_few_content_types().
void collect(const mimetic::MimeEntity& entity, Place place, std::vector<MimePart>& parts) {
  const mimetic::Header& header = entity.header();
  std::string type = first_word(header.field("Content-Type").value());
  if (!entity.body().parts().empty()) {
    ++place.depth;
    if (type.starts_with("message/")) ++place.messages;
    for (const mimetic::MimeEntity* child : entity.body().parts()) collect(*child, place, parts);
    return;
  }
  if (type.empty()) type = "text/plain";
  const std::string encoding = first_word(header.field("Content-Transfer-Encoding").value());
  parts.push_back({std::move(type), decoded(entity.body(), encoding), place.depth, place.messages});
}

}  // namespace

std::string tamed_text(std::string_view message) {
  std::string text(message.substr(0, longest_mime_text));
  std::erase(text, '\0');
  auto intake = octets_to_message(std::move(text));
  if (!intake) return {};  // a NUL is all that it refuses
  return with_bounded_fields(intake->message);
}

std::optional<std::vector<MimePart>> text_to_parts(std::string_view text) {
  if (!has_few_content_types(text)) return std::nullopt;
  try {
    mimetic::MimeEntity entity;
    entity.load(Octets(text.data()), Octets(text.data() + text.size()));
    std::vector<MimePart> parts;
    collect(entity, {}, parts);
    return parts;
  } catch (...) {  // whatever it is, the text is beyond the library
    return std::nullopt;
  }
}

}  // namespace ml
