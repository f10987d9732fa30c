// ml-lmtpd: takes mail for the lists from mail servers by LMTP, into the queues.
//
// One process and one thread. In each turn it hears all connections that have something to say and
// writes what is whole to drafts; these are kept together, for the price of one sync, and then each
// recipient is answered. While the disk syncs, the next ones gather in the sockets; a group waits
// for those that are likely to come, but no longer than a sync takes.
//
//   | state         | event                              | what follows                          |
//   | ------------- | ---------------------------------- | ------------------------------------- |
//   | text coming   | killed, or the client gone         | nothing is stored, nobody was told    |
//   | whole         | killed before its entries are kept | the client tries again                |
//   | kept          | killed before the reply            | the client tries again: the message   |
//   |               |                                    | has its id, so it is the same entry   |
//   | kept          | the reply                          | it is ours                            |
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/home.hpp"
#include "base/result.hpp"

namespace ml {

struct LmtpdOptions {
  std::vector<std::string> listen;           // as base/listen.hpp; none: what we were handed
  std::optional<std::uint64_t> connections;  // at a time; further ones wait to be accepted
  std::optional<std::uint64_t> max_size;     // octets; the lists have limits of their own
  std::optional<std::string> name;           // in the greeting; the host's
  std::optional<std::string> log;            // stderr, syslog or a file
};

// Serves until SIGTERM or SIGINT, or until the one connection that inetd gave it is over. Then what
// is taken in has been answered and all others get 421. Without `listen`: the sockets of systemd
// (LISTEN_FDS), else descriptor 0, a socket or with descriptor 1 the two ends of a talk.
[[nodiscard]] Result<Status> serve_lmtp(const Home& home, const LmtpdOptions& options);

}  // namespace ml
