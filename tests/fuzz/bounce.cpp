// Any octets as a message that came to a bounce address: what it says of whom.
#include "mail/bounce.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "mail/diagnosis.hpp"
#include "mail/mime.hpp"

using namespace ml;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = tamed_text({reinterpret_cast<const char*>(data), size});
  for (const Report& report : message_to_reports(text)) {
    // A complaint may keep back whose it is.
    const bool names_nobody = report.action == Action::complained && report.address().empty();
    if (!names_nobody && report.address().find('@') == std::string::npos) std::abort();
    if (counts_against_recipient(report) && report.action != Action::failed) std::abort();
    const std::string status = telling_status(report);
    if (!status.empty() && leading_status(status) != status) std::abort();
    if (bounce_class_to_text(bounce_class(report)).empty()) std::abort();
  }
  return 0;
}
