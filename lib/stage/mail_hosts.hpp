// Which host takes the mail of each domain: the home's cache knows (store/mx_cache.hpp), or DNS
// does.
//
//   auto hosts = MailHosts::open(home, {.servers = "127.0.0.1:5353"});
//   hosts->of({"example.org", "example.net"});   // {"mx.example.com", "mx.example.com"}
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/dns.hpp"
#include "base/home.hpp"
#include "base/result.hpp"
#include "store/mx_cache.hpp"

namespace ml {

class MailHosts {
 public:
  struct Terms {
    std::string servers{};                       // as Resolver takes them
    std::chrono::milliseconds patience{30'000};  // with DNS, for all calls together
  };

  // Without a home nothing is kept. 75 where `servers` are none; a cache that cannot be used is
  // told and not used.
  [[nodiscard]] static Result<MailHosts> open(const std::optional<Home>& home, const Terms& terms);

  // For each domain (in lower case) the host of least preference, of equals the first by name. A
  // domain that takes no mail, or has no MX, or of which nobody knows in time, is its own host; how
  // many of the last there are is told.
  [[nodiscard]] std::vector<std::string> of(const std::vector<std::string>& domains);

 private:
  MailHosts(Resolver resolver, std::chrono::milliseconds patience)
      : resolver_(std::move(resolver)), patience_(patience) {}
  void use_cache(const Result<>& used);

  Resolver resolver_;
  std::chrono::milliseconds patience_;  // what is left of it
  std::optional<MxCache> cache_;
};

}  // namespace ml
