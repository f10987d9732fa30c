// Connections and Session against relays on loopback that die, send away and dawdle as told.
#include "smtp/connections.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "smtp/wire.hpp"

using namespace ml;
using namespace std::chrono_literals;

namespace {

sockaddr_in loopback(const char* address, std::uint16_t port) {
  sockaddr_in made{};
  made.sin_family = AF_INET;
  made.sin_port = htons(port);
  inet_pton(AF_INET, address, &made.sin_addr);
  return made;
}

// What a relay is about to answer.
struct Word {
  std::size_t connection = 0;  // counted over all
  std::size_t message = 0;     // counted over the connection
  std::string verb;            // CONNECT, EHLO, MAIL, RCPT, DATA, DOT (BDAT too), RSET, QUIT
  std::size_t live = 0;        // connections just now
};

// In place of the usual answer. Whatever is said is said before it ends.
struct Instead {
  std::string says;
  enum class Then { goes_on, parts, dies } then = Then::goes_on;
};
using Script = std::function<std::optional<Instead>(const Word&)>;

class LoopbackRelay {
 public:
  explicit LoopbackRelay(Script script, bool chunking = false, bool dawdles = false)
      : script_(std::move(script)), chunking_(chunking), dawdles_(dawdles) {
    const sockaddr_in any = loopback("127.0.0.1", 0);
    REQUIRE(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0);
    REQUIRE(listen(listener_.get(), 64) == 0);
    sockaddr_in bound{};
    socklen_t size = sizeof bound;
    REQUIRE(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
    port = ntohs(bound.sin_port);
    acceptor_ = std::jthread([this] { accept_all(); });
  }
  LoopbackRelay(const LoopbackRelay&) = delete;
  LoopbackRelay& operator=(const LoopbackRelay&) = delete;
  ~LoopbackRelay() {
    shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    const std::lock_guard guard(mutex_);
    for (const Fd& one : sockets_) shutdown(one.get(), SHUT_RDWR);
  }

  [[nodiscard]] std::vector<Relay> relays(const std::string& terms = "") const {
    return {text_to_relay("smtp://127.0.0.1:" + std::to_string(port) + terms).value()};
  }
  // How often each recipient's message was taken.
  [[nodiscard]] std::map<std::string, int> taken() {
    const std::lock_guard guard(mutex_);
    return taken_;
  }
  [[nodiscard]] std::size_t most_live() {
    const std::lock_guard guard(mutex_);
    return most_live_;
  }

  std::uint16_t port = 0;

 private:
  void accept_all() {
    for (;;) {
      Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd.open()) return;
      const int one = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      const std::lock_guard guard(mutex_);
      most_live_ = std::max(most_live_, ++live_);
      sockets_.push_back(std::move(fd));
      const int socket = sockets_.back().get();
      threads_.emplace_back([this, socket, number = connections_++] {
        talk(socket, number);
        const std::lock_guard one_less(mutex_);
        --live_;
      });
    }
  }

  // Octets of a connection, by the line or by their number.
  struct Input {
    int socket;
    std::string buffer;
    bool more() {
      std::array<char, 4096> room{};
      const ssize_t got = read(socket, room.data(), room.size());
      if (got > 0) buffer.append(room.data(), static_cast<std::size_t>(got));
      return got > 0;
    }
    std::optional<std::string> take(std::size_t size) {
      while (buffer.size() < size) {
        if (!more()) return std::nullopt;
      }
      std::string front = buffer.substr(0, size);
      buffer.erase(0, size);
      return front;
    }
    std::optional<std::string> line() {
      for (;;) {
        if (const auto end = buffer.find("\r\n"); end != std::string::npos) return take(end + 2);
        if (!more()) return std::nullopt;
      }
    }
  };

  void say(int socket, std::string_view text) const {
    const std::size_t piece = dawdles_ ? 1 : text.size();
    for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
      if (send(socket, text.data(), std::min(piece, text.size()), MSG_NOSIGNAL) < 0) return;
    }
  }

