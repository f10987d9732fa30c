// Any octets as a settings file: laid over, or refused with a reason.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "list/settings.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ml::Settings settings;
  const auto laid = settings.overlay({reinterpret_cast<const char*>(data), size}, "fuzz.toml");
  if (!laid && (laid.error().text.empty() || laid.error().status != ml::Status::retry))
    std::abort();
  static_cast<void>(settings.text("post"));
  static_cast<void>(settings.many("via"));
  if (laid && !settings.size("max-size")) std::abort();
  return 0;
}
