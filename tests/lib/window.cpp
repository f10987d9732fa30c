// The recipients between the stream and the wire: their order, how many there are, who comes back.
#include "stage/window.hpp"

#include <catch2/catch.hpp>

#include <deque>
#include <string>
#include <vector>

using namespace ml;

namespace {

constexpr std::size_t many = 1000;

struct Line {
  std::string address;
  std::string sender = "-";
  bool needs_smtputf8 = false;
  std::string xverp{};
};

// A window that is filled from lines and says who is next by their addresses.
struct LinedUp : Window {
  explicit LinedUp(Room room = {many, many}) : Window(room) {}

  Place add(const Line& line) {
    const auto place = take_place();
    const std::string text = "rcpt\t" + line.address + "\t" + line.sender;
    const auto record = line_to_rcpt(text);
    REQUIRE(record);
    Waiting& one = (*this)[place];
    one.read(text, *record);
    one.wire.address = one.rcpt.address;
    one.wire.sender = one.rcpt.sender == "-" ? "list@x.org" : one.rcpt.sender;
    one.wire.needs_smtputf8 = line.needs_smtputf8;
    one.wire.xverp = xverps.emplace_back(line.xverp);
    append(place);
    return place;
  }

  // "ann bob <sender>", or nothing.
  std::string next_ones(std::size_t limit = many, const Needs& elsewhere = {}) {
    const bool found = next(transaction, limit, elsewhere);
    CHECK(found != transaction.recipients.empty());
    if (!found) return "";
    std::string text;
    for (const Recipient& one : transaction.recipients) text.append(one.address).append(" ");
    return text.append("<").append(transaction.sender).append(">");
  }

  Transaction transaction;
  std::deque<std::string> xverps;
};

constexpr Needs smtputf8_elsewhere{.smtputf8 = true};

}  // namespace

TEST_CASE("window: recipients with senders of their own go one by one in their order") {
  LinedUp window;
  for (const auto* name : {"ann@x.org", "bob@x.org", "cy@x.org"})
    window.add({name, std::string("v+") + name});
  CHECK(window.waiting() == 3);
  CHECK(window.next_ones() == "ann@x.org <v+ann@x.org>");
  CHECK(window.next_ones() == "bob@x.org <v+bob@x.org>");
  CHECK(window.next_ones() == "cy@x.org <v+cy@x.org>");
  CHECK(window.next_ones().empty());
  CHECK(window.waiting() == 0);
  CHECK(window.in_flight() == 3);
}

TEST_CASE("window: those who share a sender go together up to the limit") {
  LinedUp window;
  for (const auto* name : {"ann@x.org", "bob@x.org", "cy@x.org"}) window.add({name});
  window.add({"dan@x.org", "v+dan@x.org"});
  window.add({"eve@x.org"});
  CHECK(window.next_ones(2) == "ann@x.org bob@x.org <list@x.org>");
  CHECK(window.next_ones(2) == "cy@x.org <list@x.org>");
  CHECK(window.next_ones(2) == "dan@x.org <v+dan@x.org>");
  CHECK(window.next_ones(2) == "eve@x.org <list@x.org>");
}

TEST_CASE("window: one sender with other parameters is another transaction") {
  LinedUp window;
  window.add({"ann@x.org"});
  window.add({.address = "bob@x.org", .needs_smtputf8 = true});
  window.add({.address = "cy@x.org", .needs_smtputf8 = true, .xverp = "+="});
  CHECK(window.next_ones() == "ann@x.org <list@x.org>");
  CHECK_FALSE(window.transaction.needs_smtputf8);
  CHECK(window.next_ones() == "bob@x.org <list@x.org>");
  CHECK(window.transaction.needs_smtputf8);
  CHECK(window.transaction.xverp.empty());
  CHECK(window.next_ones() == "cy@x.org <list@x.org>");
  CHECK(window.transaction.xverp == "+=");
}

TEST_CASE("window: a message with single transactions gives one recipient to each") {
  LinedUp window;
  window.begin(Transactions::single);
  window.add({"ann@x.org"});
  window.add({"bob@x.org"});
  CHECK(window.next_ones() == "ann@x.org <list@x.org>");
  CHECK(window.next_ones() == "bob@x.org <list@x.org>");
}

TEST_CASE("window: who comes back is offered before those who wait and counts the tries") {
  LinedUp window;
  const auto ann = window.add({"ann@x.org", "v+ann@x.org"});
  const auto bob = window.add({"bob@x.org", "v+bob@x.org"});
  window.add({"cy@x.org", "v+cy@x.org"});
  CHECK_FALSE(window.next_ones().empty());
  CHECK_FALSE(window.next_ones().empty());
  window.come_back(ann);
  window.come_back(bob);
  CHECK(window.waiting() == 3);
  CHECK(window.in_flight() == 0);
  CHECK(window[ann].tries == 1);
  CHECK(window.next_ones() == "ann@x.org <v+ann@x.org>");
  CHECK(window[ann].tries == 2);
  CHECK(window.next_ones() == "bob@x.org <v+bob@x.org>");
  CHECK(window.next_ones() == "cy@x.org <v+cy@x.org>");
}

