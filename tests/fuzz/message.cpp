// Any octets as a message: nothing is lost, the head is made of fields, and edits touch only what
// they name.
#include "mail/message.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/demand.hpp"
#include "mail/header.hpp"

using namespace ml;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  const auto intake = octets_to_message(std::string(octets));
  demand(intake.has_value() == (octets.find('\0') == std::string_view::npos));
  if (!intake) return 0;
  const std::string& message = intake->message;
  demand(message.find('\r') == std::string::npos);
  demand(octets.starts_with("From ") || octets.find('\r') != std::string_view::npos ||
         message == octets);

  const MessageParts parts = split_message(message);
  demand(std::string(parts.head).append(parts.separator).append(parts.body) == message);
  demand(parts.separator.empty() || parts.separator == "\n");
  std::string joined;
  for (const Field& field : Fields(parts.head)) {
    joined.append(field.raw);
    demand(!field.name.empty() && find_field(parts.head, field.name).has_value());
    demand(unfolded(field.value).find('\n') == std::string::npos);
  }
  demand(joined == parts.head);
  demand(without_fields(parts.head, {}) == parts.head);
  demand(!find_field(without_fields(parts.head, {"To"}), "To"));

  std::string head(parts.head);
  append_field(head, "X-Fuzz", octets);
  prepend_field(head, "X-Fuzz", octets);
  demand(count_fields(head, "X-Fuzz") == count_fields(parts.head, "X-Fuzz") + 2);
  demand(split_message(head).head == head);
  return 0;
}
