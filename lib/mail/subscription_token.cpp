#include "mail/subscription_token.hpp"

#include <algorithm>

#include "mail/verp.hpp"

namespace ml {
namespace {

constexpr std::size_t mac_size = 16;
constexpr std::size_t longest = 1024;  // two addresses of 320 octets, and more than enough

// `text`: list LF recipient.
void append_mac(std::string& to, const SipKey& key, std::string_view text) {
  const auto words = siphash128(key, text);
  append_base32(to, words[0], mac_size / 2);
  append_base32(to, words[1], mac_size / 2);
}

void append_base64url(std::string& to, std::string_view octets) {
  const std::size_t begin = to.size();
  append_base64(to, octets);
  while (to.back() == '=') to.pop_back();
  std::replace(to.begin() + static_cast<std::ptrdiff_t>(begin), to.end(), '+', '-');
  std::replace(to.begin() + static_cast<std::ptrdiff_t>(begin), to.end(), '/', '_');
}

std::optional<std::string> base64url_decoded(std::string_view text) {
  if (text.find_first_of("+/=") != std::string_view::npos) return std::nullopt;
  std::string padded(text);
  std::ranges::replace(padded, '-', '+');
  std::ranges::replace(padded, '_', '/');
  while (padded.size() % 4 != 0) padded.push_back('=');
  return base64_decoded(padded);
}

}  // namespace

SubscriptionTokens::SubscriptionTokens(const TokenKey& key, std::string_view list)
    : key_(key), head_(std::string(list) + '\n') {}

void SubscriptionTokens::append(std::string& to, std::string_view local, std::string_view domain) {
  text_.assign(head_).append(canonical_recipient(local, domain));
  to.push_back(key_.generation);
  append_mac(to, key_.mac, text_);
  append_base64url(to, text_);
}

std::optional<SubscriptionToken> text_to_subscription_token(std::string_view text) {
  if (text.size() <= 1 + mac_size || text.size() > longest) return std::nullopt;
  SubscriptionToken token;
  token.generation = text[0];
  token.mac = text.substr(1, mac_size);
  if (!base32_value(token.mac.substr(0, 8)) || !base32_value(token.mac.substr(8))) {
    return std::nullopt;
  }
  const auto payload = base64url_decoded(text.substr(1 + mac_size));
  const auto line_end = payload ? payload->find('\n') : std::string::npos;
  if (line_end == std::string::npos) return std::nullopt;
  token.list = payload->substr(0, line_end);
  token.recipient = payload->substr(line_end + 1);
  return token;
}

bool is_ours(const SubscriptionToken& token, const TokenKey& key) {
  std::string mac;
  append_mac(mac, key.mac, token.list + '\n' + token.recipient);
  return same_secret(mac, token.mac);
}

}  // namespace ml
