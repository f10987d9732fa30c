// The token of a subscription, for a link that ends it with one click (RFC 8058): who, on which
// list, and that we said so.
//
//   K MMMMMMMMMMMMMMMM PAYLOAD      no spaces; fit for any part of a URL as it stands
//
//   K        key generation, a-z2-7
//   M        80 bits of SipHash-2-4 of list and recipient, under a key of its own
//   PAYLOAD  base64url (RFC 4648 5, no padding) of "LIST LF RECIPIENT"
//
// It never runs out: a link in an old message has to work.
//
//   SubscriptionTokens tokens({'a', key}, "news@x.org");
//   tokens.append(line, "ann", "example.org");
//   auto token = text_to_subscription_token(text);
//   if (token && is_ours(*token, key)) ...              // token->list, token->recipient
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/digest.hpp"

namespace ml {

struct TokenKey {
  char generation = 'a';
  SipKey mac{};  // Key::sip_key("unsubscribe")
};

// Those of one list.
class SubscriptionTokens {
 public:
  // `list`: the posting address, in lower case.
  SubscriptionTokens(const TokenKey& key, std::string_view list);
  // Of a legal address, taken apart at its @.
  void append(std::string& to, std::string_view local, std::string_view domain);

 private:
  TokenKey key_;
  std::string head_;  // list and LF
  std::string text_;  // of the call
};

// Taken apart, its MAC not yet looked at: nothing in it is to be believed.
struct SubscriptionToken {
  char generation = 0;
  std::string mac;        // 16 characters
  std::string list;       // as signed
  std::string recipient;  // canonical, as signed
};

// By shape alone; nothing: it is no token.
[[nodiscard]] std::optional<SubscriptionToken> text_to_subscription_token(std::string_view text);
// In constant time. `key` is that of token.generation.
[[nodiscard]] bool is_ours(const SubscriptionToken& token, const TokenKey& key);

}  // namespace ml
