// Which relay to use now, and with how many connections: rest for the busy ones, others in their
// place, an end to patience.
//
// No sockets and no clock of its own; times are handed in.
//
//   | heard from a relay                     | what follows                                      |
//   | -------------------------------------- | ------------------------------------------------- |
//   | busy or lost, after it took messages   | a new connection at once, on which the next       |
//   |                                        | message after as many as that goes in lockstep;   |
//   |                                        | where it ends that one there too, we do, before   |
//   |                                        | it: 20 times, and then it is tried again          |
//   | busy or lost, and it took none         | left alone: 0.5 s, 1 s, 2 s ...; `max_wait` after |
//   |                                        | the first of these it is out; it has as many      |
//   |                                        | connections as it bore                            |
//   | 8 messages taken                       | one connection more, up to `connections`; once    |
//   |                                        | one was too many, 200 messages                    |
//   | 20 recipients running deferred by it,  | the same; of fewer domains, others are tried      |
//   | of several domains (Deferrals)         | before them                                       |
//   | it refuses to talk to us               | out                                               |
//   | its TLS does not work, and may be      | no more TLS with it                               |
//   | a fault                                | a new connection, its first messages in lockstep  |
//   | a fault before it took any, and        | one was too many, as its only reason may be one   |
//   | others go on                           | bad host of several                               |
//   | a third fault running, over all its    | out                                               |
//   | connections, and nobody had a reply    |                                                   |
//   | the fuse                               | out, nobody else is given to its connections; its |
//   |                                        | refusals of this run are taken back, but for      |
//   |                                        | those that were handed over before (Ledger)       |
//
// What a relay cannot take (Needs) is kept for one that may be able to, as long as that one is not
// in trouble. "Out" is for the rest of the run. Of several relays that are free, connections go to
// the one that has the fewest for its weight; to a backup only where no other is free, and among
// those that were looked up to one of a later order only where none of an earlier one is.
//
// Where relays of the same rank have different weights, they share the recipients by them: who has
// had more than its share, by 16 recipients or the transaction that it got last, waits for those
// that have not. How far the shares hold:
//
//   | of a relay that is behind its share               | the others                             |
//   | ------------------------------------------------- | -------------------------------------- |
//   | it has no connection, is resting, out or silent,  | do not wait for it                     |
//   | or cannot take those who wait                     |                                        |
//   | it is busy with what it was given, or on its way  | wait, each a second at most; then they |
//   |                                                   | wait no more for it for ten seconds    |
//   | it is well again                                  | wait until it has made up for what it  |
//   |                                                   | has missed, 1000 recipients at most    |
//
// So the shares hold where each relay can have another transaction every second, and are those of
// the slowest. Equal weights wait for nobody: whoever is free has the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "smtp/deferrals.hpp"
#include "smtp/outlet.hpp"
#include "smtp/relay.hpp"
#include "smtp/verdict.hpp"

namespace ml {

enum class FuseUse { armed, off };

class Relays {
 public:
  struct Terms {
    std::chrono::seconds max_wait{60};
    FuseUse fuse = FuseUse::armed;
    std::size_t connections = 4;  // at most, to one relay
    std::size_t messages = 0;     // a connection; 0: as suits the relay
  };

  Relays(std::vector<Relay> relays, Terms terms);

  // In place of how many connections one has: it is none for those who wait; it has one on its way
  // and gets no second.
  static constexpr std::size_t unfit = SIZE_MAX;
  static constexpr std::size_t enough = SIZE_MAX - 1;

  // The relay for the next connection, `live` being how many each has; nothing: none is free now.
  [[nodiscard]] std::optional<std::size_t> pick(Clock::time_point now,
                                                std::span<const std::size_t> live) const;
  // With so many connections, over all, none of them has room for a further one; false: one may.
  [[nodiscard]] bool are_full(std::size_t live) const;
  // When one of them is free, or was; nothing: all are out.
  [[nodiscard]] std::optional<Clock::time_point> next_chance() const;
  // When the next one of those that rest then is free; nothing: none rests.
  [[nodiscard]] std::optional<Clock::time_point> next_chance_after(Clock::time_point time) const;

  [[nodiscard]] const Relay& relay(std::size_t index) const { return all_[index].relay; }
  [[nodiscard]] OutletManner manner(std::size_t index) const;
  // Recipients a transaction.
  [[nodiscard]] std::size_t recipient_limit(std::size_t index) const {
    return all_[index].recipient_limit;
  }

