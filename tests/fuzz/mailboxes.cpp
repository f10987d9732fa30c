// Any octets as the value of From: the addresses found are legal ones.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mail/mailboxes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const auto& address : ml::mailboxes({reinterpret_cast<const char*>(data), size})) {
    if (ml::text_to_address(ml::address_to_text(address)) != address) std::abort();
  }
  return 0;
}
