// The recipients between the stream and the wire: a bounded number of them in memory, each in a
// place of its own from the line that brings it until its fate is known.
//
//   Window window({.alone = 400, .shared = 20'000});
//   window.begin(Transactions::shared);              // a message
//   const auto place = window.take_place();
//   window[place].read(line, rcpt);                  // and more of it
//   window.append(place);                            // or drop(place): it is not sent to
//   while (window.next(transaction, limit, elsewhere)) give(transaction);    // ids are places
//   window.settle(place);                            // or come_back(place): it is offered again
//
//   | from      | by                     | to        |                                           |
//   | --------- | ---------------------- | --------- | ----------------------------------------- |
//   | free      | take_place             | taken     | used again, with the room that it has     |
//   | taken     | append                 | waiting   | behind all others                         |
//   | waiting   | next                   | in flight | in their order, but for those whose needs |
//   |           |                        |           | another relay may meet: they wait for it  |
//   | in flight | come_back              | waiting   | before all others                         |
//   | waiting   | put_others_first       | waiting   | one before all others                     |
//   | in flight | settle                 | free      |                                           |
//   | waiting   | take_all               | taken     | nobody is sent to any more                |
//   | taken     | drop                   | free      |                                           |
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "queue/recall.hpp"
#include "smtp/transaction.hpp"
#include "stage/letter.hpp"
#include "stage/wire_envelope.hpp"
#include "stream/record.hpp"

namespace ml {

// A recipient in the window.
struct Waiting {
  std::string line;  // of the stream; what follows are views, mostly into it
  RcptRecord rcpt;
  WireEnvelope wire;
  std::string replied;  // the attributes with what became of it
  std::optional<SlotNumber> slot;
  bool doubted = false;   // the relay's reply to the message was lost once
  bool lockstep = false;  // a relay has not understood it sent ahead
  unsigned tries = 0;
  std::unique_ptr<Letter::Copy> copy;  // made when it is needed, its room used again

  // A copy of the line, and nothing known yet of its recipient.
  void read(std::string_view text, const RcptRecord& record);
  // As the wire spells it.
  [[nodiscard]] std::string_view domain() const {
    return wire.address.substr(wire.address.rfind('@') + 1);
  }
};

// Whether several recipients can be in one transaction of a message.
enum class Transactions { shared, single };

class Window {
 public:
  using Place = std::size_t;
  // Recipients in memory at most: with transactions of their own, and those who share a sender, to
  // fill large transactions with.
  struct Room {
    std::size_t alone = 0;
    std::size_t shared = 0;
  };

  explicit Window(Room room) : room_(room) {}

  // The message of those who follow.
  void begin(Transactions kind) { kind_ = kind; }

  // The recipient there; it stays where it is.
  [[nodiscard]] Waiting& operator[](Place place) { return *places_[place]; }
  [[nodiscard]] const Waiting& operator[](Place place) const { return *places_[place]; }
  [[nodiscard]] Place take_place();
  void append(Place place) {
    newest_shares_ = (*this)[place].rcpt.sender == "-";
    pending_.push_back(place);
  }
  void drop(Place place) { free_.push_back(place); }

  // Those at the front who share sender, needs and lockstep, `limit` at most, of a message with
  // single transactions one: who they are, their sender and its parameters; the message is the
  // caller's. Whoever needs one of `elsewhere` is passed over. False: nobody else waits.
  [[nodiscard]] bool next(Transaction& transaction, std::size_t limit, const Needs& elsewhere);
  // The last that waits and is of none of these domains goes before all others: it stands farthest
  // from them. False: nobody else waits.
  [[nodiscard]] bool put_others_first(std::span<const std::string> domains);
  void come_back(Place place) {
    --in_flight_;
    returned_.push_back(place);
  }
  void settle(Place place) {
    --in_flight_;
    free_.push_back(place);
  }
  [[nodiscard]] std::vector<Place> take_all();

  [[nodiscard]] std::size_t waiting() const {
    return pending_.size() + picky_.size() + returned_.size();
  }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
  [[nodiscard]] bool is_empty() const { return in_flight_ + waiting() == 0; }
  // No more are to be taken for now.
  [[nodiscard]] bool is_full() const {
    const bool shares = newest_shares_ && kind_ == Transactions::shared;
    return in_flight_ + waiting() >= (shares ? room_.shared : room_.alone);
  }

 private:
  void rejoin();

  Room room_;
  Transactions kind_ = Transactions::shared;
  std::vector<std::unique_ptr<Waiting>>
      places_;  // they do not move: views into them are on their way
  std::vector<Place> free_;
  std::deque<Place> pending_;
  std::deque<Place> picky_;      // they wait for a relay that knows SMTPUTF8
  std::vector<Place> returned_;  // to be offered again, before those who wait
  bool newest_shares_ = false;   // it has the message's own sender
  std::size_t in_flight_ = 0;
};

}  // namespace ml
