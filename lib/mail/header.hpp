// The header block of a message, RFC 5322 2.2: its fields as views, and edits that leave every
// other octet as it stands.
//
// A block is text with LF line ends, as split_message() gives it: fields and nothing else. All
// views live as long as that text.
//
//   for (const Field& field : Fields(parts.head)) ...
//   if (const auto subject = find_field(parts.head, "Subject")) use(unfolded(subject->value));
//   std::string head = without_fields(parts.head, {"Return-Path", "Delivered-To"});
//   append_field(head, "List-Id", "<news.example.org>");
#pragma once

#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

namespace ml {

struct Field {
  std::string_view name;   // "Subject", as written
  std::string_view value;  // what stands behind the colon, folded as it came, without its last LF
  std::string_view raw;    // the whole field: name, colon, value and LF
};

// The field that `text` begins with, its continuation lines with it; nothing if its first line is
// none: printable ASCII without blanks, then a colon (blanks before it are tolerated).
[[nodiscard]] std::optional<Field> first_field(std::string_view text);

// The fields of a block, for range-for. Ends at the end of the block, or at a line that is no
// field.
class Fields {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Field;
    using difference_type = std::ptrdiff_t;
    using pointer = const Field*;
    using reference = const Field&;

    explicit Iterator(std::string_view rest) : rest_(rest), field_(first_field(rest)) {}
    const Field& operator*() const { return *field_; }
    const Field* operator->() const { return &*field_; }
    Iterator& operator++() {
      rest_.remove_prefix(field_->raw.size());
      field_ = first_field(rest_);
      return *this;
    }
    bool operator==(std::default_sentinel_t) const { return !field_; }

   private:
    std::string_view rest_;
    std::optional<Field> field_;
  };

  explicit Fields(std::string_view block) : block_(block) {}
  [[nodiscard]] Iterator begin() const { return Iterator(block_); }
  [[nodiscard]] std::default_sentinel_t end() const { return {}; }

 private:
  std::string_view block_;
};

// The topmost field of that name (ASCII case folded).
[[nodiscard]] std::optional<Field> find_field(std::string_view block, std::string_view name);
[[nodiscard]] std::size_t count_fields(std::string_view block, std::string_view name);

// The fields above the first Received: what the last server added on delivery (Return-Path,
// Delivered-To, X-Original-To, Envelope-To). Below it they are the work of earlier servers, or
// of anybody. The whole block where there is no Received.
[[nodiscard]] std::string_view top_block(std::string_view block);

// A value in one line: line ends dropped (RFC 5322 2.2.3), blanks off both ends.
[[nodiscard]] std::string unfolded(std::string_view value);

// The block without the fields for which `drop(field)` holds, or of these names.
template <class Drop>
[[nodiscard]] std::string without_fields(std::string_view block, const Drop& drop) {
  std::string kept;
  kept.reserve(block.size());
  for (const Field& field : Fields(block)) {
    if (!drop(field)) kept.append(field.raw);
  }
  return kept;
}
[[nodiscard]] std::string without_fields(std::string_view block,
                                         std::initializer_list<std::string_view> names);

// "Name: value" with its LF, at the bottom or at the top of a block. Whatever the value holds it
// stays one field: an LF not followed by a blank, and any other control but TAB, becomes a blank.
// Nothing is encoded or folded here (see rfc2047.hpp). A missing LF at the end of the block is
// added first.
void append_field(std::string& block, std::string_view name, std::string_view value);
void prepend_field(std::string& block, std::string_view name, std::string_view value);

}  // namespace ml