  // What was asked for by the script, or `usual`; false: the connection is over.
  bool answer(Input& in, Word& word, const std::string& verb, std::string_view usual) {
    word.verb = verb;
    {
      const std::lock_guard guard(mutex_);
      word.live = live_;
    }
    const auto other = script_(word);
    say(in.socket, other ? std::string_view(other->says) : usual);
    if (!other || other->then == Instead::Then::goes_on) return true;
    if (other->then == Instead::Then::dies) {
      const linger at_once{1, 0};
      setsockopt(in.socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      const std::lock_guard guard(mutex_);
      std::ranges::find(sockets_, in.socket, &Fd::get)->reset();
    } else {
      shutdown(in.socket, SHUT_WR);
      while (in.more()) {}
    }
    return false;
  }

  void talk(int socket, std::size_t number) {
    Input in{socket, {}};
    Word word;
    word.connection = number;
    if (!answer(in, word, "CONNECT", "220 relay\r\n")) return;
    std::vector<std::string> recipients;
    for (auto line = in.line(); line; line = in.line()) {
      const std::string verb = line->substr(0, 4);
      if (verb == "EHLO") {
        const std::string_view usual = chunking_ ? "250-relay\r\n250-CHUNKING\r\n250 PIPELINING\r\n"
                                                 : "250-relay\r\n250 PIPELINING\r\n";
        if (!answer(in, word, verb, usual)) return;
      } else if (verb == "RCPT") {
        if (!answer(in, word, verb, "250 ok\r\n")) return;
        recipients.push_back(line->substr(9, line->find('>') - 9));
      } else if (verb == "DATA" || verb == "BDAT") {
        if (verb == "DATA" && !answer(in, word, verb, "354 go on\r\n")) return;
        if (verb == "BDAT" &&
            !in.take(ml::number<std::size_t>(line->substr(5, line->find_first_of(" \r", 5) - 5))
                         .value()))
          return;
        for (auto text = verb == "DATA" ? in.line() : ".\r\n"; text != ".\r\n"; text = in.line()) {
          if (!text) return;
        }
        if (!answer(in, word, "DOT", "250 taken\r\n")) return;
        const std::lock_guard guard(mutex_);
        for (const std::string& one : recipients) ++taken_[one];
        recipients.clear();
        ++word.message;
      } else if (verb == "QUIT") {
        static_cast<void>(answer(in, word, verb, "221 bye\r\n"));
        break;
      } else if (!answer(in, word, verb, "250 ok\r\n")) {
        return;
      }
    }
    shutdown(socket, SHUT_RDWR);
  }

  Script script_;
  bool chunking_;
  bool dawdles_;
  Fd listener_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::mutex mutex_;
  std::map<std::string, int> taken_;
  std::size_t connections_ = 0, live_ = 0, most_live_ = 0;
  std::list<Fd> sockets_;
  std::list<std::jthread> threads_;  // gone before what they use
  std::jthread acceptor_;
};

// So many recipients, two a transaction at most, who are offered again as ml-send does it.
class Recipients : public Source {
 public:
  explicit Recipients(std::size_t count) : all_(count) {
    for (std::size_t id = 0; id < count; ++id) {
      all_[id].address = "r" + std::to_string(id) + "@x.org";
      pending_.push_back(id);
    }
  }

  bool next(Transaction& transaction, WireForm form, std::size_t limit, const Needs&) override {
    transaction = {};
    transaction.sender = "bounces@x.org";
    transaction.message = form == WireForm::dotted ? &dotted_ : &chunk_;
    if (!pending_.empty()) transaction.lockstep = all_[pending_.front()].lockstep;
    while (!pending_.empty() && transaction.recipients.size() < std::min<std::size_t>(limit, 2)) {
      One& one = all_[pending_.front()];
      if (one.lockstep != transaction.lockstep) break;
      REQUIRE_FALSE(std::exchange(one.is_given, true));
      transaction.recipients.push_back({pending_.front(), one.address});
      pending_.pop_front();
    }
    return !transaction.recipients.empty();
  }
  [[nodiscard]] std::size_t waiting() const override { return pending_.size(); }
  bool put_others_first(std::span<const std::string>) override { return false; }
  [[nodiscard]] std::string_view domain(std::uint64_t) const override { return "x.org"; }
  void in_flight(std::uint64_t id) override { REQUIRE(all_[id].is_given); }
  void settled(std::uint64_t id, Fate fate, const Reply& reply, std::size_t) override {
    INFO(all_[id].address << ": " << reply.text());
    REQUIRE(std::exchange(all_[id].is_given, false));  // once for each time
    if (fate == Fate::unanswered) doubted.insert(all_[id].address);
    if (fate == Fate::misunderstood) all_[id].lockstep = true;
    if (fate == Fate::again || fate == Fate::misunderstood || fate == Fate::unanswered) {
      return pending_.push_back(id);
    }
    fates.push_back(fate);
    if (fate == Fate::delivered) ++delivered;
  }
  void told(std::string_view) override {}
  void broken(std::string_view) override {}

