// TLS to a relay, over a socket that does not block (RFC 8446, RFC 5246; RFC 3207, RFC 8314 for how
// mail uses it). TLS 1.2 at least. The only door to OpenSSL, of which nothing is touched before the
// first TlsStream is made.
//
//   TlsClient client({.host = "relay.x.org"});        // one a relay: it keeps the last session
//   TlsStream stream(client, socket);
//   while (stream.shake_hands() == TlsStream::State::waiting) poll(socket, stream.awaited());
//   auto moved = stream.write("EHLO me.test\r\n");
//   moved = stream.read(room);
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ml {

struct TlsTerms {
  enum class Trust {
    verified,  // the chain ends in a known authority, and the certificate is the host's
    anybody,
  };
  std::string host;                       // a name, which it is told (SNI), or an address
  std::vector<std::string> identities{};  // one of them has to be in the certificate; empty: host
  Trust trust = Trust::verified;
  std::string authorities;  // a PEM file, in place of the system's; empty: the system's
  std::string certificate;  // a PEM file with our certificate, its chain and its key; empty: none
};

// What the connections to one relay have in common. Must outlive their streams.
class TlsClient {
 public:
  explicit TlsClient(TlsTerms terms);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

 private:
  friend class TlsStream;
  struct Inside;
  [[nodiscard]] Result<> prepare();

  TlsTerms terms_;
  std::unique_ptr<Inside> inside_;  // made by the first stream
};

class TlsStream {
 public:
  enum class State {
    done,
    waiting,  // for the socket
    closed,   // by the relay, which said so
    cut,      // the connection ended and nobody said that it would
    failed,   // this is not TLS, or not with whom we want to talk; see why()
  };
  struct Moved {
    State state = State::done;
    std::size_t octets = 0;  // 0 where the state is not done
  };

  // `socket` is connected, does not block and stays open for as long as this lives.
  TlsStream(TlsClient& client, int socket);
  ~TlsStream();  // says goodbye, if the talk was sound
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // To be called again whenever the socket is ready, while it is waiting.
  [[nodiscard]] State shake_hands();
  // To be called until it is waiting: what was read ahead makes no socket ready.
  [[nodiscard]] Moved read(std::span<char> room);
  // Takes as much as it likes. A call after one that was waiting begins with the same octets.
  [[nodiscard]] Moved write(std::string_view octets);

  // What poll(2) should watch for in the handshake.
  [[nodiscard]] short awaited() const { return awaited_; }
  // For people, where the state is cut or failed.
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  struct Inside;
  [[nodiscard]] State state_after(int result);

  std::unique_ptr<Inside> inside_;
  short awaited_ = 0;
  bool is_sound_ = false;  // hands were shaken and nothing failed
  std::string why_;
};

}  // namespace ml
