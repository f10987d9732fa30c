// Any octets as a bounce address: what is read is clean, and what is written of it reads the same.
#include "mail/verp.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "fuzz/demand.hpp"
#include "mail/address.hpp"
#include "mail/subscription_token.hpp"

using namespace ml;

namespace {

// The text as a recipient: its sender names it again, however odd it is.
void write_and_read(std::string_view text) {
  const auto at = text.rfind('@');
  if (at == std::string_view::npos || at == 0 || at > longest_local) return;
  const std::string_view local = text.substr(0, at);
  if (!is_utf8(local) || !plain_at("x@" + std::string(text.substr(at + 1)))) return;
  for (const char c : local) {
    if (is_control(c)) return;
  }
  const std::string_view domain = text.substr(at + 1);
  Verp verp(VerpKeys{}, "news@x.org", {}, "x1", 20'000);
  std::string sender;
  if (!verp.append_sender(sender, local, domain)) return;
  demand(plain_at(sender).has_value());
  const auto read = text_to_verp(sender);
  demand(read && read->recipient == text);
  demand(is_ours(*read, VerpKeys{}, "news@x.org", read->recipient));
  std::string token;
  SubscriptionTokens(TokenKey{}, "news@x.org").append(token, local, domain);
  const auto taken = text_to_subscription_token(token);
  demand(taken && taken->list == "news@x.org" && is_ours(*taken, TokenKey{}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  write_and_read(text);
  if (const auto token = text_to_subscription_token(text)) {
    static_cast<void>(is_ours(*token, TokenKey{}));
  }
  const auto verp = text_to_verp(text);
  if (!verp) return 0;
  demand(is_utf8(verp->recipient));
  for (const char c : verp->recipient) demand(!is_control(c));
  demand(verp->list_local.empty() != verp->list_handle.empty());
  demand(verp->list_local.size() <= longest_verp_list && verp->day < 1024);
  demand(verp->shared || verp->recipient.empty() != verp->handle.empty());
  static_cast<void>(is_ours(*verp, VerpKeys{}, "news@x.org", verp->recipient));
  return 0;
}
