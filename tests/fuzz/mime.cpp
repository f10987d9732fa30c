// Any octets as a message: its leaves.
#include "mail/mime.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace ml;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = tamed_text({reinterpret_cast<const char*>(data), size});
  if (text.find_first_of(std::string_view("\r\0", 2)) != std::string::npos) std::abort();
  const auto parts = text_to_parts(text);
  if (parts.empty()) std::abort();
  for (const MimePart& part : parts) {
    if (part.type.empty() || part.messages > part.depth) std::abort();
  }
  return 0;
}
