#include "smtp/session.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/host_name.hpp"

namespace ml {
namespace {

using std::chrono::minutes;

// RFC 5321 4.5.3.2, but for the greeting, which is the caller's patience.
std::chrono::seconds time_for(Step step) {
  switch (step) {
    case Step::data: return minutes(2);
    case Step::dot:
    case Step::lmtp_dot: return minutes(10);
    case Step::quit: return std::chrono::seconds(5);
    default: return minutes(5);
  }
}

constexpr auto time_to_leave = std::chrono::seconds(30);

// One that has not answered the fourth SYN will not answer the fifth.
constexpr auto time_an_address = std::chrono::seconds(10);

// Session after session reads into the same room: what it says is used at once. It is made when
// it is first used, for a program fills all that is its threads' own before it starts.
constexpr std::size_t most_read = std::size_t{64} << 10;
thread_local std::vector<char> room(most_read);

// A name of ours that a relay can do something with: the host's, if it is a full one.
std::string own_name() {
  std::string host = host_name();
  const bool full = host.find('.') != host.npos && std::ranges::all_of(host, [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '.' || c == '-';
                    });
  return full ? host : "[127.0.0.1]";
}

StartTls starttls_of(const Relay& relay) {
  const Tls tls = relay.tls_meant();
  if (relay.scheme == Scheme::smtps || tls == Tls::none) return StartTls::never;
  return tls == Tls::may ? StartTls::may : StartTls::must;
}

// The front of the pieces, in one; as many octets as a record of TLS has.
std::string_view joined(std::span<const iovec> pieces) {
  constexpr std::size_t longest_record = std::size_t{16} << 10;
  std::size_t size = 0;
  for (const iovec& piece : pieces) {
    const std::size_t part = std::min(piece.iov_len, longest_record - size);
    std::memcpy(room.data() + size, piece.iov_base, part);
    size += part;
  }
  return {room.data(), size};
}

Dialogue::Manner dialogue_manner(const Relay& relay, const OutletManner& manner) {
  return {.protocol = relay.speaks_lmtp() ? Protocol::lmtp : Protocol::smtp,
          .hello = own_name(),
          .messages = manner.messages,
          .lockstep_messages = manner.lockstep_messages,
          .wary_after = manner.wary_after,
          .starttls = starttls_of(relay),
          .channel = relay.is_local() ? Channel::local : Channel::open,
          .credentials = relay.credentials ? &*relay.credentials : nullptr};
}

// The caller may write more later without a delay of ours, and wants no delay of the kernel's in
// telling the relay that its reply has come.
void without_delay(int socket, int option) {
  const int one = 1;
  setsockopt(socket, IPPROTO_TCP, option, &one, sizeof one);
}

}  // namespace

Session::Session(const Relay& relay, const OutletManner& manner, Outcomes& outcomes)
    : relay_(relay),
      dialogue_(dialogue_manner(relay, manner), outcomes),
      patience_(manner.patience),
      since_(Clock::now()) {
  begin();
}

void Session::begin() {
  if (relay_.scheme == Scheme::lmtp_socket) {
    SocketAddress target;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, relay_.path.data(), relay_.path.size());
    std::memcpy(&target.octets, &address, sizeof address);
    target.size = sizeof address;
    return connect_to({target});
  }
  if (!relay_.addresses->all().empty()) return connect_to(relay_.addresses->all());
  lookup_.emplace(relay_.host, relay_.resolver);
  if (!lookup_->answer()) return;
  looked_up();
  lookup_.reset();
}

void Session::looked_up() {
  const AddressesAnswer& answer = *lookup_->answer();
  if (answer.kind != Answer::found) {
    return dialogue_.broke_off(
        fmt::format("no address of {} is known: {}", relay_.host, answer.why));
  }
  relay_.addresses->set(answer.addresses);
  connect_to(answer.addresses);
}

void Session::connect_to(std::vector<SocketAddress> targets) {
  targets_ = std::move(targets);
  std::ranges::reverse(targets_);
  connect_next("");
}

