// Any octets as a local part, and as the name of a list: nothing that names a file badly.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "list/name.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const char delimiter : {'+', '-'}) {
    for (const auto& part : ml::local_part_readings(text, delimiter)) {
      if (part.list.empty()) {
        if (part.role != ml::Role::bounces) std::abort();
        continue;
      }
      // What was read as a list must be a list's legal name.
      const auto list = ml::text_to_list_name(part.list, "x.org");
      if (!list || list->local != part.list) std::abort();
    }
  }
  if (const auto list = ml::text_to_list_name(text, "x.org")) {
    if (list->text().find('/') != std::string::npos || list->local.front() == '.' ||
        list->domain.front() == '.' || ml::text_to_list_name(list->text()) != *list) {
      std::abort();
    }
  }
  return 0;
}
