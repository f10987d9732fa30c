// Any octets as UTF-8, as a number, a size, base64 and an escaped value: what is accepted comes
// back the same, and what a person sees is always clean.
#include "base/text.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/attributes.hpp"
#include "base/digest.hpp"
#include "base/options.hpp"
#include "fuzz/demand.hpp"

using namespace ml;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  const std::string shown = printable(text, 200);
  demand(is_utf8(shown) && shown.size() <= 210);
  for (const char c : shown) demand(!is_control(c));
  if (is_utf8(text)) demand(is_utf8(std::string(text) + "\xC3\xA4"));
  demand(is_utf8(text) || !is_ascii(text));

  if (const auto value = number(text)) demand(number(std::to_string(*value)) == *value);
  static_cast<void>(text_to_size(text));

  if (const auto octets = base64_decoded(text)) demand(base64(*octets) == text);
  demand(base64_decoded(base64(text)) == text);

  std::string escaped;
  append_escaped(escaped, text);
  demand(unescaped(escaped) == text);
  if (const auto plain = unescaped(text)) {
    std::string again;
    append_escaped(again, *plain);
    demand(unescaped(again) == *plain);
  }
  return 0;
}
