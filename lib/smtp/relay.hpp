// Where ml-send delivers to: the URIs of --via.
//
//   smtp://[user@]host[:port][?tls=none|may|must&weight=N&backup]      port 25
//   smtps://...                                                       port 465, TLS at once
//   smtp+mx:domain[:port][?...]        the hosts that take the domain's mail
//   smtp+srv:domain[?...]              of its service _smtp._tcp, or of a name of this kind
//   lmtp://host[:port]    lmtp:/path/of/socket                        port 24
//   sendmail:PROGRAM   bsmtp:FILE|-   maildir:DIR   null:
//
//   auto relay = text_to_relay("smtp://[::1]:2525?weight=2");
//   relay->host == "::1"; relay->port == 2525;
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/dns.hpp"
#include "base/result.hpp"
#include "smtp/auth.hpp"
#include "smtp/tls.hpp"

namespace ml {

enum class Scheme { smtp, smtps, lmtp, lmtp_socket, sendmail, bsmtp, maildir, null };
enum class Tls { unsaid, none, may, must };
enum class Lookup { none, mx, srv };

// The addresses of a relay's host, which all connections to it have in common. None: they are to be
// looked up.
class HostAddresses {
 public:
  [[nodiscard]] const std::vector<SocketAddress>& all() const { return all_; }
  void set(std::vector<SocketAddress> all) { all_ = std::move(all); }
  // That one is tried first from now on.
  void worked(const SocketAddress& address);
  // None did: they may be others now.
  void forget() { all_.clear(); }

 private:
  std::vector<SocketAddress> all_;
};

struct Relay {
  Scheme scheme = Scheme::smtp;
  std::string uri;   // as it was given
  std::string name;  // for people: the URI, or what it would be for the host that DNS names
  std::string user;
  std::string host;  // a name, or an address without its brackets
  std::uint16_t port = 0;
  std::string path;  // socket, program, file or directory
  Tls tls = Tls::unsaid;
  std::uint32_t weight = 1;
  bool backup = false;
  Lookup lookup = Lookup::none;
  std::string domain;       // that was looked up
  std::uint16_t order = 0;  // among those that were; least first
  // Of its host, and whom to ask for them (Resolver::Terms).
  std::shared_ptr<HostAddresses> addresses = std::make_shared<HostAddresses>();
  std::string resolver;
  std::optional<Credentials> credentials;
  std::shared_ptr<TlsClient> tls_client;  // where there may be TLS

  [[nodiscard]] bool speaks_lmtp() const {
    return scheme == Scheme::lmtp || scheme == Scheme::lmtp_socket;
  }
  // smtp, smtps, lmtp: there is a dialogue.
  [[nodiscard]] bool is_dialogue() const { return scheme <= Scheme::lmtp_socket; }
  // Nobody but this host hears what is said: a loopback address, localhost, a Unix socket.
  [[nodiscard]] bool is_local() const;
  // What is meant where nothing is said: off this host and with smtps:// must, else none.
  [[nodiscard]] Tls tls_meant() const;
};

// What relays want of us, and we of them; files, by name, but for the resolver.
struct Papers {
  std::optional<std::string> auth_file{};    // see AuthFile
  std::optional<std::string> authorities{};  // see TlsTerms
  std::optional<std::string> certificate{};  // the same
  std::optional<std::string> resolver{};     // see Resolver::Terms
};

// Status 75; the text names the URI and says what is wrong with it.
[[nodiscard]] Result<Relay> text_to_relay(std::string_view uri);

// All of them, those that are looked up by the hosts found now, each with its credentials and its
// TLS. `told` hears of what could not be looked up. 75 where a file of ours cannot be used, where a
// URI names a user for whom there are no credentials, where those would go in clear, and where
// nothing was found at all.
using Told = std::function<void(const std::string&)>;
[[nodiscard]] Result<std::vector<Relay>> texts_to_relays(const std::vector<std::string>& uris,
                                                         const Papers& papers,
                                                         const Told& told = {});

}  // namespace ml
