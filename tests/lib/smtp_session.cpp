// Session against a peer that is played by the test itself, step by step, on real sockets.
#include "smtp/session.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <array>
#include <csignal>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "scratch.hpp"
#include "smtp/wire.hpp"

using namespace ml;
using namespace std::chrono_literals;

namespace {

struct Book : Outcomes {
  std::map<std::uint64_t, Fate> fates;
  void settled(std::uint64_t id, Fate fate, const Reply&) override {
    CHECK(fates.emplace(id, fate).second);
  }
};

enum class Way { tcp, unix_socket, tls };

template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};

// The relay's end of one connection.
class Peer {
 public:
  explicit Peer(Way way) : way_(way) {
    if (way == Way::unix_socket) {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      const std::string path = directory_.path("socket");
      path.copy(address.sun_path, sizeof address.sun_path - 1);
      listen_on(AF_UNIX, address);
      uri_ = "lmtp:" + path;
      return;
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    listen_on(AF_INET, address);
    socklen_t size = sizeof address;
    REQUIRE(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    uri_ = (way == Way::tls ? "smtps://127.0.0.1:" : "smtp://127.0.0.1:") +
           std::to_string(ntohs(address.sin_port)) + (way == Way::tls ? "?tls=may" : "");
    if (way == Way::tls) make_certificate();
  }

  [[nodiscard]] Relay relay() const { return texts_to_relays({uri_}, {}).value().front(); }

  void accept_one() {
    socket_.reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    REQUIRE(socket_.open());
    if (way_ != Way::tls) return;
    connection_.reset(SSL_new(context_.get()));
    REQUIRE(SSL_set_fd(connection_.get(), socket_.get()) == 1);
    SSL_set_accept_state(connection_.get());
  }

  // What came meanwhile; a handshake goes on here too.
  std::string hears() {
    std::string all;
    std::array<char, 65536> room{};
    for (;;) {
      const auto got = connection_ ? SSL_read(connection_.get(), room.data(), room.size())
                                   : read(socket_.get(), room.data(), room.size());
      if (got <= 0) return all;
      all.append(room.data(), static_cast<std::size_t>(got));
    }
  }

  // False: hands are not yet shaken.
  [[nodiscard]] bool says(const std::string& words) {
    const auto size = static_cast<int>(words.size());
    const auto sent = connection_ ? SSL_write(connection_.get(), words.data(), size)
                                  : write(socket_.get(), words.data(), words.size());
    return sent == size;
  }

  // What it has not read makes this a reset, on TCP.
  void closes() { socket_.reset(); }

 private:
  template <class Address>
  void listen_on(int family, const Address& address) {
    listener_.reset(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
    REQUIRE(listen(listener_.get(), 1) == 0);
  }

  void make_certificate() {
    const std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>> key(EVP_EC_gen("P-256"));
    const std::unique_ptr<X509, Free<X509_free>> certificate(X509_new());
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    REQUIRE(X509_set_pubkey(certificate.get(), key.get()) == 1);
    REQUIRE(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
    context_.reset(SSL_CTX_new(TLS_server_method()));
    REQUIRE(SSL_CTX_use_certificate(context_.get(), certificate.get()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(context_.get(), key.get()) == 1);
  }

  const Way way_;
  tests::Scratch directory_;
  std::string uri_;
  Fd listener_;
  Fd socket_;
  std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, Free<SSL_free>> connection_;
};

const std::vector<std::string> addresses{"a@x.org", "b@x.org", "c@x.org", "d@x.org"};
const std::string text = text_to_wire("Subject: hello\n\nHello.\n", Dots::plain);
const WireMessage letter{{text}, text.size(), false};

// A connection that was greeted, and messages, given when the test says so: the first of them is
// taken, the second wholly written and not read.
struct Talk {
  explicit Talk(Way way) : peer(way), relay(peer.relay()) {
    session = std::make_unique<Session>(relay, OutletManner{}, book);
    peer.accept_one();
    says("220 relay\r\n");
    until_heard("LO ");
    says("250-relay\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    turn_until([&] { return session->wants(); });
    give();
    if (way == Way::unix_socket) {
      until_heard("DATA\r\n");
      says("250 ok\r\n250 ok\r\n354 go\r\n");
    }
    until_heard("Hello.\r\n");
    if (way == Way::unix_socket) return;
    says("250 ok\r\n250 ok\r\n250 taken\r\n");
    turn_until([&] { return session->wants(); });
    give();
    session->flush(Clock::now());
  }

  void give() {
    Transaction transaction;
    transaction.sender = "s@x.org";
    transaction.recipients.push_back({given, addresses.at(given)});
    transaction.message = &letter;
    ++given;
    session->give(transaction);
  }

  void says(const std::string& words) {
    turn_until([&] { return peer.says(words); });
  }
  void until_heard(std::string_view words) {
    turn_until([&] {
      heard += peer.hears();
      return heard.find(words) != std::string::npos;
    });
    heard.clear();
  }
  template <class Reached>
  void turn_until(const Reached& reached) {
    const auto latest = Clock::now() + 60s;
    while (!reached()) {
      REQUIRE(Clock::now() < latest);
      session->flush(Clock::now());
      pollfd one = session->watched();
      poll(&one, 1, 10);
      session->hear(one.revents, Clock::now());
      if (!session->opening()) continue;
      heard += peer.hears();
    }
  }

  Peer peer;
  Relay relay;
  Book book;
  std::unique_ptr<Session> session;
  std::uint64_t given = 0;
  std::string heard;
};

}  // namespace

TEST_CASE("session: what the relay said before it went counts where a write fails", "[smtp]") {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  const Way way = GENERATE(Way::tcp, Way::unix_socket, Way::tls);
  CAPTURE(static_cast<int>(way));
  Talk talk(way);
  const std::uint64_t last = talk.given - 1;
  const std::string replies =
      way == Way::unix_socket ? "250 taken\r\n" : "250 ok\r\n250 ok\r\n250 taken\r\n";
  REQUIRE(talk.peer.says(replies));
  talk.peer.closes();
  pollfd socket{talk.session->watched().fd, 0, 0};
  REQUIRE(poll(&socket, 1, 60'000) == 1);  // it has gone, and that is known here
  REQUIRE(talk.session->wants());
  talk.give();
  talk.session->flush(Clock::now());
  REQUIRE(talk.session->over());
  CHECK(talk.session->parting() == Parting::lost);
  CHECK(talk.book.fates[last] == Fate::delivered);
  CHECK(talk.book.fates[last + 1] == Fate::again);
  std::signal(SIGPIPE, before);
}

TEST_CASE("session: what the relay has said counts where time is up", "[smtp]") {
  Talk talk(GENERATE(Way::tcp, Way::tls));
  REQUIRE(talk.peer.says("250 ok\r\n250 ok\r\n250 taken\r\n"));
  pollfd socket{talk.session->watched().fd, POLLIN, 0};
  REQUIRE(poll(&socket, 1, 60'000) == 1);
  talk.session->hear(0, Clock::now() + 3h);
  CHECK_FALSE(talk.session->over());
  CHECK(talk.book.fates[talk.given - 1] == Fate::delivered);
}
