// dns-lookup: what base/dns.hpp makes of names, for tests.
//
//   dns-lookup SERVERS MILLISECONDS mx|srv|address NAME...
//
// A line a name: the kind of answer, its TTL, and its hosts or addresses or why there are none.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <string>
#include <vector>

#include "base/diag.hpp"
#include "base/dns.hpp"
#include "base/fd.hpp"
#include "base/process.hpp"
#include "base/text.hpp"

using namespace ml;

namespace {

std::string_view kind_to_text(Answer kind) {
  switch (kind) {
    case Answer::found: return "found";
    case Answer::none: return "none";
    case Answer::unknown: break;
  }
  return "unknown";
}

std::string address_to_text(const SocketAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const auto family = address.octets.ss_family;
  const auto* const at =
      reinterpret_cast<const char*>(&address.octets) +
      (family == AF_INET ? offsetof(sockaddr_in, sin_addr) : offsetof(sockaddr_in6, sin6_addr));
  inet_ntop(family, at, text.data(), text.size());
  return text.data();
}

std::string hosts_to_text(const HostsAnswer& answer) {
  std::string text = fmt::format("{} {}", kind_to_text(answer.kind), answer.ttl.count());
  if (!answer.why.empty()) text += " (" + answer.why + ")";
  for (const ServiceHost& host : answer.hosts) {
    text += fmt::format(" {}:{}", host.order, host.name);
    if (host.port > 0) text += fmt::format(":{}", host.port);
  }
  return text + '\n';
}

Result<Status> run(int argc, char** argv) {
  if (auto started = start("dns-lookup"); !started) return fail(started);
  if (argc < 5) return retry("dns-lookup SERVERS MILLISECONDS mx|srv|address NAME...");
  auto resolver = Resolver::open(
      {.servers = argv[1],
       .patience = std::chrono::milliseconds(number<std::uint32_t>(argv[2]).value_or(0))});
  if (!resolver) return fail(resolver);
  const std::string what = argv[3];
  const std::vector<std::string> names(argv + 4, argv + argc);
  std::string text;
  if (what == "mx") {
    for (const auto& answer : resolver->mail_hosts(names)) text += hosts_to_text(answer);
  } else if (what == "srv") {
    for (const auto& name : names) text += hosts_to_text(resolver->service_hosts(name));
  } else {
    for (const auto& answer : resolver->addresses(names)) {
      text += fmt::format("{} {}", kind_to_text(answer.kind), answer.ttl.count());
      if (!answer.why.empty()) text += " (" + answer.why + ")";
      for (const SocketAddress& address : answer.addresses) text += ' ' + address_to_text(address);
      text += '\n';
    }
  }
  if (auto written = write_all(1, text, "standard output"); !written) return fail(written);
  return Status::done;
}

}  // namespace

int main(int argc, char** argv) {
  return leave(run(argc, argv));
}
