#include "smtp/lookup.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace ml {
namespace {

constexpr std::size_t most_hosts = 32;

std::string_view records_of(Lookup lookup) {
  return lookup == Lookup::mx ? "MX" : "SRV";
}

// "_submission._tcp.x.org" is the name of a service of x.org.
std::string domain_of(std::string_view name) {
  while (name.starts_with('_') && name.find('.') != std::string_view::npos) {
    name.remove_prefix(name.find('.') + 1);
  }
  return std::string(name);
}

HostsAnswer hosts_of(const Relay& relay, Resolver& resolver) {
  if (relay.lookup == Lookup::mx) return resolver.mail_hosts({&relay.host, 1}).front();
  return resolver.service_hosts(relay.host.starts_with('_') ? relay.host
                                                            : "_smtp._tcp." + relay.host);
}

// `order`: 0 for the best, who share the work with the relays that were given by name.
Relay relay_at(const Relay& asked, const ServiceHost& host, std::uint16_t order,
               AddressesAnswer answer) {
  Relay relay = asked;
  relay.domain = domain_of(asked.host);
  relay.host = host.name;
  if (host.port > 0) relay.port = host.port;
  relay.name = relay.port == 25 ? fmt::format("smtp://{}", host.name)
                                : fmt::format("smtp://{}:{}", host.name, relay.port);
  relay.order = order;
  if (host.weight > 0) relay.weight = host.weight;
  relay.addresses = std::make_shared<HostAddresses>();
  relay.addresses->set(std::move(answer.addresses));
  return relay;
}

// Why there are none, or nothing.
std::string add_hosts(const Relay& asked, Resolver& resolver, std::vector<Relay>& to,
                      const Told& told) {
  HostsAnswer hosts = hosts_of(asked, resolver);
  if (hosts.kind != Answer::found) {
    return fmt::format("no {} of {} is known: {}", records_of(asked.lookup), asked.host, hosts.why);
  }
  if (hosts.hosts.size() > most_hosts) hosts.hosts.resize(most_hosts);
  std::vector<std::string> names;
  names.reserve(hosts.hosts.size());
  for (const ServiceHost& host : hosts.hosts) names.push_back(host.name);
  auto addresses = resolver.addresses(names);
  std::string why;
  std::optional<std::uint16_t> last;
  std::uint16_t order = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (addresses[i].kind == Answer::found) {
      if (last && *last != hosts.hosts[i].order) ++order;
      last = hosts.hosts[i].order;
      to.push_back(relay_at(asked, hosts.hosts[i], order, std::move(addresses[i])));
      continue;
    }
    why = fmt::format("no address of {} is known: {}", names[i], addresses[i].why);
    if (told) told(fmt::format("relay {}: {}; that host is not used", asked.uri, why));
  }
  return last ? std::string() : why;
}

}  // namespace

Result<std::vector<Relay>> looked_up(std::vector<Relay> relays, const std::string& servers,
                                     const Told& told) {
  if (std::ranges::all_of(relays, [](const Relay& relay) { return relay.lookup == Lookup::none; }))
    return relays;
  auto resolver = Resolver::open({.servers = servers});
  if (!resolver) return fail(resolver);
  std::vector<Relay> found;
  std::string last;
  for (Relay& relay : relays) {
    if (relay.lookup == Lookup::none) {
      found.push_back(std::move(relay));
      continue;
    }
    const std::string why = add_hosts(relay, *resolver, found, told);
    if (why.empty()) continue;
    last = fmt::format("relay {} cannot be used ({})", relay.uri, why);
    if (told && relays.size() > 1) told(last);
  }
  if (found.empty()) return retry("{}; nothing was sent", last);
  return found;
}

}  // namespace ml