  // The relays do not merely take what they can: weights differ.
  [[nodiscard]] bool has_shares() const { return has_shares_; }
  // What the connections of a relay could take now, together.
  enum class Room {
    none,  // it has none that is well
    busy,  // with what they were given, or on their way
    free,
  };
  // Before a transaction for one that could take it: it has had its share and is to wait, `rooms`
  // being what each has. `rated`: there is a rate, by which those with room wait too.
  enum class Rated { no, yes };
  [[nodiscard]] bool waits(std::size_t index, std::span<const Room> rooms, Rated rated,
                           Clock::time_point now);
  // Nobody is there for whom it could wait.
  void waits_no_more(std::size_t index) { all_[index].waits_since.reset(); }
  // When one that waits then does so no longer by itself; nothing: none does.
  [[nodiscard]] std::optional<Clock::time_point> next_end_of_waiting(Clock::time_point after) const;
  void gave(std::size_t index, std::size_t recipients);
  // Of `limit` recipients a transaction what its weight makes of them.
  [[nodiscard]] std::size_t share_of(std::size_t index, std::size_t limit) const;

  // What it has told a connection that it cannot take.
  void lacks(std::size_t index, const Needs& needs) { all_[index].lacks = needs; }
  // What of it another relay may be able to take, that is not in trouble.
  [[nodiscard]] Needs left_to_others(std::size_t index) const;

  // One recipient's fate by it. failed() is true if its connection should end now. `domain` is the
  // recipient's where the reply was to the recipient; nothing: it was to the message.
  void delivered(std::size_t index);
  [[nodiscard]] bool failed(std::size_t index, Fate fate, const Reply& reply,
                            std::optional<std::string_view> domain);
  // It defers one after another: before those of these domains it is to have others, if others wait
  // (Deferrals).
  [[nodiscard]] std::span<const std::string> domains_to_pass_over(std::size_t index) const {
    return all_[index].deferrals.domains_to_pass_over();
  }
  void nobody_else_waits(std::size_t index) { all_[index].deferrals.nobody_else_waits(); }
  // A connection of it is over, `live` others are not. Gives a line for people where they should
  // know.
  [[nodiscard]] std::string parted(std::size_t index, const Outlet& outlet, std::size_t live,
                                   Clock::time_point now);

  // The fuse has blown: nothing it refused in this run counts.
  [[nodiscard]] bool blown(std::size_t index) const { return all_[index].fuse.blown(); }
  [[nodiscard]] const std::string& why_blown(std::size_t index) const {
    return all_[index].fuse.why();
  }
  // What to tell a recipient for whom no relay is left: never what was said to another recipient.
  [[nodiscard]] Reply why_out() const;
  // The same for people: what the relay said last.
  [[nodiscard]] Reply last_words() const;
  [[nodiscard]] std::size_t size() const { return all_.size(); }

 private:
  struct State {
    Relay relay;
    Fuse fuse;
    bool out = false;
    Reply why;
    bool why_is_to_recipient = false;  // or to a message, and not about the relay itself
    std::optional<Clock::time_point> troubled_since;
    Clock::time_point free_at = Clock::time_point::min();
    Clock::duration pause{};
    std::size_t faults = 0;              // running, and no reply about anybody, on any connection
    std::size_t lockstep = 0;            // messages, for the next connection
    std::size_t wary_after = 0;          // messages, when it last ended one itself
    std::size_t short_ones = 0;          // connections to come that we end there
    Deferrals deferrals;                 // running
    std::size_t recipient_limit = 1000;  // Postfix's own; who takes fewer says so
    std::size_t message_limit = 0;
    std::size_t connections = 1;                   // at most, now
    std::size_t earned = 0;                        // messages taken, towards one more
    bool had_too_many = false;                     // connections
    Needs lacks;                                   // none, until it is known
    double share = 0;                              // recipients it was given, by its weight
    std::optional<Clock::time_point> waits_since;  // for others of its rank
    Clock::time_point waited_for_from = Clock::time_point::min();  // not before, by others
  };

  static void keep_to(State& state, std::size_t live);
  static void be_wary(State& state, std::size_t messages);
  [[nodiscard]] std::string rest(State& state, Clock::time_point now);
  [[nodiscard]] std::string drop(State& state, std::string_view because);
  [[nodiscard]] const State* first_out() const;

  [[nodiscard]] bool is_waited_for(const State& behind, const State& ahead, Room room,
                                   Clock::time_point now) const;

  std::vector<State> all_;
  Terms terms_;
  bool has_shares_ = false;
};

}  // namespace ml
