// Where ml-send delivers to: the URIs of --via.
//
//   smtp://[user@]host[:port][?tls=none|may|must&weight=N&backup]      port 25
//   smtps://...                                                       port 465
//   lmtp://host[:port]    lmtp:/path/of/socket                        port 24
//   sendmail:PROGRAM   bsmtp:FILE|-   maildir:DIR   null:
//
//   auto relay = text_to_relay("smtp://[::1]:2525?weight=2");
//   relay->host == "::1"; relay->port == 2525;
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ml {

enum class Scheme { smtp, smtps, lmtp, lmtp_socket, sendmail, bsmtp, maildir, null };
enum class Tls { unsaid, none, may, must };

struct Relay {
  Scheme scheme = Scheme::smtp;
  std::string name;  // the URI as it was given
  std::string user;
  std::string host;  // a name, or an address without its brackets
  std::uint16_t port = 0;
  std::string path;  // socket, program, file or directory
  Tls tls = Tls::unsaid;
  std::uint32_t weight = 1;
  bool backup = false;

  [[nodiscard]] bool speaks_lmtp() const {
    return scheme == Scheme::lmtp || scheme == Scheme::lmtp_socket;
  }
  // smtp, smtps, lmtp: there is a dialogue.
  [[nodiscard]] bool is_dialogue() const { return scheme <= Scheme::lmtp_socket; }
};

// Status 75; the text names the URI and says what is wrong with it.
[[nodiscard]] Result<Relay> text_to_relay(std::string_view uri);

// All of them, each found supported.
[[nodiscard]] Result<std::vector<Relay>> texts_to_relays(const std::vector<std::string>& uris);

// Status 75 where this build cannot deliver as the URI asks: TLS and authentication are not there
// yet, and off loopback plain SMTP is used only where the URI allows it.
[[nodiscard]] Result<> check_supported(const Relay& relay);

}  // namespace ml
