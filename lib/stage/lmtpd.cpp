#include "stage/lmtpd.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <list>
#include <memory>
#include <utility>

#include "base/diag.hpp"
#include "base/host_name.hpp"
#include "base/interruptions.hpp"
#include "base/listen.hpp"
#include "list/settings.hpp"
#include "mail/message.hpp"
#include "queue/intake_recovery.hpp"
#include "stage/lmtp_connection.hpp"
#include "stage/runner.hpp"

namespace ml {
namespace {

using std::chrono::milliseconds;
using Clock = LmtpConnection::Clock;

constexpr std::uint64_t default_connections = 200;
constexpr std::uint64_t most_connections = 10000;
constexpr LmtpPatience usual_patience;
// Where every place is taken, whoever is between two messages makes room.
constexpr LmtpPatience short_patience{.silence = std::chrono::seconds(5)};
constexpr milliseconds time_to_leave{20000};
constexpr milliseconds longest_gathering{20};

// A connection has two descriptors, its socket and a file, and a group of drafts some hundreds.
void allow_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

class Server {
 public:
  Server(Intake intake, LmtpDialogue::Manner manner, std::vector<std::string> directories,
         std::size_t most)
      : intake_(std::move(intake)),
        manner_(std::move(manner)),
        directories_(std::move(directories)),
        most_(most),
        room_(std::size_t{64} << 10) {}

  void listen(Listener listener) { listeners_.push_back(std::move(listener)); }
  void connect(Fd in, Fd out) {
    connections_.emplace_back(std::move(in), std::move(out), manner_, intake_, directories_,
                              Clock::now());
  }

  Result<Status> run() {
    tell_supervisor("READY=1");
    while (!listeners_.empty() || !connections_.empty()) {
      if (auto turned = turn(); !turned) return fail(turned);
    }
    return Status::done;
  }

 private:
  [[nodiscard]] bool is_full() const { return connections_.size() >= most_; }

  Result<> turn() {
    const auto ready = wait();
    if (!ready) return fail(ready);
    const Clock::time_point now = Clock::now();
    if (*ready) hear(now);
    if (Interruptions::caught() != 0 && !leaving_) leave(now);
    keep_time(now);
    // Whoever waits for a reply gets it before the sync and can send its message meanwhile.
    flush_all(now);
    take_in();
    while (is_group_due(now)) {
      commit(now);
      flush_all(now);
      take_in();
    }
    connections_.remove_if([](const LmtpConnection& connection) { return connection.gone(); });
    return {};
  }

  void flush_all(Clock::time_point now) {
    for (LmtpConnection& connection : connections_) connection.flush(now);
  }

  // The descriptors in the order of polls_: listeners, then two for each connection.
  Result<bool> wait() {
    polls_.clear();
    const auto watch = [&](int fd, int events) {
      polls_.push_back({events == 0 ? -1 : fd, static_cast<short>(events), 0});
    };
    const bool accepts = !is_full() && !out_of_room_;
    for (const Listener& listener : listeners_) watch(listener.fd(), accepts ? POLLIN : 0);
    for (const LmtpConnection& connection : connections_) {
      watch(connection.in(), connection.wants_to_read() ? POLLIN : 0);
      watch(connection.out(), connection.wants_to_write() ? POLLOUT : 0);
    }
    interruptions_.let_in();
    const bool is_told = Interruptions::caught() != 0 && !leaving_;  // let in just now
    const timespec time = is_told ? timespec{} : time_to_wait();
    const int found = ppoll(polls_.data(), polls_.size(), &time, &interruptions_.while_asleep());
    out_of_room_ = false;
    if (found < 0 && errno != EINTR) return system_failure("cannot wait for connections", errno);
    return found > 0;
  }

  [[nodiscard]] timespec time_to_wait() const {
    Clock::time_point first = Clock::now() + std::chrono::hours(1);
    if (out_of_room_) first = Clock::now() + std::chrono::seconds(1);
    if (gathering_until_) first = std::min(first, *gathering_until_);
    for (const LmtpConnection& connection : connections_) {
      first = std::min(first, deadline(connection));
    }
    const auto left = std::max<Clock::duration>(first - Clock::now(), Clock::duration::zero());
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    return {seconds.count(), std::chrono::nanoseconds(left - seconds).count()};
  }

  [[nodiscard]] Clock::time_point deadline(const LmtpConnection& connection) const {
    const bool makes_room = is_full() && !listeners_.empty() && connection.is_between_messages();
    const auto own = connection.deadline(makes_room ? short_patience : usual_patience);
    return leaving_ ? std::min(own, *leaving_) : own;
  }

  void hear(Clock::time_point now) {
    auto poll = polls_.cbegin();
    std::vector<const Listener*> callers;
    for (const Listener& listener : listeners_) {
      if ((poll++)->revents != 0) callers.push_back(&listener);
    }
    for (LmtpConnection& connection : connections_) {
      const bool can_read = (poll++)->revents != 0;
      ++poll;  // what can be written is, at the end of the turn
      if (can_read) connection.read_some(room_, now);
    }
    for (const Listener* const listener : callers) accept_from(*listener);
  }

