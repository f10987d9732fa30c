#include "smtp/relay.hpp"

#include <arpa/inet.h>
#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "smtp/lookup.hpp"

namespace ml {
namespace {

constexpr std::size_t largest_certificate = std::size_t{1} << 20;

struct SchemeName {
  std::string_view name;
  Scheme scheme;
  std::uint16_t port;
  Lookup lookup = Lookup::none;
};
constexpr SchemeName scheme_names[] = {
    {"smtp", Scheme::smtp, 25},
    {"smtps", Scheme::smtps, 465},
    {"smtp+mx", Scheme::smtp, 25, Lookup::mx},
    {"smtp+srv", Scheme::smtp, 25, Lookup::srv},
    {"lmtp", Scheme::lmtp, 24},
    {"sendmail", Scheme::sendmail, 0},
    {"bsmtp", Scheme::bsmtp, 0},
    {"maildir", Scheme::maildir, 0},
    {"null", Scheme::null, 0},
};

// Without what stands before its @, which may be a secret.
Failure wrong(std::string_view uri, std::string_view why) {
  const auto at = uri.rfind('@');
  if (at != std::string_view::npos) {
    return retry("'...{}' is not a valid relay: {}", printable(uri.substr(at), 200), why);
  }
  return retry("'{}' is not a valid relay: {}", printable(uri, 200), why);
}

bool is_host(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::ranges::all_of(text, [](char c) {
    return is_alnum(c) || c == '.' || c == '-' || c == '_';
  });
}

bool is_literal(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f') || c == ':' || c == '.';
  });
}

// host, host:port, [v6], [v6]:port
std::string_view take_authority(Relay& relay, std::string_view text) {
  if (const auto at = text.rfind('@'); at != std::string_view::npos) {
    relay.user = text.substr(0, at);
    if (relay.user.empty()) return "no user stands before its @";
    if (relay.user.find(':') != std::string::npos) {
      return "a password does not belong there, where every process can read it";
    }
    text.remove_prefix(at + 1);
  }
  std::string_view port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos || !is_literal(text.substr(1, close - 1))) {
      return "there is no address in its brackets";
    }
    relay.host = text.substr(1, close - 1);
    port = text.substr(close + 1);
  } else {
    const auto colon = text.find(':');
    relay.host = text.substr(0, colon);
    if (!is_host(relay.host))
      return "the host is not a name or an address (an IPv6 address stands in brackets)";
    port = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
  }
  if (port.empty()) return {};
  const auto value = number<std::uint16_t>(port.substr(1));
  if (port.front() != ':' || !value || *value == 0) return "a port is a number from 1 to 65535";
  relay.port = *value;
  return {};
}

std::string_view take_parameter(Relay& relay, std::string_view parameter) {
  if (parameter == "backup") {
    relay.backup = true;
  } else if (parameter == "tls=none") {
    relay.tls = Tls::none;
  } else if (parameter == "tls=may") {
    relay.tls = Tls::may;
  } else if (parameter == "tls=must") {
    relay.tls = Tls::must;
  } else if (parameter.starts_with("weight=")) {
    const auto weight = number<std::uint32_t>(parameter.substr(7));
    if (!weight || *weight == 0 || *weight > 1000) return "weight is a number from 1 to 1000";
    relay.weight = *weight;
  } else {
    return "behind ? stand tls=none, tls=may, tls=must, weight=N or backup, joined by &";
  }
  return {};
}

std::string_view take_dialogue(Relay& relay, std::string_view rest) {
  if (relay.scheme == Scheme::lmtp && rest.starts_with('/') && !rest.starts_with("//")) {
    relay.scheme = Scheme::lmtp_socket;
    relay.path = rest;
    return relay.path.size() > 107 ? "the path of a socket has at most 107 octets" : "";
  }
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
  } else if (relay.lookup == Lookup::none) {
    return "// and a host come behind the colon";
  }
  const auto question = rest.find('?');
  std::string_view authority = rest.substr(0, question);
  if (authority.ends_with('/')) authority.remove_suffix(1);
  if (const auto why = take_authority(relay, authority); !why.empty()) return why;
  if (relay.lookup == Lookup::srv && authority.find(':') != std::string_view::npos) {
    return "the port is the service's";
  }
  if (relay.lookup != Lookup::none && authority.find('[') != std::string_view::npos) {
    return "only a domain can be looked up";
  }
  if (question == std::string_view::npos) return {};
  for (const auto parameter : split(rest.substr(question + 1), '&')) {
    if (const auto why = take_parameter(relay, parameter); !why.empty()) return why;
  }
  return {};
}

bool is_loopback(const std::string& host) {
  in_addr address{};
  if (inet_pton(AF_INET, host.c_str(), &address) == 1) return ntohl(address.s_addr) >> 24 == 127;
  return same_nocase(host, "localhost") || host == "::1";
}

