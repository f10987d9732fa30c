// All connections of a run: as many as the relays bear, each given what it wants.
//
// A connection is opened when more recipients wait than are free for them or on their way, to each
// relay one at a time: so they grow by one a round trip, up to a number for each relay that is
// itself learned (smtp/relays.hpp). A relay that has not greeted for a second is as good as none
// for those who wait: others get them, backups too, and it is one of several again when it does
// greet.
//
//   Connections connections(relays, source, {.rate = 100});
//   for (;;) {
//     connections.turn(now);                       // gives and writes all that is wanted
//     if (...) break;
//     readable = connections.wait(0, latest, asleep);   // hears; or standard input has something
//   }
//
// epoll(7) is used bare: standalone Asio is as fast within noise, and its coroutines cost a fifth
// more of our own CPU.
#pragma once

#include <csignal>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "smtp/outlet.hpp"
#include "smtp/relays.hpp"
#include "smtp/transaction.hpp"

namespace ml {

// Whoever has the recipients.
class Source {
 public:
  virtual ~Source() = default;
  // Fills `transaction` with those who are next, at most `limit` of them, the message in `form`;
  // whoever needs one of `elsewhere` is passed over, for another relay. False: nobody else waits.
  [[nodiscard]] virtual bool next(Transaction& transaction, WireForm form, std::size_t limit,
                                  const Needs& elsewhere) = 0;
  [[nodiscard]] virtual std::size_t waiting() const = 0;
  // Whoever is next is of none of these domains; false: nobody else waits.
  [[nodiscard]] virtual bool put_others_first(std::span<const std::string> domains) = 0;
  // Of a recipient that was given and is not settled.
  [[nodiscard]] virtual std::string_view domain(std::uint64_t id) const = 0;
  virtual void in_flight(std::uint64_t id) = 0;
  // `relay`: its number in Relays.
  virtual void settled(std::uint64_t id, Fate fate, const Reply& reply, std::size_t relay) = 0;
  // A line for people about a relay.
  virtual void told(std::string_view line) = 0;
  // What was delivered may not be there: the file that took it failed in the end.
  virtual void broken(std::string_view why) = 0;
};

class Connections {
 public:
  struct Limits {
    // Recipients a second, over all relays; a transaction has a fifth at most. 0: as it goes.
    std::uint64_t rate = 0;
  };

  Connections(Relays& relays, Source& source, Limits limits);
  ~Connections();

  // Lets go of connections that are over, opens what is missing, gives all that is wanted and
  // writes it.
  void turn(Clock::time_point now);
  // Sleeps until a relay says something, a deadline, `latest`, or a signal outside `asleep`; and,
  // where `input` is not -1, until that can be read, which gives true.
  [[nodiscard]] bool wait(int input, Clock::time_point latest, const sigset_t& asleep);

  // No relay is left for those who wait.
  [[nodiscard]] bool all_out() const;
  [[nodiscard]] bool none() const { return all_.empty(); }
  // No more will be given: those who have no answer due are closed, at the latest then.
  void finish(const Latest& latest);

 private:
  class Connection;

  [[nodiscard]] bool offer(Connection& connection);
  [[nodiscard]] bool must_wait(Connection& connection, Clock::time_point now);
  [[nodiscard]] bool open_one(Clock::time_point now);
  [[nodiscard]] static bool is_silent(const Connection& connection, Clock::time_point now);
  [[nodiscard]] bool may_give(Clock::time_point now);
  [[nodiscard]] std::size_t most_at_once() const;
  void charge(std::size_t recipients, Clock::time_point now);
  void watch(Connection& connection);
  void watch_input(int input);
  void part(Connection& connection, Clock::time_point now);
  [[nodiscard]] Clock::time_point alarm(Clock::time_point latest) const;

  Relays& relays_;
  Source& source_;
  Limits limits_;
  Fd epoll_;
  std::list<Connection> all_;
  std::vector<Relays::Room> rooms_;                         // its room too
  Transaction transaction_;                                 // its room is used again and again
  int input_ = -1;                                          // known to epoll_
  bool input_always_ = false;                               // a file: it can always be read
  Clock::time_point next_gift_ = Clock::time_point::min();  // not before, by the rate
  Clock::time_point turned_ = Clock::time_point::min();     // the last turn: what was due is done
};

}  // namespace ml
