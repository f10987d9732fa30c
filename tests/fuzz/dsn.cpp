// Any octets as a delivery report: fields come out, or nothing.
#include "mail/dsn.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace ml;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Report& report : text_to_reports(text)) {
    if (report.address().empty()) std::abort();
    if (!report.status.empty() && leading_status(report.status) != report.status) std::abort();
  }
  static_cast<void>(xtext_to_text(text));
  static_cast<void>(utf8_xtext_to_text(text));
  return 0;
}