  [[nodiscard]] bool done() const { return fates.size() == all_.size(); }

  std::vector<Fate> fates;
  std::size_t delivered = 0;
  std::set<std::string> doubted;  // they may have it twice

 private:
  struct One {
    std::string address;
    bool is_given = false;
    bool lockstep = false;
  };
  const std::string wire_ = text_to_wire("Subject: hello\n\nHello.\n", Dots::doubled);
  const WireMessage dotted_{{wire_}, wire_.size(), false};
  const WireMessage chunk_{{wire_}, wire_.size(), false};
  std::vector<One> all_;
  std::deque<std::size_t> pending_;
};

// Until everybody is settled or no relay is left.
void send_all(Relays& relays, Recipients& recipients) {
  sigset_t none;
  sigemptyset(&none);
  Connections connections(relays, recipients, {});
  const auto turn_until = [&](const auto& reached) {
    for (;;) {
      connections.turn(Clock::now());
      if (reached()) return;
      static_cast<void>(connections.wait(-1, Clock::now() + 1s, none));
    }
  };
  turn_until([&] { return recipients.done() || connections.all_out(); });
  const auto latest = Clock::now() + 5s;
  connections.finish({latest, latest});
  turn_until([&] { return connections.none(); });
}

// Everybody was taken once, but for those of whom it was said that they may have it twice.
void check_taken(LoopbackRelay& relay, const Recipients& recipients, std::size_t count) {
  CHECK(recipients.delivered == count);
  const auto taken = relay.taken();
  CHECK(taken.size() == count);
  for (const auto& [address, times] : taken) {
    INFO(address);
    CHECK(times <= (recipients.doubted.contains(address) ? 2 : 1));
  }
}

}  // namespace

TEST_CASE("connections: one that dies in the middle gives each recipient back once", "[smtp]") {
  const std::string verb = GENERATE("MAIL", "RCPT", "DATA", "DOT");
  const std::string words = GENERATE("", "25", "421 4.3.2 closing\r\n");
  const auto message = GENERATE(as<std::size_t>(), 1, 4);
  const bool chunking = GENERATE(false, true);
  if (chunking && verb == "DATA") return;
  const auto then = words.starts_with("421") ? Instead::Then::parts : Instead::Then::dies;
  CAPTURE(verb, words, message, chunking);
  std::atomic<int> faults = 0;
  LoopbackRelay relay(
      [&](const Word& word) -> std::optional<Instead> {
        if (word.connection > 0 || word.message != message || word.verb != verb) return {};
        ++faults;
        return Instead{words, then};
      },
      chunking);
  Relays relays(relay.relays(), {.connections = 2});
  Recipients recipients(40);
  send_all(relays, recipients);
  check_taken(relay, recipients, 40);
  CHECK(faults == 1);
  if (chunking) return;  // whole messages may be on their way behind this one
  CHECK(recipients.doubted.size() == (verb == "DOT" && !words.starts_with("421") ? 2U : 0U));
}

TEST_CASE("connections: one that dies before it took anything is tried again later", "[smtp]") {
  const std::string verb = GENERATE("CONNECT", "EHLO", "MAIL", "DOT");
  LoopbackRelay relay([&](const Word& word) -> std::optional<Instead> {
    if (word.connection > 0 || word.verb != verb) return {};
    return Instead{"", Instead::Then::dies};
  });
  Relays relays(relay.relays(), {.connections = 2});
  Recipients recipients(6);
  send_all(relays, recipients);
  check_taken(relay, recipients, 6);
}

