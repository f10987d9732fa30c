// Any octets as a record of the store: what parses is what we would have written.
// The first octet tells where the key ends.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "store/subscriber.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string_view key = text.substr(0, data[0]);
  const std::string_view value = text.substr(key.size());
  if (const auto found = ml::value_to_subscriber(key, value)) {
    if (ml::address_key(found->address) != key) std::abort();
    if (ml::subscriber_to_value(*found) != value) std::abort();
  }
  if (const auto view = ml::view_key(key)) {
    std::string domain;
    ml::append_domain(domain, view->labels);
  }
  if (ml::are_good_attributes(text)) {
    const std::string sorted = ml::sorted_attributes(text);
    if (!ml::are_good_attributes(sorted) || ml::sorted_attributes(sorted) != sorted) std::abort();
    if (ml::merge_attributes(sorted, sorted) != sorted) std::abort();
  }
  if (const auto day = ml::text_to_day(text)) {
    if (ml::day_to_text(*day) != text) std::abort();
  }
  return 0;
}
