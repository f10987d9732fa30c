// Any octets as a message whose slots are filled with any value: the copy has the fields and the
// parts of the message, HTML has no more brackets and quotes than with a harmless value, and it is
// the same whether the values come before or after the encoding for the wire.
#include "mail/slots.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/demand.hpp"
#include "mail/header.hpp"
#include "mail/message.hpp"
#include "mail/parts.hpp"
#include "mail/transfer.hpp"
#include "smtp/wire.hpp"

using namespace ml;

namespace {

constexpr std::string_view nonce = "k7w2nonce4f";

std::optional<std::string> copy(std::string_view marked, std::string_view value) {
  const auto slotted = marked_to_slotted(marked, nonce);
  demand(slotted.has_value());
  const std::vector<std::optional<std::string_view>> values(slotted->keys().size(), value);
  Filled filled;
  if (!slotted->fill(values, filled)) return std::nullopt;
  std::string text;
  for (const auto piece : filled.pieces) text += piece;
  return text;
}

std::string names(std::string_view head) {
  std::string text;
  for (const Field& field : Fields(head)) text.append(field.name).append("\n");
  return text;
}

std::array<std::ptrdiff_t, 4> html_syntax(const Leaf& leaf) {
  if (leaf.type.name != "text/html") return {};
  const auto encoding = find_field(leaf.head, "Content-Transfer-Encoding");
  if (!encoding || unfolded(encoding->value) != "quoted-printable") return {};
  const std::string text = quoted_printable_to_octets(leaf.body);
  return {std::ranges::count(text, '<'), std::ranges::count(text, '>'),
          std::ranges::count(text, '"'), std::ranges::count(text, '\'')};
}

void compare(const std::string& harmless, const std::string& hostile) {
  demand(names(split_message(harmless).head) == names(split_message(hostile).head));
  const auto a = message_to_leaves(harmless);
  const auto b = message_to_leaves(hostile);
  demand(a && b && a->size() == b->size());
  for (std::size_t i = 0; i < a->size(); ++i) {
    demand(names((*a)[i].head) == names((*b)[i].head));
    demand((*a)[i].type.name == (*b)[i].type.name);
    demand(html_syntax((*a)[i]) == html_syntax((*b)[i]));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string_view value = octets.substr(0, data[0] % 32);
  const auto intake = octets_to_message(std::string(octets.substr(value.size())));
  if (!intake) return 0;
  const auto marked = mark_slots(intake->message, nonce);
  if (!marked) return 0;
  if (marked->keys.empty()) demand(marked->message == intake->message);
  const auto harmless = copy(marked->message, "x");
  const auto hostile = copy(marked->message, value.empty() ? "https://x/\r\n\"'<>" : value);
  if (harmless && hostile) compare(*harmless, *hostile);
  if (!harmless) return 0;
  demand(copy(text_to_wire(marked->message, Dots::doubled), "x") ==
         text_to_wire(*harmless, Dots::doubled));
  return 0;
}
