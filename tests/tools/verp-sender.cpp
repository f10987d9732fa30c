// verp-sender LIST ID RECIPIENT DAYS: the bounce address that ml-verp made so many days ago.
#include <optional>
#include <string>

#include "base/diag.hpp"
#include "base/fd.hpp"
#include "base/home.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "mail/verp.hpp"
#include "stage/bounce_address.hpp"
#include "store/keys.hpp"
#include "store/subscriber.hpp"

using namespace ml;

int main(int argc, char** argv) {
  if (auto started = start("verp-sender"); !started) return leave(fail(started));
  if (argc != 5) return leave(retry("verp-sender LIST ID RECIPIENT DAYS"));
  const auto home = open_home(std::nullopt, Create::no);
  if (!home) return leave(fail(home));
  const auto keys = load_keys(*home);
  if (!keys) return leave(fail(keys));
  const std::string recipient = argv[3];
  const auto at = recipient.rfind('@');
  const auto day = static_cast<std::uint16_t>(today() - number<std::uint16_t>(argv[4]).value_or(0));
  Verp verp(signing_keys(*keys), argv[1], {}, argv[2], day);
  std::string sender;
  if (!verp.append_sender(sender, recipient.substr(0, at), recipient.substr(at + 1))) {
    return leave(retry("{} needs a handle", recipient));
  }
  if (auto written = write_all(1, sender + '\n', "standard output"); !written) {
    return leave(fail(written));
  }
  return leave(Status::done);
}
