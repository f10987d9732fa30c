// smtp-blast: a sender that knows everything beforehand, to measure ml-send against. Its envelopes
// are ready-made, it reads no stream, keeps no account, looks at no reply but the 354 that it waits
// for; so it shows what kernel and relay bear.
//
//   smtp-blast --port 2525 --connections 8 --messages 200000 --bytes 4096 [--bdat 16]
//
// prints: messages a second, CPU seconds of its own for a million messages.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/diag.hpp"
#include "base/fd.hpp"
#include "base/options.hpp"
#include "base/process.hpp"

using namespace ml;

namespace {

struct Load {
  std::vector<std::string> envelopes;
  std::string body;
  std::uint64_t window = 0;  // of BDAT; 0: DATA
  std::size_t next = 0;
  std::uint64_t refused = 0;
  [[nodiscard]] bool more() const { return next < envelopes.size(); }
};

Load make_load(std::uint64_t messages, std::uint64_t bytes, std::uint64_t window) {
  Load load;
  load.window = window;
  load.body = "From: Poster <poster@example.org>\r\nTo: list@example.net\r\nSubject: bench\r\n\r\n";
  while (load.body.size() + 74 < bytes) load.body.append(72, 'x').append("\r\n");
  const std::string last =
      window > 0 ? fmt::format("BDAT {} LAST\r\n", load.body.size()) : "DATA\r\n";
  if (window == 0) load.body.append(".\r\n");
  load.envelopes.reserve(messages);
  for (std::uint64_t i = 0; i < messages; ++i) {
    load.envelopes.push_back(
        fmt::format("MAIL FROM:<list-bounces+user{0}=d{1}.example.com@lists.example.net>\r\n"
                    "RCPT TO:<user{0}@d{1}.example.com>\r\n{2}",
                    i, i % 2000, last));
  }
  return load;
}

class Connection {
 public:
  Connection(Load& load, std::uint16_t port) : load_(load) {
    socket_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int one = 1;
    if (connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      socket_.reset();
    }
    setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }

  [[nodiscard]] int fd() const { return socket_.get(); }

  // One read, and what follows from it; false: it is over.
  [[nodiscard]] bool turn() {
    static std::array<char, 65536> room;
    const ssize_t got = read(fd(), room.data(), room.size());
    if (got <= 0) return false;
    due_ -= count({room.data(), static_cast<std::size_t>(got)});
    switch (state_) {
      case State::greeting:
        put("EHLO blast.test\r\n");
        due_ = 1;
        state_ = State::hello;
        break;
      case State::hello:
        if (due_ == 0) begin();
        break;
      case State::data:
        if (due_ == 0) go_on();
        break;
      case State::chunks: fill(); break;
      case State::quitting: break;
    }
    if (pieces_.empty()) {
      const int one = 1;
      setsockopt(fd(), IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
      return true;
    }
    return flush();
  }

 private:
  enum class State { greeting, hello, data, chunks, quitting };

  // Whole replies.
  std::int64_t count(std::string_view octets) {
    std::int64_t replies = 0;
    for (const char c : octets) {
      if (c == '\n') {
        replies += mark_ != '-' ? 1 : 0;
        at_ = 0;
      } else {
        if (at_ == 0 && c >= '4') ++load_.refused;
        if (at_++ == 3) mark_ = c;
      }
    }
    return replies;
  }

  void begin() {
    state_ = load_.window > 0 ? State::chunks : State::data;
    load_.window > 0 ? fill() : envelope();
  }

  void envelope() {
    if (!load_.more()) {
      put("QUIT\r\n");
      state_ = State::quitting;
      return;
    }
    put(load_.envelopes[load_.next++]);
    due_ += 3;
    open_ = true;
  }

  // 354 has come: the body, and the next envelope behind it.
  void go_on() {
    if (open_) {
      put(load_.body);
      ++due_;
      open_ = false;
    }
    if (load_.more() || due_ == 0) envelope();
  }

  void fill() {
    constexpr std::int64_t replies = 3;
    const auto window = static_cast<std::int64_t>(load_.window) * replies;
    if (due_ > window / 2) return;
    while (load_.more() && due_ < window) {
      put(load_.envelopes[load_.next++]);
      put(load_.body);
      due_ += replies;
    }
    if (due_ > 0) return;
    put("QUIT\r\n");
    state_ = State::quitting;
  }

  void put(std::string_view text) {
    pieces_.push_back({const_cast<char*>(text.data()), text.size()});
  }

  bool flush() {
    std::size_t first = 0;
    while (first < pieces_.size()) {
      ssize_t sent = writev(fd(), &pieces_[first], static_cast<int>(pieces_.size() - first));
      if (sent < 0) return false;
      for (; first < pieces_.size() && static_cast<std::size_t>(sent) >= pieces_[first].iov_len;
           ++first) {
        sent -= static_cast<ssize_t>(pieces_[first].iov_len);
      }
      if (first == pieces_.size()) break;
      pieces_[first].iov_base = static_cast<char*>(pieces_[first].iov_base) + sent;
      pieces_[first].iov_len -= static_cast<std::size_t>(sent);
    }
    pieces_.clear();
    return true;
  }

  Load& load_;
  Fd socket_;
  State state_ = State::greeting;
  std::int64_t due_ = 1;  // replies
  bool open_ = false;     // an envelope without its body
  std::size_t at_ = 0;    // in the line
  char mark_ = ' ';       // its fourth octet
  std::vector<iovec> pieces_;
};

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

Result<Status> run(int argc, char** argv) {
  if (auto started = start("smtp-blast"); !started) return fail(started);
  std::optional<std::uint64_t> port, connections, messages, bytes, window;
  Options options("smtp-blast", "[OPTION...]", "Sends ready-made mail as fast as it goes.",
                  "smtp-blast --port 2525 --connections 8 --messages 200000");
  options.number(port, "--port", "N", "on 127.0.0.1")
      .number(connections, "--connections", "N", "(8)")
      .number(messages, "--messages", "N", "(100000)")
      .number(bytes, "--bytes", "N", "of a message (4096)")
      .number(window, "--bdat", "N", "CHUNKING, so many on their way");
  auto read = options.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;

  Load load = make_load(messages.value_or(100'000), bytes.value_or(4096), window.value_or(0));
  const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  const double cpu_before = cpu_seconds();
  const auto begun = std::chrono::steady_clock::now();
  std::deque<Connection> all;
  for (std::uint64_t i = 0; i < connections.value_or(8); ++i) {
    all.emplace_back(load, static_cast<std::uint16_t>(port.value_or(25)));
    if (all.back().fd() < 0) return system_failure("cannot connect", errno);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &all.back();
    epoll_ctl(epoll.get(), EPOLL_CTL_ADD, all.back().fd(), &event);
  }
  std::array<epoll_event, 64> events;
  for (std::size_t live = all.size(); live > 0;) {
    const int count = epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (connection.turn()) continue;
      epoll_ctl(epoll.get(), EPOLL_CTL_DEL, connection.fd(), nullptr);
      --live;
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  const auto sent = static_cast<double>(load.envelopes.size());
  if (load.refused > 0 || load.more()) return retry("{} replies were refusals", load.refused);
  const std::string line = fmt::format("{:.0f} {:.2f}\n", sent / took.count(),
                                       (cpu_seconds() - cpu_before) / sent * 1e6);
  if (auto put = write_all(1, line, "standard output"); !put) return fail(put);
  return Status::done;
}

}  // namespace

int main(int argc, char** argv) {
  return leave(run(argc, argv));
}
