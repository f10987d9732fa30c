// A way out for transactions: a connection to a relay, a program, a directory, or nothing.
//
// Every recipient given comes back through the Outcomes it was made with, at once or later.
//
//   auto outlet = open_outlet(relay, manner, outcomes);
//   while (outlet->wants()) outlet->give(transaction);       // its message in outlet->form()
//   outlet->finish();
//   while (!outlet->over()) {
//     outlet->flush(now);
//     poll(outlet->watched());
//     outlet->hear(ready, now);
//   }
#pragma once

#include <poll.h>

#include <chrono>
#include <memory>
#include <string>

#include "smtp/parting.hpp"
#include "smtp/relay.hpp"
#include "smtp/transaction.hpp"

namespace ml {

using Clock = std::chrono::steady_clock;

// How long what was given is waited for in the end.
struct Latest {
  Clock::time_point in_doubt;   // a message that was sent: its reply says whether it was taken
  Clock::time_point otherwise;  // nothing is lost by giving it up
};

class Outlet {
 public:
  virtual ~Outlet() = default;

  [[nodiscard]] virtual bool wants() const = 0;     // a transaction, now
  [[nodiscard]] virtual WireForm form() const = 0;  // in which it wants the message
  // Of those it wants a transaction of; what is given all the same is encoded, or left.
  [[nodiscard]] virtual Needs lacks() const { return {}; }
  virtual void give(Transaction& transaction) = 0;
  virtual void finish() = 0;  // no more will be given

  // What poll(2) should watch, and until when; a descriptor of -1: nothing.
  [[nodiscard]] virtual pollfd watched() const { return {-1, 0, 0}; }
  [[nodiscard]] virtual Clock::time_point deadline() const { return Clock::time_point::max(); }
  // Reads if `ready` (poll's revents) says so, once, under TLS all that has come, and notices that
  // time is up; never blocks.
  virtual void hear(short /*ready*/, Clock::time_point /*now*/) {}
  // Writes what there is to write; never blocks. To be called when all that is wanted was given,
  // so that it goes out in one piece.
  virtual void flush(Clock::time_point /*now*/) {}
  // While a recipient is settled by a reply: it was to this recipient alone (RCPT, LMTP's last),
  // and not to the message.
  [[nodiscard]] virtual bool answers_recipient() const { return false; }
  // From now on nothing may wait longer than until then.
  virtual void hurry(const Latest& /*latest*/) {}

  // True until it can be given anything.
  [[nodiscard]] virtual bool opening() const { return false; }
  [[nodiscard]] virtual Parting parting() const = 0;
  [[nodiscard]] bool over() const { return parting() != Parting::none; }
  [[nodiscard]] virtual const Reply& last_words() const = 0;
  [[nodiscard]] virtual std::size_t messages() const = 0;  // taken so far
  // So many messages a connection at most; 0: nothing was learned.
  [[nodiscard]] virtual std::size_t message_limit() const { return 0; }
  // So many recipients a transaction at most; 0: as the caller likes.
  [[nodiscard]] virtual std::size_t recipient_limit() const { return 0; }
};

struct OutletManner {
  std::size_t messages = 0;            // a connection; 0: as suits the relay
  std::size_t lockstep_messages = 0;   // see Dialogue
  std::size_t wary_after = 0;          // see Dialogue
  std::chrono::seconds patience{300};  // for connection and greeting
};

// Never fails by itself: what cannot be reached is over, and says why. `relay` must outlive it.
[[nodiscard]] std::unique_ptr<Outlet> open_outlet(const Relay& relay, const OutletManner& manner,
                                                  Outcomes& outcomes);

}  // namespace ml