Result<> check_papers(const Papers& papers) {
  if (papers.authorities) {
    if (auto file = open_file(*papers.authorities, O_RDONLY); !file) return fail(file);
  }
  if (papers.certificate) {
    if (auto text = read_secret_file(*papers.certificate, largest_certificate); !text)
      return fail(text);
  }
  return {};
}

// With what it will ask for.
Result<> give_credentials(Relay& relay, const AuthFile& auth) {
  if (!relay.is_dialogue()) return {};
  if (const auto* found = auth.find(relay.user, relay.host, relay.port)) {
    relay.credentials = *found;
  } else if (!relay.user.empty()) {
    return retry("{}: no password of {} for it is known (--auth-file FILE with: {} {}:PASSWORD)",
                 relay.name, relay.user, relay.host, relay.user);
  }
  if (relay.credentials && relay.tls_meant() == Tls::none && !relay.is_local()) {
    return retry("{}: with tls=none its password would go in clear", relay.name);
  }
  return {};
}

// Whose certificate is good: DNS, which anybody may have answered, has the last word on none.
std::vector<std::string> identities_of(const Relay& relay) {
  if (relay.lookup == Lookup::none) return {};
  std::vector<std::string> identities{relay.domain};
  if (relay.host.ends_with('.' + relay.domain)) identities.push_back(relay.host);
  return identities;
}

void give_tls(Relay& relay, const Papers& papers) {
  const Tls tls = relay.tls_meant();
  if (!relay.is_dialogue() || tls == Tls::none) return;
  using Trust = TlsTerms::Trust;
  relay.tls_client = std::make_shared<TlsClient>(
      TlsTerms{.host = relay.host,
               .identities = identities_of(relay),
               .trust = tls == Tls::must ? Trust::verified : Trust::anybody,
               .authorities = papers.authorities.value_or(""),
               .certificate = papers.certificate.value_or("")});
}

}  // namespace

void HostAddresses::worked(const SocketAddress& address) {
  const auto found = std::ranges::find_if(all_, [&](const SocketAddress& one) {
    return one.size == address.size && std::memcmp(&one.octets, &address.octets, one.size) == 0;
  });
  if (found != all_.end()) std::rotate(all_.begin(), found, found + 1);
}

bool Relay::is_local() const {
  return scheme == Scheme::lmtp_socket || (lookup == Lookup::none && is_loopback(host));
}

Tls Relay::tls_meant() const {
  if (tls != Tls::unsaid) return tls;
  if (scheme == Scheme::smtps) return Tls::must;
  return is_local() ? Tls::none : Tls::must;
}

Result<Relay> text_to_relay(std::string_view uri) {
  const auto colon = uri.find(':');
  const auto* const known = std::ranges::find_if(scheme_names, [&](const SchemeName& candidate) {
    return colon != std::string_view::npos && same_nocase(uri.substr(0, colon), candidate.name);
  });
  if (known == std::end(scheme_names)) {
    return wrong(
        uri,
        "it begins with smtp:// smtps:// smtp+mx: smtp+srv: lmtp: sendmail: bsmtp: maildir: "
        "or null:");
  }
  Relay relay;
  relay.uri = relay.name = printable(uri, 200);
  relay.scheme = known->scheme;
  relay.lookup = known->lookup;
  relay.port = known->port;
  const std::string_view rest = uri.substr(colon + 1);
  if (relay.is_dialogue()) {
    if (const auto why = take_dialogue(relay, rest); !why.empty()) return wrong(uri, why);
    if (relay.scheme == Scheme::smtps && relay.tls == Tls::none) {
      return wrong(uri, "smtps is TLS, and tls=none is not");
    }
    return relay;
  }
  relay.path = rest;
  if (relay.scheme == Scheme::null && !rest.empty())
    return wrong(uri, "nothing comes behind null:");
  if (relay.scheme != Scheme::null && rest.empty()) return wrong(uri, "the path is missing");
  if (rest.find('\0') != rest.npos) return wrong(uri, "the path has a NUL");
  return relay;
}

Result<std::vector<Relay>> texts_to_relays(const std::vector<std::string>& uris,
                                           const Papers& papers, const Told& told) {
  if (auto checked = check_papers(papers); !checked) return fail(checked);
  AuthFile auth;
  if (papers.auth_file) {
    auto read = AuthFile::read(*papers.auth_file);
    if (!read) return fail(read);
    auth = std::move(*read);
  }
  std::vector<Relay> relays;
  for (const std::string& uri : uris) {
    auto relay = text_to_relay(uri);
    if (!relay) return fail(relay);
    if (auto given = give_credentials(*relay, auth); !given) return fail(given);
    relay->resolver = papers.resolver.value_or("");
    relays.push_back(std::move(*relay));
  }
  auto found = looked_up(std::move(relays), papers.resolver.value_or(""), told);
  if (!found) return found;
  for (Relay& relay : *found) give_tls(relay, papers);
  return found;
}

}  // namespace ml
