// How client and relay greet: from the relay's 220 until mail may be sent. EHLO, STARTTLS and AUTH;
// pure, without sockets and without a clock.
//
// It hears whole replies and says at most one line to each.
//
//   Greeting greeting({.hello = "lists.example.org"});
//   while (!greeting.over()) {
//     write(greeting.hear(reply, lines));            // a line, or nothing
//     if (greeting.wants_tls()) shake hands, then write(greeting.secured()) or not_secured()
//   }
//   if (greeting.parting() == Parting::none) use(greeting.extensions());
//
//   state                          heard                what follows
//   greeting                       2yz                  EHLO or LHLO
//   EHLO                           5yz                  HELO, without extensions
//   greeting LHLO HELO             5yz                  over: it does not talk to us
//   greeting EHLO LHLO HELO        4yz                  over, busy
//   EHLO LHLO HELO                 2yz, with STARTTLS   STARTTLS, if TLS may or must be and is not
//                                  2yz, without         over if TLS must be; else AUTH or done
//   STARTTLS                       220                  wants_tls(); secured(): extensions are
//                                                       forgotten and EHLO is said again
//                                  4yz                  over, busy; if TLS may be, on in clear
//                                  5yz                  over; if TLS may be, on in clear
//   AUTH is due, others can hear                        over, nothing is said
//   AUTH is due, not announced                          over
//   AUTH                           334                  its next line; a fault where none is left
//                                  2yz                  done
//                                  4yz                  over, busy
//                                  5yz                  over: it speaks of us, nobody is refused
//   any of these                   421                  over, busy
//                                  else                 a fault
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/auth.hpp"
#include "smtp/parting.hpp"
#include "smtp/reply.hpp"
#include "smtp/verdict.hpp"

namespace ml {

enum class Protocol { smtp, lmtp };

// Whether STARTTLS is said.
enum class StartTls { never, may, must };

// Who can hear what we say.
enum class Channel {
  open,   // whoever is on the way
  local,  // nobody but this host
  tls,
};

// What a relay announces.
struct Extensions {
  bool starttls = false;
  bool pipelining = false;
  bool chunking = false;
  bool eight_bit = false;
  bool smtputf8 = false;
  bool xverp = false;
  bool dsn = false;
  bool size = false;
  std::uint64_t size_limit = 0;  // 0: none is known
  std::string mechanisms{};      // of AUTH

  bool operator==(const Extensions&) const = default;
};

// `lines`: of the reply to EHLO, separated by LF; the first one names the relay.
[[nodiscard]] Extensions lines_to_extensions(std::string_view lines);

class Greeting {
 public:
  struct Manner {
    Protocol protocol = Protocol::smtp;
    std::string hello{};  // who we are: a host name or an address literal
    StartTls starttls = StartTls::never;
    Channel channel = Channel::open;
    const Credentials* credentials = nullptr;  // AUTH is due; must outlive this
  };

  explicit Greeting(Manner manner) : manner_(std::move(manner)) {}

  // A whole reply, and its lines as ReplyParser has them. What we say to it, with its CRLF; empty:
  // nothing.
  [[nodiscard]] std::string hear(const Reply& reply, std::string_view lines);
  // Hands are to be shaken now; nothing may be heard until it is said how that went.
  [[nodiscard]] bool wants_tls() const { return state_ == State::securing; }
  // TLS is there: after STARTTLS, or from the connection's beginning. What we say then.
  [[nodiscard]] std::string secured();
  // It is not, or the relay is not whom we trust.
  void not_secured(std::string_view why);

  [[nodiscard]] bool over() const { return state_ == State::over; }
  // Where it is over: none, or why there will be no mail.
  [[nodiscard]] Parting parting() const { return parting_; }
  // The reply, or the words, that ended it so.
  [[nodiscard]] const Reply& last_words() const { return last_words_; }
  // What the next reply answers.
  [[nodiscard]] Step awaited() const;

  [[nodiscard]] const Extensions& extensions() const { return extensions_; }
  // What follows the first few messages of a connection it keeps for its next queue run.
  [[nodiscard]] bool is_exim() const { return is_exim_; }

 private:
  enum class State { greeting, hello, helo, starttls, securing, auth, over };

  [[nodiscard]] std::string on_greeting(const Reply& reply);
  [[nodiscard]] std::string on_hello(const Reply& reply, std::string_view lines);
  [[nodiscard]] std::string on_starttls(const Reply& reply);
  [[nodiscard]] std::string on_auth(const Reply& reply);
  [[nodiscard]] std::string say_hello();
  [[nodiscard]] std::string begin_tls();
  [[nodiscard]] std::string begin_auth();
  [[nodiscard]] bool is_content(const Reply& reply);
  std::string end(Parting parting, const Reply& reply);
  std::string end_fault(std::string_view why);

  Manner manner_;
  State state_ = State::greeting;
  Parting parting_ = Parting::none;
  Reply last_words_;
  Extensions extensions_;
  std::optional<AuthExchange> auth_;  // while it lasts
  bool is_exim_ = false;
};

}  // namespace ml
