// Who takes a domain's mail, where a service is, what addresses a host has: MX (RFC 5321 5.1, null
// MX of RFC 7505), SRV (RFC 2782), A and AAAA. With host_lookup.hpp the only door to c-ares.
//
// It blocks, at most for Terms::patience a call; what is asked in one call is asked at once. The
// resolvers are those of /etc/resolv.conf or named ones. Nothing is kept from call to call: each
// answer says for how long it may be.
//
//   auto resolver = Resolver::open({.servers = "127.0.0.1:5353"});
//   if (!resolver) return fail(resolver);
//   for (const HostsAnswer& answer : resolver->mail_hosts(domains)) {
//     if (answer.kind == Answer::found) connect(answer.hosts.front().name);   // in order
//   }
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ml {

enum class Answer {
  found,
  none,     // for sure: no such name, nothing of the kind there, or it says that it is not offered
  unknown,  // nobody could tell in time; later perhaps
};

// A host that takes mail or offers a service.
struct ServiceHost {
  std::string name;          // lower case, without the last dot
  std::uint16_t order = 0;   // the preference of an MX, the priority of an SRV: least first
  std::uint16_t weight = 0;  // of an SRV
  std::uint16_t port = 0;    // of an SRV; 0: as usual

  bool operator==(const ServiceHost&) const = default;
};

struct HostsAnswer {
  Answer kind = Answer::unknown;
  std::vector<ServiceHost> hosts{};  // in the order in which to try them; equals at random
  std::chrono::seconds ttl{};        // of what was found; else 0
  std::string why{};                 // where it is none or unknown, for people
};

struct SocketAddress {
  sockaddr_storage octets{};  // without a port
  socklen_t size = 0;
};

struct AddressesAnswer {
  Answer kind = Answer::unknown;
  std::vector<SocketAddress> addresses{};  // IPv6 first
  std::chrono::seconds ttl{};
  std::string why{};
};

class Resolver {
 public:
  struct Terms {
    std::string servers{};                       // "127.0.0.1:5353,[::1]:53"; empty: the system's
    std::chrono::milliseconds patience{10'000};  // for all that a call asks
    int tries = 4;                               // of each server, of 2 s, 4 s, ...
  };

  // 75 where `servers` are none.
  [[nodiscard]] static Result<Resolver> open(Terms terms);
  Resolver(Resolver&&) noexcept;
  Resolver& operator=(Resolver&&) noexcept;
  ~Resolver();

  // An answer for each domain, in their order. A domain without MX is its own host; whether it has
  // an address is not looked up.
  [[nodiscard]] std::vector<HostsAnswer> mail_hosts(std::span<const std::string> domains);
  // The same for very many, within `patience`: `take` gets each answer when it comes, with the
  // place of its domain among them, and nothing of it is kept here.
  using TakeHosts = std::function<void(std::size_t, HostsAnswer)>;
  void mail_hosts(std::span<const std::string> domains, std::chrono::milliseconds patience,
                  const TakeHosts& take);
  // The hosts of a service, `name` such as "_submission._tcp.example.org".
  [[nodiscard]] HostsAnswer service_hosts(const std::string& name);
  // An answer for each host, in their order.
  [[nodiscard]] std::vector<AddressesAnswer> addresses(std::span<const std::string> hosts);

 private:
  struct Channel;
  Resolver(std::unique_ptr<Channel> channel, Terms terms);

  std::unique_ptr<Channel> channel_;
  Terms terms_;
  std::mt19937 random_;
};

// ---- what it is made of, for tests

enum class RecordType : std::uint16_t { a = 1, mx = 15, aaaa = 28, srv = 33 };

// One record of an answer, of a type above; what its type has not is empty.
struct DnsRecord {
  std::uint32_t ttl = 0;
  ServiceHost host{};    // name empty: the root, which is "none" in MX and SRV
  std::string octets{};  // of an address
};

// The records of `type` in the answer section of a reply, whose code is not looked at; 75 where it
// is damaged.
[[nodiscard]] Result<std::vector<DnsRecord>> reply_to_records(std::string_view octets,
                                                              RecordType type);

// By order; equals as their weights throw the dice (RFC 2782), or evenly where none has a weight.
void put_in_order(std::vector<ServiceHost>& hosts, std::mt19937& random);

}  // namespace ml
