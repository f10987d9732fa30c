#include "mail/mime.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include <mimetic/mimetic.h>

#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/message.hpp"
#include "mail/parts.hpp"
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

struct Place {
  unsigned depth = 0;
  unsigned messages = 0;
};

// The library unfolds what it gives out.
std::string header_text(const mimetic::Header& header) {
  std::string text;
  for (const mimetic::Field& field : header) append_field(text, field.name(), field.value());
  return text;
}

std::string charset_of(std::string_view content_type) {
  return std::string(text_to_content_type(content_type).parameter("charset").value_or(""));
}

// How deep this goes is bounded by has_few_content_types().
void collect(const mimetic::MimeEntity& entity, Place place, std::vector<MimePart>& parts) {
  const mimetic::Header& header = entity.header();
  const std::string& content_type = header.field("Content-Type").value();
  std::string type = first_word(content_type);
  if (!entity.body().parts().empty()) {
    ++place.depth;
    const bool message = type.starts_with("message/");
    if (message) ++place.messages;
    for (const mimetic::MimeEntity* child : entity.body().parts()) {
      if (message) {
        parts.push_back({"text/rfc822-headers",
                         {},
                         {},
                         header_text(child->header()),
                         place.depth,
                         place.messages});
      }
      collect(*child, place, parts);
    }
    return;
  }
  if (type.empty()) type = "text/plain";
  const std::string encoding = first_word(header.field("Content-Transfer-Encoding").value());
  parts.push_back({std::move(type), charset_of(content_type), header_text(header),
                   decoded_body(entity.body(), encoding), place.depth, place.messages});
}

std::string field_value(std::string_view head, std::string_view name) {
  const auto field = find_field(head, name);
  return field ? unfolded(field->value) : std::string();
}

constexpr unsigned deepest_message = 5;

// The same without the library.
void collect_plainly(std::string_view text, Place place, std::vector<MimePart>& parts) {
  const auto leaves = message_to_leaves(text);
  if (!leaves) {
    parts.push_back({"text/plain", {}, {}, std::string(text), place.depth, place.messages});
    return;
  }
  for (const Leaf& leaf : *leaves) {
    const bool message = leaf.type.name.starts_with("message/rfc822");
    if (message && place.messages < deepest_message) {
      const Place inside{place.depth + 1, place.messages + 1};
      parts.push_back({"text/rfc822-headers",
                       {},
                       {},
                       std::string(split_message(leaf.body).head),
                       inside.depth,
                       inside.messages});
      collect_plainly(leaf.body, inside, parts);
      continue;
    }
    const std::string encoding = first_word(field_value(leaf.head, "Content-Transfer-Encoding"));
    parts.push_back({leaf.type.name, std::string(leaf.type.parameter("charset").value_or("")),
                     std::string(leaf.head), decoded_body(leaf.body, encoding), place.depth,
                     place.messages});
  }
}

// Nothing where the text is beyond the library.
std::vector<MimePart> inspect(std::string_view text) {
  std::vector<MimePart> parts;
  try {
    mimetic::MimeEntity entity;
    entity.load(Octets(text.data()), Octets(text.data() + text.size()));
    collect(entity, {}, parts);
  } catch (...) {
    parts.clear();
  }
  return parts;
}

}  // namespace

std::string decoded_body(std::string_view body, std::string_view encoding) {
  std::string text;
  if (same_nocase(encoding, "quoted-printable")) {
    text = quoted_printable_to_octets(body);
  } else if (same_nocase(encoding, "base64")) {
    text = base64_text_to_octets(body);
  } else {
    return std::string(body);
  }
  std::erase(text, '\r');
  std::erase(text, '\0');
  return text;
}

std::string tamed_text(std::string_view message) {
  std::string text(message.substr(0, longest_mime_text));
  std::erase(text, '\0');
  auto intake = octets_to_message(std::move(text));
  if (!intake) return {};  // a NUL is all that it refuses
  return with_bounded_fields(intake->message);
}

std::vector<MimePart> text_to_parts(std::string_view text) {
  std::vector<MimePart> parts;
  if (has_few_content_types(text)) parts = inspect(text);
  // The library finds nothing in a multipart without a boundary.
  if (parts.size() == 1 && parts.front().text.empty()) parts.clear();
  if (parts.empty()) collect_plainly(text, {}, parts);
  if (parts.empty()) parts.push_back({"text/plain", {}, {}, std::string(text), 0, 0});
  return parts;
}

}  // namespace ml
