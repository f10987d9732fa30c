#include "stage/relay_check.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "smtp/relay.hpp"

namespace ml {
namespace {

// The errno of connecting; 0: somebody listens.
template <class Address>
int connected(const Address& address, socklen_t size) {
  sockaddr_storage octets{};
  std::memcpy(&octets, &address, size);
  const Fd socket(::socket(octets.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.open()) return errno;
  const timeval patience{2, 0};  // with a full backlog, which is somebody's
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const int got = connect(socket.get(), reinterpret_cast<const sockaddr*>(&octets), size);
  return got == 0 || errno == EINPROGRESS || errno == EAGAIN ? 0 : errno;
}

int connected_to_v4(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connected(address, sizeof address);
}

int connected_to_v6(std::uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = in6addr_loopback;
  return connected(address, sizeof address);
}

int connected_to_path(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return connected(address, sizeof address);
}

}  // namespace

std::optional<std::string> relay_fault(const std::string& uri) {
  const auto relay = text_to_relay(uri);
  if (!relay) return relay.error().text;
  int code = 0;
  if (relay->scheme == Scheme::lmtp_socket) {
    code = connected_to_path(relay->path);
  } else if (relay->scheme == Scheme::sendmail) {
    code = access(relay->path.c_str(), X_OK) == 0 ? 0 : errno;
  } else if (relay->lookup == Lookup::none && relay->host == "127.0.0.1") {
    code = connected_to_v4(relay->port);
  } else if (relay->lookup == Lookup::none && relay->host == "::1") {
    code = connected_to_v6(relay->port);
  } else if (relay->lookup == Lookup::none && relay->host == "localhost") {
    code = connected_to_v4(relay->port);
    if (code != 0) code = connected_to_v6(relay->port) == 0 ? 0 : code;
  }
  if (code == 0) return std::nullopt;
  return system_failure("it does not answer", code).error().text;
}

}  // namespace ml