// Begins to connect to the next address, or is over with the reason why the last one failed.
void Session::connect_next(std::string_view why) {
  std::string reason(why);
  // Whoever watches us by its number would not notice a new one of the same number.
  const Fd last = std::move(socket_);
  while (!targets_.empty()) {
    target_ = targets_.back();
    targets_.pop_back();
    if (connect_one(target_)) {
      stage_ = Stage::connecting;
      const auto now = Clock::now();
      const auto left = since_ + patience_ - now;
      const auto share = left / static_cast<Clock::rep>(targets_.size() + 1);
      next_target_ = targets_.empty() ? Clock::time_point::max()
                                      : now + std::min<Clock::duration>(share, time_an_address);
      return;
    }
    reason = std::strerror(errno);
  }
  relay_.addresses->forget();
  dialogue_.broke_off("cannot connect: " + reason);
}

bool Session::connect_one(SocketAddress target) {
  const int family = target.octets.ss_family;
  socket_.reset(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_.open()) return false;
  if (family != AF_UNIX) {
    without_delay(socket_.get(), TCP_NODELAY);
    // The port is in the same place for IPv4 and IPv6.
    reinterpret_cast<sockaddr_in&>(target.octets).sin_port = htons(relay_.port);
  }
  const auto* const address = reinterpret_cast<const sockaddr*>(&target.octets);
  return connect(socket_.get(), address, target.size) == 0 || errno == EINPROGRESS;
}

