// Any octets as an address list and as text with encoded words: what comes out is clean.
#include "mail/mailboxes.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "fuzz/demand.hpp"
#include "mail/rfc2047.hpp"

using namespace ml;

namespace {

bool is_clean(std::string_view text) {
  for (const char c : text) {
    if (is_control(c)) return false;
  }
  return is_utf8(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view value(reinterpret_cast<const char*>(data), size);
  for (const Mailbox& mailbox : field_to_mailboxes(value)) {
    demand(is_clean(mailbox.name));
    const auto again = text_to_address(address_to_text(mailbox.address));
    demand(again && *again == mailbox.address);
  }
  const std::string text = decode_words(value);
  demand(is_clean(text));
  const std::string encoded = encode_text(text, 9);
  demand(is_ascii(encoded));
  for (const auto line : split(encoded, '\n')) demand(line.size() <= 998);
  demand(text.find(std::string(65, ' ')) != std::string::npos ||
         decode_words(encoded) == trim(text));
  demand(is_ascii(encode_phrase(text, 6)));
  return 0;
}
