#include "base/host_lookup.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include <ares.h>

#include "base/fd.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int milliseconds_a_try = 2000;
constexpr int tries = 3;  // the second waits twice as long, the third four times

SocketAddress made(const void* octets, std::size_t size) {
  SocketAddress address;
  std::memcpy(&address.octets, octets, size);
  address.size = static_cast<socklen_t>(size);
  return address;
}

std::optional<SocketAddress> literal_to_address(const char* text) {
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1) return made(&six, sizeof six);
  sockaddr_in four{};
  four.sin_family = AF_INET;
  if (inet_pton(AF_INET, text, &four.sin_addr) == 1) return made(&four, sizeof four);
  return std::nullopt;
}

// RFC 6761 6.3: whatever a resolver would say.
std::optional<AddressesAnswer> known(const std::string& host) {
  AddressesAnswer answer{.kind = Answer::found};
  if (same_nocase(host, "localhost")) {
    answer.addresses = {*literal_to_address("::1"), *literal_to_address("127.0.0.1")};
  } else if (const auto address = literal_to_address(host.c_str())) {
    answer.addresses = {*address};
  } else {
    return std::nullopt;
  }
  return answer;
}

AddressesAnswer answer_of(int status, const ares_addrinfo* found) {
  AddressesAnswer answer;
  if (status != ARES_SUCCESS) {
    const bool is_sure = status == ARES_ENODATA || status == ARES_ENOTFOUND;
    if (is_sure) answer.kind = Answer::none;
    answer.why = status == ARES_ENOTFOUND ? "there is no such name" : ares_strerror(status);
    return answer;
  }
  for (const ares_addrinfo_node* node = found->nodes; node != nullptr; node = node->ai_next) {
    answer.addresses.push_back(made(node->ai_addr, node->ai_addrlen));
  }
  answer.kind = Answer::found;
  return answer;
}

}  // namespace

// c-ares has a socket for each server; all of them are in one epoll, which stands for them.
struct HostLookup::Inside {
  std::optional<AddressesAnswer> answer;
  Fd sockets;
  ares_channel channel = nullptr;
  Clock::time_point due = Clock::time_point::max();  // when c-ares is to be called by itself

  Inside() = default;
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() {
    if (channel != nullptr) ares_destroy(channel);
  }

  void begin(const std::string& host, const std::string& servers);
  void watch(ares_socket_t socket, bool reads, bool writes) const;
  void set_due();
};

void HostLookup::Inside::watch(ares_socket_t socket, bool reads, bool writes) const {
  epoll_event event{};
  event.data.fd = socket;
  event.events = (reads ? std::uint32_t{EPOLLIN} : 0) | (writes ? std::uint32_t{EPOLLOUT} : 0);
  if (event.events == 0) {
    epoll_ctl(sockets.get(), EPOLL_CTL_DEL, socket, &event);
  } else if (epoll_ctl(sockets.get(), EPOLL_CTL_MOD, socket, &event) != 0) {
    epoll_ctl(sockets.get(), EPOLL_CTL_ADD, socket, &event);
  }
}

// It tells how long from now, so that this is asked once and kept.
void HostLookup::Inside::set_due() {
  due = Clock::time_point::max();
  timeval time{};
  if (answer || ares_timeout(channel, nullptr, &time) == nullptr) return;
  due = Clock::now() + std::chrono::seconds(time.tv_sec) +
        std::chrono::microseconds(time.tv_usec + 999);
}

void HostLookup::Inside::begin(const std::string& host, const std::string& servers) {
  sockets.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!sockets.open()) {
    answer = AddressesAnswer{.why = std::generic_category().message(errno)};
    return;
  }
  ares_options options{};
  options.timeout = milliseconds_a_try;
  options.tries = tries;
  options.sock_state_cb_data = this;
  options.sock_state_cb = [](void* to, ares_socket_t socket, int reads, int writes) {
    static_cast<Inside*>(to)->watch(socket, reads != 0, writes != 0);
  };
  int code = ares_library_init(ARES_LIB_INIT_ALL);
  if (code == ARES_SUCCESS) {
    code = ares_init_options(&channel, &options,
                             ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
  }
  if (code == ARES_SUCCESS && !servers.empty()) {
    code = ares_set_servers_ports_csv(channel, servers.c_str());
  }
  if (code != ARES_SUCCESS) {
    answer = answer_of(code, nullptr);
    return;
  }
  ares_addrinfo_hints hints{};
  hints.ai_socktype = SOCK_STREAM;
  // Without a service: c-ares would look one up through glibc.
  ares_getaddrinfo(
      channel, host.c_str(), nullptr, &hints,
      [](void* to, int status, int /*timeouts*/, ares_addrinfo* found) {
        static_cast<Inside*>(to)->answer = answer_of(status, found);
        if (found != nullptr) ares_freeaddrinfo(found);
      },
      this);
  set_due();
}

HostLookup::HostLookup(const std::string& host, const std::string& servers)
    : inside_(std::make_unique<Inside>()) {
  inside_->answer = known(host);
  if (!inside_->answer) inside_->begin(host, servers);
}
HostLookup::HostLookup(HostLookup&&) noexcept = default;
HostLookup& HostLookup::operator=(HostLookup&&) noexcept = default;
HostLookup::~HostLookup() = default;

const std::optional<AddressesAnswer>& HostLookup::answer() const {
  return inside_->answer;
}

int HostLookup::descriptor() const {
  return inside_->sockets.get();
}

Clock::time_point HostLookup::deadline() const {
  return inside_->due;
}

void HostLookup::hear() {
  if (inside_->answer) return;
  std::array<epoll_event, 16> events;
  const int count =
      epoll_wait(inside_->sockets.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const bool reads = (event.events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
    const bool writes = (event.events & EPOLLOUT) != 0;
    ares_process_fd(inside_->channel, reads ? event.data.fd : ARES_SOCKET_BAD,
                    writes ? event.data.fd : ARES_SOCKET_BAD);
  }
  if (count <= 0) ares_process_fd(inside_->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  inside_->set_due();
}

}  // namespace ml
