#include "mail/subscription_token.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ml;

namespace {

TokenKey key(std::uint8_t octet) {
  TokenKey one{'b', {}};
  one.mac.fill(octet);
  return one;
}

std::string token_of(std::string_view local, std::string_view domain) {
  SubscriptionTokens tokens(key(7), "news@x.org");
  std::string text;
  tokens.append(text, local, domain);
  return text;
}

}  // namespace

TEST_CASE("token: it says who and on which list and that we said so") {
  const auto token = text_to_subscription_token(token_of("Ann.Lee+news", "example.org"));
  REQUIRE(token);
  CHECK(token->generation == 'b');
  CHECK(token->list == "news@x.org");
  CHECK(token->recipient == "ann.lee+news@example.org");
  CHECK(is_ours(*token, key(7)));
  CHECK_FALSE(is_ours(*token, key(8)));
}

TEST_CASE("token: it stands in a URL as it is whatever the address holds") {
  for (const std::string local :
       {"a", "ab", "abc", "\xc3\xa4\xc3\xb6?&/", "\"a b\"", "~~~~~>>>>"}) {
    const std::string text = token_of(local, "example.org");
    CHECK(text.find_first_not_of(
              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
          std::string::npos);
    const auto token = text_to_subscription_token(text);
    REQUIRE(token);
    CHECK(is_ours(*token, key(7)));
    CHECK(token->recipient.ends_with("@example.org"));
  }
}

TEST_CASE("token: no octet of it can be changed") {
  const std::string good = token_of("ann", "example.org");
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const char c : {'a', 'z', '2', 'A', '_', '=', '@'}) {
      std::string changed = good;
      changed[i] = c;
      if (changed == good || i == 0) continue;  // the generation only says which key to try
      const auto token = text_to_subscription_token(changed);
      CHECK_FALSE((token && is_ours(*token, key(7))));
    }
  }
}

TEST_CASE("token: what is none is none") {
  const std::string good = token_of("ann", "example.org");
  CHECK_FALSE(text_to_subscription_token(""));
  CHECK_FALSE(text_to_subscription_token("a"));
  CHECK_FALSE(text_to_subscription_token(good.substr(0, 17)));
  CHECK_FALSE(text_to_subscription_token("b" + std::string(16, '1') + good.substr(17)));
  CHECK_FALSE(text_to_subscription_token("b" + std::string(16, 'a') + "YWJj"));  // one line
  CHECK_FALSE(text_to_subscription_token(std::string(5000, 'a')));
}