TEST_CASE("window: whoever needs SMTPUTF8 waits for a relay that has it and holds up nobody") {
  LinedUp window;
  window.add({.address = "ann@x.org", .needs_smtputf8 = true});
  window.add({"bob@x.org"});
  window.add({.address = "cy@x.org", .needs_smtputf8 = true});
  CHECK(window.next_ones(many, smtputf8_elsewhere) == "bob@x.org <list@x.org>");
  CHECK(window.next_ones(many, smtputf8_elsewhere).empty());
  CHECK(window.waiting() == 2);
  window.add({"dan@x.org"});
  CHECK(window.next_ones() == "ann@x.org cy@x.org <list@x.org>");
  CHECK(window.next_ones() == "dan@x.org <list@x.org>");
}

TEST_CASE("window: it is full at its room and not before") {
  LinedUp window({.alone = 2, .shared = 3});
  const auto ann = window.add({"ann@x.org", "v+ann@x.org"});
  CHECK_FALSE(window.is_full());
  window.add({"bob@x.org", "v+bob@x.org"});
  CHECK(window.is_full());
  CHECK(window.next_ones() == "ann@x.org <v+ann@x.org>");
  CHECK(window.is_full());  // who is in flight takes room too
  window.settle(ann);
  CHECK_FALSE(window.is_full());
  CHECK_FALSE(window.is_empty());
}

TEST_CASE("window: there is more room for those who share a sender if they may share a message") {
  LinedUp window({.alone = 2, .shared = 3});
  window.add({"ann@x.org"});
  window.add({"bob@x.org"});
  CHECK_FALSE(window.is_full());
  window.begin(Transactions::single);
  CHECK(window.is_full());
  window.begin(Transactions::shared);
  window.add({"cy@x.org"});
  CHECK(window.is_full());
}

TEST_CASE("window: a place is used again and what was known of its last recipient is gone") {
  LinedUp window;
  const auto ann = window.add({"ann@x.org"});
  CHECK_FALSE(window.next_ones().empty());
  window[ann].slot = 7;
  window[ann].doubted = true;
  window.settle(ann);
  CHECK(window.is_empty());
  const auto bob = window.add({"bob@x.org"});
  CHECK(bob == ann);
  CHECK(window[bob].rcpt.address == "bob@x.org");
  CHECK_FALSE(window[bob].slot.has_value());
  CHECK_FALSE(window[bob].doubted);
  CHECK(window[bob].tries == 0);
  const auto dropped = window.take_place();
  CHECK(dropped != bob);
  window.drop(dropped);
  CHECK(window.take_place() == dropped);
}

TEST_CASE("window: all who wait are taken at once and those in flight are not") {
  LinedUp window;
  const auto ann = window.add({"ann@x.org", "v+ann@x.org"});
  window.add({"bob@x.org", "v+bob@x.org"});
  CHECK(window.next_ones() == "ann@x.org <v+ann@x.org>");
  CHECK(window.next_ones() == "bob@x.org <v+bob@x.org>");
  window.come_back(ann);
  const auto picky = window.add({.address = "cy@x.org", .needs_smtputf8 = true});
  CHECK(window.next_ones(many, smtputf8_elsewhere) == "ann@x.org <v+ann@x.org>");
  CHECK(window.next_ones(many, smtputf8_elsewhere).empty());  // passed over
  window.come_back(ann);
  const auto dan = window.add({"dan@x.org"});
  CHECK(window.take_all() == std::vector<Window::Place>{dan, ann, picky});
  CHECK(window.waiting() == 0);
  CHECK(window.in_flight() == 1);
  CHECK(window.next_ones().empty());
}

TEST_CASE("window: a recipient stays where it is however many follow") {
  LinedUp window;
  const auto ann = window.add({"ann@x.org", "v+ann@x.org"});
  const Waiting* const at = &window[ann];
  const std::string_view address = window[ann].wire.address;
  for (int i = 0; i < 1000; ++i) window.add({"user" + std::to_string(i) + "@x.org"});
  CHECK(&window[ann] == at);
  CHECK(address == "ann@x.org");
}

TEST_CASE("window: of those of other domains the last goes before all others") {
  LinedUp window;
  const std::vector<std::string> domains{"x.org"};
  const auto ann = window.add({"ann@x.org", "v+ann@x.org"});
  for (const char* const name : {"bob@y.org", "cy@z.org", "dan@X.org"}) {
    window.add({name, std::string("v+") + name});
  }
  CHECK(window.put_others_first(domains));
  CHECK(window.next_ones() == "cy@z.org <v+cy@z.org>");
  CHECK(window.next_ones() == "ann@x.org <v+ann@x.org>");
  window.come_back(ann);
  CHECK(window.put_others_first(domains));
  CHECK(window.next_ones() == "bob@y.org <v+bob@y.org>");
  CHECK_FALSE(window.put_others_first(domains));
  CHECK(window.next_ones() == "ann@x.org <v+ann@x.org>");
  CHECK(window.next_ones() == "dan@X.org <v+dan@X.org>");
  CHECK_FALSE(window.put_others_first(domains));
}
