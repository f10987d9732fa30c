// Any octets as an address and as a domain: what is accepted is in its one spelling, safe to print,
// to send and to sort.
#include "mail/address.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "fuzz/demand.hpp"

using namespace ml;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto address = text_to_address(text);
  if (plain_at(text)) demand(address && address_to_text(*address) == text);
  if (address) {
    const std::string spelled = address_to_text(*address);
    demand(spelled.size() <= longest_address && address->local.size() <= longest_local);
    demand(is_utf8(spelled) && is_ascii(address->domain) && !address->domain.empty());
    for (const char c : spelled) demand(!is_control(c));
    const auto again = text_to_address(spelled);
    demand(again && *again == *address);
    demand(address_key(*address).size() <= 320);
  }
  if (const auto domain = text_to_domain(text)) {
    const auto again = text_to_domain(*domain);
    demand(again && *again == *domain);
    demand(domain->size() <= longest_domain);
  }
  return 0;
}
