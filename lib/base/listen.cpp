#include "base/listen.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr int backlog = 1024;
constexpr int first_inherited = 3;  // SD_LISTEN_FDS_START

struct ListenAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

template <class Address>
ListenAddress as_socket_address(const Address& address, socklen_t size) {
  ListenAddress all;
  std::memcpy(&all.storage, &address, sizeof address);
  all.size = size;
  return all;
}

// A path, or where it begins with '@' a name in the abstract space.
std::optional<ListenAddress> unix_address(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';
  return as_socket_address(address,
                           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size()));
}

std::optional<ListenAddress> internet_address(std::string_view where) {
  const auto colon = where.rfind(':');
  const auto port =
      number<std::uint16_t>(colon == std::string_view::npos ? where : where.substr(colon + 1));
  if (!port) return std::nullopt;
  std::string host(colon == std::string_view::npos ? "127.0.0.1" : where.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "*") host = "::";
  if (host == "localhost") host = "127.0.0.1";
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(*port);
  if (inet_pton(AF_INET, host.c_str(), &four.sin_addr) == 1) {
    return as_socket_address(four, sizeof four);
  }
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(*port);
  if (inet_pton(AF_INET6, host.c_str(), &six.sin6_addr) == 1) {
    return as_socket_address(six, sizeof six);
  }
  return std::nullopt;
}

Result<Fd> listening_socket(const ListenAddress& address, const std::string& where) {
  Fd fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int one = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (!fd.open() || bind(fd.get(), address.get(), address.size) != 0 ||
      listen(fd.get(), backlog) != 0) {
    return system_failure("cannot listen on " + where, errno);
  }
  return fd;
}

bool somebody_answers(const ListenAddress& address) {
  const Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // EAGAIN: its backlog is full.
  return connect(fd.get(), address.get(), address.size) == 0 || errno == EAGAIN;
}

// Under the lock: takes away what a dead service left, and nothing else.
Result<> clear_path(const std::string& path, const ListenAddress& address) {
  struct stat about{};
  if (lstat(path.c_str(), &about) != 0) return {};
  if (!S_ISSOCK(about.st_mode)) return retry("{} is there and is no socket", path);
  if (somebody_answers(address)) return retry("{}: somebody listens there already", path);
  if (unlink(path.c_str()) != 0) return system_failure("cannot take over " + path, errno);
  return {};
}

Result<Listener> listen_on_path(const std::string& path) {
  const auto address = unix_address(path);
  if (!address || path.front() != '/') {
    return retry("'{}' is no path for a socket: from the root, up to 107 octets",
                 printable(path, 120));
  }
  auto lock = open_file(path + ".lock", O_RDWR | O_CREAT | O_NOFOLLOW);
  if (!lock) return fail(lock);
  if (flock(lock->get(), LOCK_EX | LOCK_NB) != 0) {
    return retry("{}: another service listens there already", path);
  }
  if (auto cleared = clear_path(path, *address); !cleared) return fail(cleared);
  auto fd = listening_socket(*address, path);
  if (!fd) return fail(fd);
  if (chmod(path.c_str(), 0660) != 0) {
    return system_failure("cannot set the mode of " + path, errno);
  }
  return Listener(std::move(*fd), path, std::move(*lock));
}

}  // namespace

Listener::~Listener() {
  if (socket_.open() && !path_.empty()) unlink(path_.c_str());
}

Fd Listener::accept() const {
  Fd fd(accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  const int one = 1;
  if (fd.open()) setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

Result<Listener> listen_on(const std::string& where) {
  if (where.starts_with("unix:")) return listen_on_path(where.substr(5));
  if (where.starts_with('/')) return listen_on_path(where);
  const auto address = internet_address(where);
  if (!address) {
    return retry("'{}' is nothing to listen on: unix:PATH, PORT or ADDRESS:PORT",
                 printable(where, 80));
  }
  auto fd = listening_socket(*address, where);
  if (!fd) return fail(fd);
  return Listener(std::move(*fd), {}, {});
}

Listener adopt(Fd socket) {
  fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
  return {std::move(socket), {}, {}};
}

std::vector<Fd> inherited_sockets() {
  std::vector<Fd> sockets;
  const char* const pid = std::getenv("LISTEN_PID");
  const char* const count = std::getenv("LISTEN_FDS");
  if (pid != nullptr && count != nullptr && number<pid_t>(pid) == getpid()) {
    for (int i = 0; i < number<int>(count).value_or(0); ++i) {
      Fd fd(first_inherited + i);
      if (fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0) break;
      fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
      sockets.push_back(std::move(fd));
    }
  }
  for (const char* const name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(name);
  return sockets;
}

bool is_listening(int fd) {
  int listens = 0;
  socklen_t size = sizeof listens;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

void tell_supervisor(std::string_view state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  const auto address = unix_address(path);
  const Fd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!address || !fd.open()) return;
  sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL, address->get(), address->size);
}

}  // namespace ml
