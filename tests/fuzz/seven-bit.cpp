// Any message as ASCII: what is made is ASCII, stays as it is when made again, and parameters of
// notices never hold what would end a command.
#include "mail/seven_bit.hpp"

#include <cstdint>
#include <cstdlib>

#include "base/text.hpp"
#include "mail/dsn_request.hpp"

using namespace ml;

namespace {

void check_parameters(const Result<std::string>& made) {
  if (!made) return;
  for (const char c : *made) {
    if (c < ' ' || c > '~') std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto made = message_to_7bit(text)) {
    if (!is_ascii(*made)) std::abort();
    if (message_to_7bit(*made) != *made) std::abort();
  }
  check_parameters(dsn_mail_parameters(text, text));
  check_parameters(dsn_mail_parameters({}, text));
  check_parameters(dsn_rcpt_parameters(text, {}));
  check_parameters(dsn_rcpt_parameters({}, text));
  return 0;
}