  void accept_from(const Listener& listener) {
    while (!is_full()) {
      Fd socket = listener.accept();
      if (!socket.open()) {
        out_of_room_ = errno != EAGAIN && errno != ECONNABORTED && errno != EINTR;
        return;
      }
      connect(std::move(socket), {});
    }
  }

  // What is whole becomes drafts, while others are still sending.
  void take_in() {
    for (LmtpConnection& connection : connections_) {
      HandedMessage* const message = connection.whole_message();
      if (message == nullptr) continue;
      group_.take(*message);
      owners_.push_back(&connection);
    }
  }

  // Are there messages, and are they all that will come soon? Whoever handed over a message a
  // moment ago is likely to have another one, and a sync costs the same for one more. So a group
  // is held open for as long as the last sync took, at most, until it is of the same size.
  bool is_group_due(Clock::time_point now) {
    if (owners_.empty()) return false;
    if (!gathering_until_) gathering_until_ = now + last_sync_;
    return owners_.size() >= last_size_ || now >= *gathering_until_;
  }

  // Behind an answer the next message may be whole.
  void commit(Clock::time_point now) {
    const Clock::time_point begin = Clock::now();
    group_.commit();
    last_sync_ = std::min<Clock::duration>(Clock::now() - begin, longest_gathering);
    last_size_ = owners_.size();
    gathering_until_.reset();
    for (LmtpConnection* const owner : std::exchange(owners_, {})) owner->answer(now);
  }

  void keep_time(Clock::time_point now) {
    for (LmtpConnection& connection : connections_) {
      if (now >= deadline(connection)) connection.close("4.4.2 time is up", now);
    }
  }

  void leave(Clock::time_point now) {
    tell_supervisor("STOPPING=1");
    listeners_.clear();
    leaving_ = now + time_to_leave;
    for (LmtpConnection& connection : connections_) connection.close("4.3.2 closing down", now);
  }

  Intake intake_;
  HandedGroup group_{intake_};
  std::vector<LmtpConnection*> owners_;  // of the messages in it
  LmtpDialogue::Manner manner_;
  std::vector<std::string> directories_;
  std::size_t most_;
  Interruptions interruptions_;
  std::list<Listener> listeners_;
  std::list<LmtpConnection> connections_;
  std::optional<Clock::time_point> leaving_;
  std::optional<Clock::time_point> gathering_until_;
  Clock::duration last_sync_{};
  std::size_t last_size_ = 0;
  bool out_of_room_ = false;  // of descriptors or memory: accept nobody for a second
  std::vector<pollfd> polls_;
  std::vector<char> room_;
};

// A socket that was handed to us is ours alone, and a client that does not read must keep nobody
// waiting; a pipe or a file may be others' too, and stays as it is.
Fd without_waiting(Fd given) {
  struct stat status{};
  if (fstat(given.get(), &status) == 0 && S_ISSOCK(status.st_mode)) {
    fcntl(given.get(), F_SETFL, fcntl(given.get(), F_GETFL) | O_NONBLOCK);
  }
  return given;
}

// Its own listeners, those of systemd, or what inetd left on descriptors 0 and 1.
Result<> open_doors(Server& server, const LmtpdOptions& options) {
  for (const std::string& where : options.listen) {
    auto listener = listen_on(where);
    if (!listener) return fail(listener);
    server.listen(std::move(*listener));
  }
  if (!options.listen.empty()) return {};
  std::vector<Fd> given = inherited_sockets();
  if (given.empty()) {
    Fd in(fcntl(0, F_DUPFD_CLOEXEC, 3));
    if (is_listening(in.get())) {
      given.push_back(std::move(in));
    } else {
      server.connect(without_waiting(std::move(in)),
                     without_waiting(Fd(fcntl(1, F_DUPFD_CLOEXEC, 3))));
    }
  }
  for (Fd& fd : given) {
    if (is_listening(fd.get())) {
      server.listen(adopt(std::move(fd)));
    } else {
      server.connect(without_waiting(std::move(fd)), {});
    }
  }
  return {};
}

}  // namespace

Result<Status> serve_lmtp(const Home& home, const LmtpdOptions& options) {
  const auto settings = load_settings(home, nullptr);
  if (!settings) return fail(settings);
  const std::string log = options.log.value_or(settings->text("log").value_or("stderr"));
  if (auto logged = log_to(log); !logged) return fail(logged);
  allow_descriptors();
  if (auto recovered = recover_intake(home); !recovered) return fail(recovered);
  auto intake = Intake::open(home, options.log);
  if (!intake) return fail(intake);
  intake->use_log();
  const std::uint64_t most = options.connections.value_or(default_connections);
  Server server(std::move(*intake),
                {.name = options.name.value_or(host_name()),
                 .max_size = options.max_size.value_or(largest_message)},
                {home.directory(), "/var/tmp"},
                std::clamp<std::uint64_t>(most, 1, most_connections));
  if (auto opened = open_doors(server, options); !opened) return fail(opened);
  wake_runners(home);
  return server.run();
}

}  // namespace ml
