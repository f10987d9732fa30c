// The addresses of a host, looked up while other things go on: in /etc/hosts and by DNS, a name
// without a dot with the domains that /etc/resolv.conf searches. An address stands for itself, and
// localhost is known: for these nobody is asked.
//
//   HostLookup lookup("mail.example.org");
//   while (!lookup.answer()) {
//     poll(lookup.descriptor() for POLLIN, until lookup.deadline());
//     lookup.hear();
//   }
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/dns.hpp"

namespace ml {

class HostLookup {
 public:
  // `servers` as Resolver::Terms has them.
  explicit HostLookup(const std::string& host, const std::string& servers = {});
  HostLookup(HostLookup&&) noexcept;
  HostLookup& operator=(HostLookup&&) noexcept;
  ~HostLookup();

  // The addresses in the order to try them, without their time to live; nothing until it is there.
  [[nodiscard]] const std::optional<AddressesAnswer>& answer() const;

  // Where there is no answer yet: readable when there is something to hear, which is to be heard at
  // the deadline too.
  [[nodiscard]] int descriptor() const;
  [[nodiscard]] std::chrono::steady_clock::time_point deadline() const;
  // Never blocks.
  void hear();

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace ml