bool Session::connected() {
  int code = 0;
  socklen_t size = sizeof code;
  getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &code, &size);
  if (code == 0) {
    sockaddr_storage peer{};
    size = sizeof peer;
    if (getpeername(socket_.get(), reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
    relay_.addresses->worked(target_);
    next_target_ = Clock::time_point::max();
    stage_ = Stage::talking;
    return true;
  }
  connect_next(std::strerror(code));
  return false;
}

pollfd Session::watched() const {
  const int talk = POLLIN | (dialogue_.has_output() ? POLLOUT : 0);
  switch (stage_) {
    case Stage::looking_up: return {lookup_->descriptor(), POLLIN, 0};
    case Stage::connecting: return {socket_.get(), POLLOUT, 0};
    case Stage::shaking_hands: return {socket_.get(), tls_->awaited(), 0};
    case Stage::talking: break;
  }
  return {socket_.get(), static_cast<short>(talk), 0};
}

Clock::time_point Session::deadline() const {
  auto earliest = end_of_patience();
  if (dialogue_.over()) return earliest;
  if (stage_ == Stage::looking_up) earliest = std::min(earliest, lookup_->deadline());
  if (stage_ == Stage::connecting) earliest = std::min(earliest, next_target_);
  return earliest;
}

Clock::time_point Session::end_of_patience() const {
  if (dialogue_.over()) return Clock::time_point::max();
  const Step step = dialogue_.awaited();
  if (dialogue_.leaving()) return std::min(latest(), since_ + time_to_leave);
  if (stage_ != Stage::talking || step == Step::greeting) {
    return std::min(latest(), since_ + patience_);
  }
  if (step == Step::nothing && !dialogue_.has_output()) return latest();
  return std::min(latest(), since_ + time_for(step));
}

Clock::time_point Session::latest() const {
  if (!latest_) return Clock::time_point::max();
  return dialogue_.in_doubt() ? latest_->in_doubt : latest_->otherwise;
}

void Session::hurry(const Latest& latest) {
  if (!latest_) latest_ = latest;
  latest_->in_doubt = std::min(latest_->in_doubt, latest.in_doubt);
  latest_->otherwise = std::min(latest_->otherwise, latest.otherwise);
}

void Session::hear(short ready, Clock::time_point now) {
  if (dialogue_.over()) return;
  switch (stage_) {
    case Stage::looking_up:
      lookup_->hear();
      if (!lookup_->answer()) break;
      looked_up();
      lookup_.reset();
      break;
    case Stage::connecting:
      if (ready != 0 && connected() && relay_.scheme == Scheme::smtps) begin_tls();
      if (stage_ == Stage::connecting && now >= next_target_) connect_next("time is up");
      break;
    case Stage::shaking_hands:
      if (ready != 0) shake_hands();
      break;
    case Stage::talking: hear_socket(ready); break;
  }
  take_note(now);
  if (now >= end_of_patience()) give_up_waiting(now);
  if (!dialogue_.over()) return;
  tls_.reset();
  socket_.reset();
}

void Session::take_note(Clock::time_point now) {
  if (dialogue_.replies() == replies_) return;
  replies_ = dialogue_.replies();
  since_ = now;
}

void Session::hear_socket(short ready) {
  if ((ready & (POLLIN | POLLHUP | POLLERR)) == 0) return;
  tls_ ? read_tls() : static_cast<void>(read_once());
  if (dialogue_.wants_tls()) begin_tls();
}

void Session::give_up_waiting(Clock::time_point now) {
  if (stage_ == Stage::talking) {
    read_all();
    take_note(now);
    if (now < end_of_patience()) return;
  }
  const bool shakes_hands = stage_ == Stage::shaking_hands;
  const auto* const why = shakes_hands ? "time is up for shaking hands (TLS)" : "time is up";
  if (stage_ == Stage::connecting) relay_.addresses->forget();
  if (shakes_hands && relay_.tls_meant() == Tls::may) {
    dialogue_.not_secured(why);
  } else {
    dialogue_.broke_off(why, Dialogue::Break::silent);
  }
}

void Session::begin_tls() {
  tls_.emplace(*relay_.tls_client, socket_.get());
  stage_ = Stage::shaking_hands;
  shake_hands();
}

void Session::shake_hands() {
  const auto state = tls_->shake_hands();
  if (state == TlsStream::State::waiting) return;
  stage_ = Stage::talking;
  if (state != TlsStream::State::done) return part_from(state);
  dialogue_.secured();
  read_tls();  // it may have been read ahead
}

// False: there is no more for now.
bool Session::read_once() {
  const ssize_t got = read(socket_.get(), room.data(), room.size());
  if (got > 0) {
    heard_ = true;
    dialogue_.hear({room.data(), static_cast<std::size_t>(got)});
    return true;
  }
  if (got < 0 && errno == EINTR) return true;
  if (got == 0) {
    dialogue_.broke_off("the relay closed the connection");
  } else if (errno != EAGAIN) {
    dialogue_.broke_off(std::strerror(errno));
  }
  return false;
}

// All that is there; a relay that never ends says something sooner or later that is no answer.
void Session::read_all() {
  if (tls_) return read_tls();
  while (!dialogue_.over() && !dialogue_.wants_tls() && read_once()) {}
}

void Session::read_tls() {
  while (!dialogue_.over()) {
    const auto [state, octets] = tls_->read(room);
    if (state == TlsStream::State::waiting) return;
    if (state != TlsStream::State::done) return part_from(state);
    heard_ = true;
    dialogue_.hear({room.data(), octets});
  }
}

// Who cut the connection may be somebody else: what was not answered may have been taken.
void Session::part_from(TlsStream::State state) {
  if (state == TlsStream::State::closed) {
    dialogue_.broke_off("the relay closed the connection");
  } else if (!dialogue_.greeted() &&
             (state == TlsStream::State::failed || relay_.tls_meant() == Tls::may)) {
    dialogue_.not_secured(tls_->why());
  } else {
    dialogue_.broke_off(tls_->why(), Dialogue::Break::silent);
  }
}

// A relay that writes its replies in two small pieces holds the second one back until the first
// is acknowledged. What we write does that; where we only wait for more replies, it must be said.
void Session::flush(Clock::time_point now) {
  if (stage_ != Stage::talking || dialogue_.over()) return;
  if (dialogue_.has_output()) {
    heard_ = false;
    tls_ ? write_tls(now) : write_out(now);
  } else if (heard_ && dialogue_.awaited() != Step::nothing) {
    heard_ = false;
    without_delay(socket_.get(), TCP_QUICKACK);
  }
}

void Session::write_out(Clock::time_point now) {
  std::array<iovec, 256> pieces;
  while (dialogue_.has_output()) {
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = dialogue_.gather(pieces);
    const ssize_t sent = sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (sent >= 0) {
      dialogue_.wrote(static_cast<std::size_t>(sent));
      since_ = now;
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      const std::string why = std::strerror(errno);
      read_all();
      return dialogue_.broke_off(why);
    }
  }
}

void Session::write_tls(Clock::time_point now) {
  std::array<iovec, 256> pieces;
  while (dialogue_.has_output()) {
    const std::size_t count = dialogue_.gather(pieces);
    const auto [state, octets] = tls_->write(joined({pieces.data(), count}));
    if (state == TlsStream::State::waiting) return;
    if (state != TlsStream::State::done) {
      read_all();
      return part_from(state);
    }
    dialogue_.wrote(octets);
    since_ = now;
  }
}

}  // namespace ml