TEST_CASE("connections: they grow as far as they may", "[smtp]") {
  LoopbackRelay relay([](const Word&) { return std::nullopt; });
  Relays relays(relay.relays(), {.connections = 3});
  Recipients recipients(4000);
  send_all(relays, recipients);
  check_taken(relay, recipients, 4000);
  CHECK(relay.most_live() == 3);
}

TEST_CASE("connections: where one was too many the others go on", "[smtp]") {
  std::mutex mutex;
  int sent_away = 0;
  LoopbackRelay relay([&](const Word& word) -> std::optional<Instead> {
    if (word.verb != "CONNECT" || word.live <= 2) return {};
    const std::lock_guard guard(mutex);
    ++sent_away;
    return Instead{"421 4.7.0 too many connections\r\n", Instead::Then::parts};
  });
  Relays relays(relay.relays(), {.connections = 8, .messages = 10'000});
  Recipients recipients(2000);  // 1000 messages
  send_all(relays, recipients);
  check_taken(relay, recipients, 2000);
  CHECK(recipients.doubted.empty());
  CHECK(sent_away > 0);
  CHECK(sent_away <= 6);  // a further one is tried after 200 messages
}

TEST_CASE("connections: when the fuse blows no connection of the relay is given more", "[smtp]") {
  // The first one refuses everybody, and the others take what they have when that is over.
  std::mutex mutex;
  std::condition_variable over;
  enum class Phase { all_take, first_refuses, others_take } phase = Phase::all_take;
  LoopbackRelay relay([&](const Word& word) -> std::optional<Instead> {
    std::unique_lock guard(mutex);
    if (word.connection == 0) {
      if (phase == Phase::all_take && word.live == 4) phase = Phase::first_refuses;
      if (word.verb == "RCPT" && phase == Phase::first_refuses) {
        return Instead{"550 5.1.1 no such user\r\n"};
      }
      if (word.verb != "QUIT") return {};
      phase = Phase::others_take;
      over.notify_all();
    } else if (word.verb == "MAIL") {
      over.wait(guard, [&] { return phase != Phase::first_refuses; });
    }
    return {};
  });
  Relays relays(relay.relays(), {.connections = 4, .messages = 10'000});
  Recipients recipients(4000);
  send_all(relays, recipients);
  CHECK(relays.blown(0));
  CHECK(relay.most_live() == 4);
  CHECK(recipients.delivered < 2000);
  CHECK(recipients.doubted.empty());
}

TEST_CASE("connections: a relay that nobody answers at is out and nobody was given to it",
          "[smtp]") {
  std::uint16_t port = 0;
  {
    const LoopbackRelay gone([](const Word&) { return std::nullopt; });
    port = gone.port;
  }
  Relays relays({text_to_relay("smtp://127.0.0.1:" + std::to_string(port)).value()},
                {.max_wait = 0s});
  Recipients recipients(3);
  send_all(relays, recipients);
  CHECK(recipients.fates.empty());
  CHECK(recipients.waiting() == 3);
}

TEST_CASE("session: replies that come octet by octet are the same replies", "[smtp]") {
  LoopbackRelay relay([](const Word&) { return std::nullopt; }, GENERATE(false, true), true);
  Relays relays(relay.relays(), {.connections = 1});
  Recipients recipients(30);
  send_all(relays, recipients);
  check_taken(relay, recipients, 30);
}

TEST_CASE("session: the address that answers is the first for those that follow", "[smtp]") {
  LoopbackRelay relay([](const Word&) { return std::nullopt; });
  auto given = relay.relays();
  std::vector<SocketAddress> addresses;
  for (const char* const text : {"127.0.0.2", "127.0.0.3", "127.0.0.1"}) {
    const sockaddr_in address = loopback(text, 0);
    SocketAddress one;
    std::memcpy(&one.octets, &address, sizeof address);
    one.size = sizeof address;
    addresses.push_back(one);
  }
  given.front().addresses->set(addresses);
  const auto known = given.front().addresses;
  Relays relays(given, {.connections = 1});
  Recipients recipients(4);
  send_all(relays, recipients);
  check_taken(relay, recipients, 4);
  REQUIRE(known->all().size() == 3);
  CHECK(std::memcmp(&known->all().front().octets, &addresses.back().octets, sizeof(sockaddr_in)) ==
        0);
}
