#include "smtp/dialogue.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "dialogue_output.hpp"
#include "smtp/wire.hpp"

using namespace ml;

namespace {

const char* fate_name(Fate fate) {
  switch (fate) {
    case Fate::delivered: return "delivered";
    case Fate::refused: return "refused";
    case Fate::left: return "left";
    case Fate::again: return "again";
    case Fate::misunderstood: return "misunderstood";
    case Fate::unanswered: return "unanswered";
  }
  return "?";
}

struct Book : Outcomes {
  std::map<std::uint64_t, std::vector<Fate>> fates;
  std::vector<std::uint64_t> flights;
  void in_flight(std::uint64_t id) override { flights.push_back(id); }
  void settled(std::uint64_t id, Fate fate, const Reply&) override { fates[id].push_back(fate); }
};

// Long enough to be gathered, not copied.
const std::string hello_text = "Subject: hello\n\n.Hello.\n" + std::string(300, 'o') + "\n";
const std::string hello_wire = text_to_wire(hello_text, Dots::doubled);
const WireMessage hello{{hello_wire}, hello_wire.size(), false};

// A talk by script. Transactions are given whenever the dialogue wants one; each is
// {sender, recipient...}; recipients are numbered from 0.
struct Talk {
  explicit Talk(std::vector<std::vector<std::string>> transactions_in, Dialogue::Manner manner = {})
      : transactions(std::move(transactions_in)), dialogue(with_name(std::move(manner)), book) {}

  static Dialogue::Manner with_name(Dialogue::Manner manner) {
    manner.hello = "me.test";
    return manner;
  }

  // The relay says this, in pieces; what we wrote then.
  std::string hears(std::string_view octets, std::size_t piece = 1000) {
    std::string wrote;
    while (!octets.empty()) {
      dialogue.hear(octets.substr(0, piece));
      octets.remove_prefix(std::min(piece, octets.size()));
      offer();
      wrote += flush(dialogue);
    }
    return wrote;
  }

  void offer() {
    while (dialogue.wants() && next < transactions.size()) {
      Transaction transaction;
      transaction.sender = transactions[next][0];
      transaction.message = message;
      for (std::size_t i = 1; i < transactions[next].size(); ++i) {
        transaction.recipients.push_back({recipients++, transactions[next][i]});
      }
      transaction.lockstep = next == lockstep;
      ++next;
      dialogue.give(transaction);
    }
    if (next == transactions.size()) dialogue.finish();
  }

  // "delivered refused ...", by recipient.
  std::string fates() const {
    std::string text;
    for (const auto& [id, fate] : book.fates) {
      if (fate.size() != 1) return "settled twice";
      text += (text.empty() ? "" : " ") + std::string(fate_name(fate[0]));
    }
    return text;
  }

  std::vector<std::vector<std::string>> transactions;
  const WireMessage* message = &hello;
  std::size_t next = 0;
  std::size_t lockstep = SIZE_MAX;  // this one of the transactions
  std::uint64_t recipients = 0;
  Book book;
  Dialogue dialogue;
};

const std::string ehlo = "250-relay\r\n250 PIPELINING\r\n";
const std::string body = hello_wire + ".\r\n";
const std::string ann_group = "MAIL FROM:<s+ann@x.org>\r\nRCPT TO:<ann@x.org>\r\nDATA\r\n";
const std::string bob_group = "MAIL FROM:<s+bob@x.org>\r\nRCPT TO:<bob@x.org>\r\nDATA\r\n";
const std::vector<std::vector<std::string>> ann_and_bob{{"s+ann@x.org", "ann@x.org"},
                                                        {"s+bob@x.org", "bob@x.org"}};

}  // namespace

TEST_CASE("dialogue: the next group goes out behind the dot in one write") {
  Talk talk(ann_and_bob);
  CHECK(talk.hears("220 relay\r\n") == "EHLO me.test\r\n");
  CHECK(talk.hears(ehlo) == ann_group);
  CHECK(talk.hears("250 ok\r\n250 ok\r\n") == "");
  CHECK(talk.hears("354 go\r\n") == body + bob_group);
  CHECK(talk.hears("250 taken\r\n250 ok\r\n250 ok\r\n354 go\r\n") == body);
  CHECK(talk.hears("250 taken\r\n") == "QUIT\r\n");
  CHECK_FALSE(talk.dialogue.over());
  CHECK(talk.hears("221 bye\r\n") == "");
  CHECK(talk.dialogue.parting() == Parting::quit);
  CHECK(talk.fates() == "delivered delivered");
}

TEST_CASE("dialogue: without PIPELINING every command waits for its reply") {
  Talk talk(ann_and_bob);
  CHECK(talk.hears("220 relay\r\n") == "EHLO me.test\r\n");
  CHECK(talk.hears("250 relay\r\n") == "MAIL FROM:<s+ann@x.org>\r\n");
  CHECK(talk.hears("250 ok\r\n") == "RCPT TO:<ann@x.org>\r\n");
  CHECK(talk.hears("250 ok\r\n") == "DATA\r\n");
  CHECK(talk.hears("354 go\r\n") == body);
  CHECK(talk.hears("250 ok\r\n") == "MAIL FROM:<s+bob@x.org>\r\n");
  CHECK(talk.hears("250 ok\r\n") == "RCPT TO:<bob@x.org>\r\n");
  CHECK(talk.hears("550 5.1.1 no\r\n") == "QUIT\r\n");
  CHECK(talk.fates() == "delivered refused");
}

TEST_CASE("dialogue: an old relay is greeted with HELO") {
  Talk talk(ann_and_bob);
  talk.hears("220 relay\r\n");
  CHECK(talk.hears("502 what\r\n") == "HELO me.test\r\n");
  CHECK(talk.hears("250 relay\r\n") == "MAIL FROM:<s+ann@x.org>\r\n");
}

TEST_CASE("dialogue: replies cut at every octet change nothing") {
  const std::string all = "220 relay\r\n" + ehlo +
                          "250 ok\r\n550-5.1.1 no\r\n550 5.1.1 such user\r\n554 nobody\r\n" +
                          "250 reset\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n221 bye\r\n";
  std::set<std::string> wrote;
  for (std::size_t piece = 1; piece <= 9; ++piece) {
    Talk talk(ann_and_bob);
    // A relay speaks only when it has heard, so each reply goes in by itself.
    std::string octets;
    for (std::string_view rest = all; !rest.empty();) {
      const auto end = rest.find("\r\n") + 2;
      octets += talk.hears(rest.substr(0, end), piece);
      rest.remove_prefix(end);
    }
    CHECK(talk.fates() == "refused delivered");
    CHECK(talk.dialogue.parting() == Parting::quit);
    wrote.insert(octets);
  }
  CHECK(wrote.size() == 1);
}

TEST_CASE("dialogue: after a DATA not answered 354 the next group begins with RSET") {
  Talk talk(ann_and_bob);
  talk.hears("220 relay\r\n");
  talk.hears(ehlo);
  CHECK(talk.hears("250 ok\r\n550 5.1.1 no\r\n554 nobody\r\n") == "RSET\r\n" + bob_group);
  CHECK(talk.hears("250 reset\r\n250 ok\r\n250 ok\r\n354 go\r\n") == body);
  talk.hears("250 taken\r\n221 bye\r\n");
  CHECK(talk.fates() == "refused delivered");
}

TEST_CASE("dialogue: 354 behind a refused MAIL closes without the dot") {
  Talk talk(ann_and_bob);
  talk.hears("220 relay\r\n");
  talk.hears(ehlo);
  CHECK(talk.hears("550 5.7.1 not you\r\n503 no MAIL\r\n354 go\r\n") == "");
  CHECK(talk.dialogue.parting() == Parting::fault);
  CHECK(talk.fates() == "left");
}

TEST_CASE("dialogue: 354 with no recipient gets a lone dot and counts nobody") {
  Talk talk(ann_and_bob);
  talk.hears("220 relay\r\n");
  talk.hears(ehlo);
  CHECK(talk.hears("250 ok\r\n550 5.1.1 no\r\n354 go\r\n") == ".\r\n" + bob_group);
  CHECK(talk.hears("554 to whom\r\n250 ok\r\n250 ok\r\n354 go\r\n") == body);
  talk.hears("250 taken\r\n221 bye\r\n");
  CHECK(talk.fates() == "refused delivered");
  CHECK(talk.dialogue.messages() == 1);
}

TEST_CASE("dialogue: LMTP has no lone dot and closes") {
  Talk talk(ann_and_bob, {.protocol = Protocol::lmtp});
  CHECK(talk.hears("220 relay\r\n") == "LHLO me.test\r\n");
  talk.hears(ehlo);
  CHECK(talk.hears("250 ok\r\n550 5.1.1 no\r\n354 go\r\n") == "");
  CHECK(talk.dialogue.parting() == Parting::fault);
}

TEST_CASE("dialogue: LMTP has a reply for each accepted recipient in order") {
  Talk talk({{"s@x.org", "a@x.org", "b@x.org", "c@x.org", "d@x.org"}},
            {.protocol = Protocol::lmtp});
  talk.hears("220 relay\r\n");
  talk.hears(ehlo);
  CHECK(talk.hears("250 ok\r\n250 a\r\n550 b\r\n250 c\r\n250 d\r\n354 go\r\n") == body);
  CHECK(talk.hears("250 a\r\n550 5.2.1 c\r\n") == "");
  CHECK(talk.hears("452 4.2.2 d\r\n") == "QUIT\r\n");
  CHECK(talk.fates() == "delivered refused refused left");
}

TEST_CASE("dialogue: an LMTP reply about one recipient says nothing of those behind it") {
  for (const char* last : {"421 4.3.2 closing\r\n", "500 what\r\n"}) {
    Talk talk({{"s@x.org", "a@x.org", "b@x.org", "c@x.org"}}, {.protocol = Protocol::lmtp});
    talk.hears("220 relay\r\n");
    talk.hears(ehlo);
    talk.hears("250 ok\r\n250 a\r\n250 b\r\n250 c\r\n354 go\r\n");
    talk.hears("250 a\r\n");
    talk.hears(last);
    CHECK_FALSE(talk.dialogue.over());
    const std::string before = *last == '4' ? "delivered again " : "delivered misunderstood ";
    SECTION("it closes") {
      talk.dialogue.broke_off("closed");
      CHECK(talk.fates() == before + "unanswered");
    }
    SECTION("it goes on") {
      talk.hears("250 c\r\n");
      CHECK(talk.dialogue.parting() == (*last == '4' ? Parting::busy : Parting::fault));
      CHECK(talk.fates() == before + "delivered");
    }
  }
}

TEST_CASE("dialogue: a connection lost before the dot was written leaves nobody in doubt") {
  Talk talk(ann_and_bob);
  talk.hears("220 relay\r\n");
  talk.hears(ehlo);
  talk.dialogue.hear("250 ok\r\n250 ok\r\n354 go\r\n");
  std::array<iovec, 1> room{};
  REQUIRE(talk.dialogue.gather(room) == 1);
  talk.dialogue.wrote(room[0].iov_len);  // the message; its dot is still here
  talk.dialogue.broke_off("reset by peer");
  CHECK(talk.fates() == "again");
  CHECK(talk.dialogue.parting() == Parting::lost);
}

TEST_CASE("dialogue: a connection lost behind the dot leaves its recipients unanswered") {
  Talk talk(ann_and_bob);
  talk.hears("220 relay\r\n");
  talk.hears(ehlo);
  talk.hears("250 ok\r\n250 ok\r\n354 go\r\n");
  talk.dialogue.broke_off("reset by peer");
  CHECK(talk.fates() == "unanswered again");
}

TEST_CASE("dialogue: a 250 before the message is written is not believed") {
  Talk talk(ann_and_bob);
  talk.hears("220 relay\r\n");
  talk.hears(ehlo);
  talk.dialogue.hear("250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n");
  CHECK(talk.dialogue.parting() == Parting::fault);
  CHECK(talk.fates() == "again");
}

TEST_CASE("dialogue: a reply that nothing asked for ends it") {
  Talk lone(ann_and_bob);
  lone.dialogue.hear("220 relay\r\n");
  flush(lone.dialogue);
  lone.dialogue.hear("250 relay\r\n250 and more\r\n");
  CHECK(lone.dialogue.parting() == Parting::fault);
}

TEST_CASE("dialogue: too many recipients send what was taken and teach the limit") {
  Talk talk({{"s@x.org", "a@x.org", "b@x.org", "c@x.org"}});
  talk.hears("220 relay\r\n");
  talk.hears(ehlo);
  CHECK(talk.hears("250 ok\r\n250 a\r\n250 b\r\n452 4.5.3 many\r\n354 go\r\n") == body);
  talk.hears("250 taken\r\n");
  CHECK(talk.fates() == "delivered delivered again");
  CHECK(talk.dialogue.recipient_limit() == 2);
}

TEST_CASE("dialogue: too many messages end the connection politely and lose nobody") {
  Talk talk(ann_and_bob);
  talk.hears("220 relay\r\n");
  talk.hears(ehlo);
  talk.hears("250 ok\r\n250 ok\r\n354 go\r\n");
  CHECK(talk.hears("250 taken\r\n452 4.5.3 enough\r\n503 no\r\n503 no\r\n") == "QUIT\r\n");
  talk.hears("221 bye\r\n");
  CHECK(talk.dialogue.parting() == Parting::full);
  CHECK(talk.fates() == "delivered again");
}

const std::string chunking = "250-relay\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
const std::string chunk = "BDAT " + std::to_string(hello_wire.size()) + " LAST\r\n" + hello_wire;

std::string bdat_group(const std::string& who, bool reset) {
  return (reset ? "RSET\r\n" : "") + ("MAIL FROM:<" + who + ">\r\nRCPT TO:<" + who + ">\r\n") +
         chunk;
}

const std::vector<std::vector<std::string>> four{
    {"a@x.org", "a@x.org"}, {"b@x.org", "b@x.org"}, {"c@x.org", "c@x.org"}, {"d@x.org", "d@x.org"}};

TEST_CASE("dialogue: with CHUNKING the first message goes alone and then a window of them") {
  Talk talk(four, {.window = 3});
  talk.hears("220 relay\r\n");
  CHECK(talk.hears(chunking) == bdat_group("a@x.org", false));
  CHECK(talk.hears("250 ok\r\n250 ok\r\n250 taken\r\n") ==
        bdat_group("b@x.org", false) + bdat_group("c@x.org", true) + bdat_group("d@x.org", true));
  CHECK(talk.hears("250 ok\r\n250 ok\r\n250 taken\r\n250 reset\r\n250 ok\r\n250 ok\r\n250 taken\r\n"
                   "250 reset\r\n250 ok\r\n250 ok\r\n250 taken\r\n") == "QUIT\r\n");
  CHECK(talk.fates() == "delivered delivered delivered delivered");
}

TEST_CASE("dialogue: a refused recipient of a chunk counts nobody and its neighbours keep theirs") {
  Talk talk(four, {.window = 3});
  talk.hears("220 relay\r\n");
  talk.hears(chunking);
  talk.hears("250 ok\r\n250 ok\r\n250 taken\r\n");
  talk.hears("250 ok\r\n550 5.1.1 no\r\n554 5.5.1 to whom\r\n");
  talk.hears("250 reset\r\n550 5.7.1 not you\r\n503 no\r\n503 no\r\n");
  talk.hears("250 reset\r\n250 ok\r\n250 ok\r\n250 taken\r\n");
  CHECK(talk.fates() == "delivered refused left delivered");
}

TEST_CASE("dialogue: 421 with chunks on their way is heard out") {
  const auto upto_421 = [](Talk& talk) {
    talk.hears("220 relay\r\n");
    talk.hears(chunking);
    talk.hears("250 ok\r\n250 ok\r\n250 taken\r\n");
    talk.hears("421 4.3.2 closing\r\n");
    CHECK_FALSE(talk.dialogue.over());
  };
  Talk closed(four, {.window = 3});
  upto_421(closed);
  closed.dialogue.broke_off("closed");
  CHECK(closed.dialogue.parting() == Parting::busy);
  CHECK(closed.fates() == "delivered again again again");

  Talk goes_on(four, {.window = 3});
  upto_421(goes_on);
  goes_on.hears("503 no\r\n503 no\r\n250 reset\r\n250 ok\r\n250 ok\r\n250 taken\r\n");
  goes_on.dialogue.broke_off("closed");
  CHECK(goes_on.fates() == "delivered again delivered again");

  Talk silent(four, {.window = 3});
  upto_421(silent);
  silent.dialogue.broke_off("time is up", Dialogue::Break::silent);
  CHECK(silent.fates() == "delivered again unanswered unanswered");
}

namespace {

// Four messages on their way, the first of them taken; the others wholly written.
Talk talk_of_four(std::vector<std::vector<std::string>> transactions = four) {
  Talk talk(std::move(transactions), {.window = 3});
  talk.hears("220 relay\r\n");
  talk.hears(chunking);
  talk.hears("250 ok\r\n250 ok\r\n250 taken\r\n");
  return talk;
}
const std::string taken_group = "250 reset\r\n250 ok\r\n250 ok\r\n250 taken\r\n";

}  // namespace

TEST_CASE("dialogue: a command of a chunk not understood is heard out") {
  const std::string said =
      GENERATE("250 ok\r\n504 what\r\n554 to whom\r\n", "501 what\r\n503 no\r\n503 no\r\n",
               "250 ok\r\n250 ok\r\n500 what\r\n");
  for (const std::size_t piece : {1U, 7U, 1000U}) {
    INFO(said);
    Talk talk = talk_of_four();
    CHECK(talk.hears(said, piece) == "");
    CHECK_FALSE(talk.dialogue.over());
    CHECK_FALSE(talk.dialogue.leaving());  // its deadlines are the usual ones
    talk.hears(taken_group, piece);
    CHECK_FALSE(talk.dialogue.over());
    CHECK(talk.hears(taken_group, piece) == "");
    CHECK(talk.dialogue.parting() == Parting::fault);
    CHECK(talk.fates() == "delivered misunderstood delivered delivered");
  }
}

TEST_CASE("dialogue: one who is not understood costs the others of the transaction nothing") {
  Talk talk = talk_of_four(
      {{"s@x.org", "a@x.org"}, {"s@x.org", "b@x.org", "c@x.org", "d@x.org"}, {"s@x.org", "e@x"}});
  CHECK(talk.hears("250 ok\r\n250 b\r\n504 c\r\n250 d\r\n250 taken\r\n" + taken_group) == "");
  CHECK(talk.dialogue.parting() == Parting::fault);
  CHECK(talk.fates() == "delivered delivered misunderstood delivered delivered");
}

TEST_CASE(
    "dialogue: heard out what is not answered is unanswered unless the relay said it closes") {
  const std::string bad = "250 ok\r\n504 what\r\n554 to whom\r\n";
  for (const auto how : {Dialogue::Break::closed, Dialogue::Break::silent}) {
    Talk lost = talk_of_four();
    lost.hears(bad + taken_group);
    lost.dialogue.broke_off("gone", how);
    CHECK(lost.dialogue.parting() == Parting::fault);
    CHECK(lost.fates() == "delivered misunderstood delivered unanswered");
  }
  Talk closed = talk_of_four();
  closed.hears(bad + "250 reset\r\n421 4.7.0 too many errors\r\n");
  CHECK(closed.dialogue.leaving());
  closed.dialogue.broke_off("closed");
  CHECK(closed.dialogue.parting() == Parting::fault);
  CHECK(closed.fates() == "delivered misunderstood again again");

  Talk busy = talk_of_four();
  busy.hears("421 4.3.2 closing\r\n503 no\r\n503 no\r\n250 reset\r\n250 ok\r\n501 what\r\n");
  busy.hears("554 to whom\r\n" + taken_group);
  CHECK(busy.dialogue.parting() == Parting::busy);
  CHECK(busy.fates() == "delivered again misunderstood delivered");
}

TEST_CASE("dialogue: heard out what is not wholly written is given up and not waited for") {
  for (const char* bad :
       {"250 ok\r\n504 what\r\n554 to whom\r\n", "421 closing\r\n503 no\r\n503 no\r\n"}) {
    Talk talk(four, {.window = 3});
    talk.hears("220 relay\r\n");
    talk.hears(chunking);
    talk.dialogue.hear("250 ok\r\n250 ok\r\n250 taken\r\n");
    talk.offer();
    const std::string whole = bdat_group("b@x.org", false) + bdat_group("c@x.org", true);
    talk.dialogue.wrote(whole.size() + 100);
    talk.dialogue.hear(bad);
    CHECK_FALSE(talk.dialogue.has_output());
    talk.dialogue.hear(taken_group);
    CHECK(talk.dialogue.over());
    const std::string b = *bad == '4' ? "again" : "misunderstood";
    CHECK(talk.fates() == "delivered " + b + " delivered again");
  }
}

TEST_CASE("dialogue: a message taken whose MAIL was not understood may be anybody's") {
  Talk talk = talk_of_four();
  talk.hears("503 nested MAIL\r\n250 ok\r\n250 taken\r\n" + taken_group + taken_group);
  CHECK(talk.dialogue.parting() == Parting::fault);
  CHECK(talk.fates() == "delivered unanswered delivered delivered");
}

TEST_CASE("dialogue: behind a RSET that is refused nothing is believed") {
  Talk talk = talk_of_four();
  talk.hears("250 ok\r\n250 ok\r\n250 taken\r\n502 no RSET here\r\n" + taken_group);
  CHECK(talk.dialogue.parting() == Parting::fault);
  CHECK(talk.fates() == "delivered delivered unanswered unanswered");
}

TEST_CASE("dialogue: a reply that proves whom it is about is theirs at once") {
  for (const std::string& extensions : {ehlo, chunking}) {
    for (const char* said : {"504 5.5.2 <b@x.org>: need a full name\r\n", "501 5.1.3 syntax\r\n",
                             "501 TO:<b@x.org>: malformed\r\n"}) {
      INFO(said);
      Talk talk({{"s@x.org", "a@x.org", "b@x.org", "c@x.org"}, {"s@x.org", "d@x.org"}});
      talk.hears("220 relay\r\n");
      talk.hears(extensions);
      const bool chunks = extensions == chunking;
      talk.hears("250 ok\r\n250 a\r\n" + std::string(said) + "250 c\r\n");
      talk.hears(chunks ? "250 taken\r\n" : "354 go\r\n");
      if (!chunks) talk.hears("250 taken\r\n");
      talk.hears(chunks ? "250 ok\r\n250 ok\r\n250 taken\r\n" : "250 ok\r\n250 ok\r\n354 go\r\n");
      if (!chunks) talk.hears("250 taken\r\n");
      talk.hears("221 bye\r\n");
      CHECK(talk.dialogue.parting() == Parting::quit);
      CHECK(talk.fates() == "delivered left delivered delivered");
    }
    for (const char* said : {"504 5.5.2 <bb@x.org>: need a full name\r\n", "501 syntax\r\n",
                             "500 5.1.3 <b@x.org>\r\n", "503 5.1.3 <b@x.org>\r\n"}) {
      INFO(said);
      Talk talk({{"s@x.org", "a@x.org", "b@x.org"}});
      talk.hears("220 relay\r\n");
      talk.hears(extensions);
      talk.hears("250 ok\r\n250 a\r\n" + std::string(said));
      if (extensions == chunking) talk.hears("250 taken\r\n");
      CHECK(talk.dialogue.parting() == Parting::fault);
      CHECK(talk.fates() ==
            (extensions == chunking ? "delivered misunderstood" : "again misunderstood"));
    }
  }
}

TEST_CASE(
    "dialogue: whoever was not understood is asked for step by step and the next sent ahead") {
  Talk talk(four, {.window = 3});
  talk.lockstep = 2;
  talk.hears("220 relay\r\n");
  talk.hears(chunking);
  const std::string reply = "250 ok\r\n";
  CHECK(talk.hears(reply + reply + "250 taken\r\n") == bdat_group("b@x.org", false));
  CHECK(talk.hears(reply + reply + "250 taken\r\n") == "RSET\r\n");
  CHECK(talk.hears(reply) == "MAIL FROM:<c@x.org>\r\n");
  CHECK(talk.hears(reply) == "RCPT TO:<c@x.org>\r\n");
  CHECK(talk.hears("504 what\r\n") == "RSET\r\n" + bdat_group("d@x.org", false));
  CHECK(talk.hears(taken_group) == "QUIT\r\n");
  CHECK(talk.fates() == "delivered delivered left delivered");
}

TEST_CASE(
    "dialogue: where the relay ended the last connection the next message goes step by step") {
  Talk talk(four, {.wary_after = 2});
  talk.hears("220 relay\r\n");
  const std::string taken = "250 ok\r\n250 ok\r\n250 taken\r\n";
  CHECK(talk.hears(chunking) == bdat_group("a@x.org", false));
  CHECK(talk.hears(taken) == bdat_group("b@x.org", false));  // and no third behind it
  CHECK(talk.hears(taken) == "MAIL FROM:<c@x.org>\r\n");
  SECTION("it ends there again") {
    talk.dialogue.broke_off("closed");
    CHECK(talk.fates() == "delivered delivered again");
  }
  SECTION("it goes on") {
    CHECK(talk.hears("250 ok\r\n") == "RCPT TO:<c@x.org>\r\n");
    CHECK(talk.hears("250 ok\r\n") == chunk);
    CHECK(talk.hears("250 taken\r\n") == bdat_group("d@x.org", false));
  }
}

TEST_CASE("dialogue: of messages to many two are on their way and no more") {
  std::vector<std::string> many{"s@x.org"};
  many.resize(201, "a@x.org");
  Talk talk({{"s@x.org", "a@x.org"}, many, many, many}, {.window = 4});
  talk.hears("220 relay\r\n");
  talk.hears(chunking);
  talk.hears("250 ok\r\n250 ok\r\n250 taken\r\n");
  CHECK(talk.next == 3);
  std::string replies = "250 ok\r\n";
  for (int i = 0; i < 200; ++i) replies += "250 ok\r\n";
  talk.hears(replies + "250 taken\r\n");
  CHECK(talk.next == 4);
}

TEST_CASE("dialogue: a chunk lost before its last octet was written leaves nobody in doubt") {
  Talk talk(four, {.window = 3});
  talk.hears("220 relay\r\n");
  talk.dialogue.hear(chunking);
  talk.offer();
  std::array<iovec, 8> room{};
  const std::size_t count = talk.dialogue.gather(room);
  std::size_t octets = 0;
  for (std::size_t i = 0; i < count; ++i) octets += room[i].iov_len;
  talk.dialogue.wrote(octets - 1);
  talk.dialogue.broke_off("reset by peer");
  CHECK(talk.fates() == "again");
}

TEST_CASE("dialogue: the rest of a refused recipient's message goes out as it was") {
  std::string octets = hello_wire;
  const WireMessage letter{{octets}, octets.size(), false};
  Talk talk({{"a@x.org", "a@x.org"}, {"b@x.org", "b@x.org"}});
  talk.message = &letter;
  talk.hears("220 relay\r\n");
  talk.dialogue.hear(chunking);
  talk.offer();
  const std::string whole = bdat_group("a@x.org", false);
  talk.dialogue.wrote(whole.size() - 10);
  talk.dialogue.hear("250 ok\r\n550 5.1.1 no\r\n");
  CHECK(talk.fates() == "refused");
  std::ranges::fill(octets, '!');  // its owner's again
  CHECK(flush(talk.dialogue) == whole.substr(whole.size() - 10));
  octets = hello_wire;
  CHECK(talk.hears("554 5.5.1 to whom\r\n") == bdat_group("b@x.org", true));
}

TEST_CASE("dialogue: whoever may get the message is in flight before its end is written") {
  for (const std::string& extensions : {ehlo, chunking}) {
    Talk talk({{"s@x.org", "a@x.org", "b@x.org"}});
    talk.hears("220 relay\r\n");
    talk.hears(extensions);
    CHECK(talk.book.flights.size() == (extensions == ehlo ? 0 : 2));
    talk.hears("250 ok\r\n250 a\r\n550 5.1.1 no\r\n");
    if (extensions == ehlo) {
      talk.dialogue.hear("354 go\r\n");
      CHECK(talk.book.flights == std::vector<std::uint64_t>{0});
    }
  }
}

TEST_CASE("dialogue: a connection is left after the messages agreed on") {
  Talk talk(ann_and_bob, {.messages = 1});
  talk.hears("220 relay\r\n");
  talk.hears(ehlo);
  CHECK(talk.hears("250 ok\r\n250 ok\r\n354 go\r\n") == body);
  CHECK(talk.hears("250 taken\r\n") == "QUIT\r\n");
  CHECK(talk.next == 1);
}

TEST_CASE("dialogue: after a fault the first messages go in lockstep and then no more") {
  Talk talk({{"a@x.org", "a@x.org"}, {"b@x.org", "b@x.org"}}, {.lockstep_messages = 1});
  talk.hears("220 relay\r\n");
  CHECK(talk.hears(ehlo) == "MAIL FROM:<a@x.org>\r\n");
  CHECK(talk.hears("250 ok\r\n") == "RCPT TO:<a@x.org>\r\n");
  CHECK(talk.hears("501 5.1.3 syntax\r\n") ==
        "RSET\r\nMAIL FROM:<b@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n");
  CHECK(talk.fates() == "left");
}

TEST_CASE("dialogue: an extension is used only where it is announced and needed") {
  const WireMessage eight{{hello_wire}, hello_wire.size(), true};
  const std::string rich =
      "250-relay\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n";
  Talk talk(ann_and_bob);
  talk.message = &eight;
  talk.hears("220 relay\r\n");
  CHECK(talk.hears(rich).starts_with(
      "MAIL FROM:<s+ann@x.org> SIZE=" + std::to_string(hello_wire.size()) + " BODY=8BITMIME\r\n"));

  Talk poor(ann_and_bob);
  poor.message = &eight;
  poor.hears("220 relay\r\n");
  CHECK(poor.hears(ehlo) == "QUIT\r\n");
  CHECK(poor.fates() == "left left");

  const WireMessage large{{hello_wire}, 1001, false};
  Talk small(ann_and_bob);
  small.message = &large;
  small.hears("220 relay\r\n");
  CHECK(small.hears(rich) == "QUIT\r\n");
  CHECK(small.fates() == "left left");
}

TEST_CASE("dialogue: garbage or 421 at any place settles everybody and delivers nobody twice") {
  const std::vector<std::string> replies{
      "220 relay\r\n", ehlo,         "250 ok\r\n", "250 ok\r\n", "354 go\r\n",
      "250 taken\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 taken\r\n"};
  for (const bool pipelined : {true, false}) {
    for (const std::string bad : {"garbage\r\n", "421 4.3.2 busy\r\n", "303 what\r\n"}) {
      for (std::size_t at = 0; at < replies.size(); ++at) {
        Talk talk(ann_and_bob);
        for (std::size_t i = 0; i < at; ++i) {
          talk.hears(i == 1 && !pipelined ? "250 relay\r\n" : replies[i]);
        }
        talk.hears(bad);
        CHECK(talk.dialogue.over());
        CHECK(talk.fates() != "settled twice");
        CHECK(talk.book.fates.size() == talk.recipients);
        const bool ann_taken = at > 5;
        const bool ann_has =
            talk.book.fates.contains(0) && talk.book.fates[0][0] == Fate::delivered;
        CHECK(ann_taken == ann_has);
      }
    }
  }
}

namespace {

// A relay that keeps RFC 5321's transaction state and fails at random, as relays do: it answers
// what it likes, forgets to close a transaction, drops the connection. It never lies about what
// it has taken.
class ModelRelay {
 public:
  struct Temper {
    bool lmtp = false;
    bool pipelining = true;
    bool chunking = false;
    bool always_354 = false;
    unsigned trouble = 10;  // percent of replies
  };

  ModelRelay(Temper temper, std::mt19937& random, std::multimap<std::string, std::string>& taken,
             std::set<std::string>& refused)
      : temper_(temper), random_(random), taken_(taken), refused_(refused) {
    out = "220 model\r\n";
  }

  std::string out;
  bool closed = false;
  bool violated = false;

  void hear(std::string_view octets) {
    in_.append(octets);
    for (;;) {
      if (chunk_) {
        if (closed || in_.size() < *chunk_) return;
        in_.erase(0, *std::exchange(chunk_, {}));
        dot();
        continue;
      }
      const auto end = in_.find(in_data_ ? "\r\n.\r\n" : "\r\n");
      if (in_data_ && in_.starts_with(".\r\n")) {
        in_.erase(0, 3);
        dot();
        continue;
      }
      if (end == std::string::npos || closed) return;
      const std::string line = in_.substr(0, end);
      in_.erase(0, end + (in_data_ ? 5 : 2));
      if (in_data_) {
        dot();
      } else {
        command(line);
      }
    }
  }

 private:
  static std::string path(const std::string& line) {
    const auto open = line.find('<');
    return line.substr(open + 1, line.find('>') - open - 1);
  }

  bool trouble() { return random_() % 100 < temper_.trouble; }

  // Says `usual`, or something else; true if it was `usual`.
  bool say_or(const std::string& usual, std::vector<std::string> others) {
    if (!trouble()) {
      out += usual + "\r\n";
      return true;
    }
    others.insert(others.end(),
                  {"421 4.3.2 busy", "500 5.5.2 what", "501 5.1.3 what", "nonsense", ""});
    const std::string& other = others[random_() % others.size()];
    if (other.empty()) {
      closed = true;
    } else {
      out += other + "\r\n";
      last_ = other;
      if (other.starts_with("421")) closed = true;
    }
    return false;
  }

  void command(const std::string& line) {
    if (line.starts_with("EHLO") || line.starts_with("LHLO")) {
      if (temper_.pipelining) out += "250-model\r\n250-PIPELINING\r\n";
      out += temper_.chunking ? "250 CHUNKING\r\n" : "250 HELP\r\n";
    } else if (line.starts_with("MAIL")) {
      if (open_) {
        out += "503 5.5.1 nested MAIL\r\n";
        violated = true;
        return;
      }
      recipients_.clear();
      open_ = say_or("250 ok", {"451 4.3.0 later", "452 4.5.3 enough", "550 5.7.1 not you"});
      sender_ = path(line);
    } else if (line.starts_with("RCPT")) {
      if (!open_) {
        out += "503 5.5.1 no MAIL\r\n";
      } else if (say_or("250 ok", {"550 5.1.1 no", "450 4.2.0 later", "452 4.5.3 too many",
                                   "554 5.7.1 no"})) {
        recipients_.push_back(path(line));
      } else if (last_.starts_with("550")) {
        refused_.insert(path(line));
      }
    } else if (line == "DATA") {
      const bool can = open_ && !recipients_.empty();
      if (!can && !temper_.always_354) {
        out += open_ ? "554 5.5.1 nobody\r\n" : "503 5.5.1 no MAIL\r\n";
      } else {
        in_data_ = say_or("354 go", {"451 4.3.0 later", "554 5.3.0 no"});
      }
    } else if (line.starts_with("BDAT ") && line.ends_with(" LAST")) {
      chunk_ = std::stoul(line.substr(5));
    } else if (line == "RSET") {
      open_ = false;
      recipients_.clear();
      out += "250 reset\r\n";
    } else if (line == "QUIT") {
      out += "221 bye\r\n";
      closed = true;
    } else {
      violated = true;
    }
  }

  void dot() {
    in_data_ = false;
    const std::vector<std::string> all = recipients_;
    const bool was_open = open_;
    open_ = false;
    recipients_.clear();
    if (!was_open || all.empty()) {
      out += "554 5.5.1 to whom\r\n";
      return;
    }
    if (trouble() && trouble()) {  // taken and gone without a word
      for (const std::string& one : all) taken_.emplace(one, sender_);
      closed = true;
      return;
    }
    if (!temper_.lmtp) {
      if (!say_or("250 taken", {"451 4.3.0 later", "550 5.7.1 spam", "550 5.1.1 x"})) return;
      for (const std::string& one : all) taken_.emplace(one, sender_);
      return;
    }
    for (const std::string& one : all) {
      if (closed) return;
      if (say_or("250 taken", {"451 4.3.0 later", "550 5.7.1 spam", "550 5.1.1 no"})) {
        taken_.emplace(one, sender_);
      } else if (last_ == "550 5.1.1 no") {
        refused_.insert(one);
      }
    }
  }

  Temper temper_;
  std::mt19937& random_;
  std::multimap<std::string, std::string>& taken_;
  std::set<std::string>& refused_;
  std::string in_;
  std::string last_;
  std::string sender_;
  std::vector<std::string> recipients_;
  std::optional<std::size_t> chunk_;
  bool open_ = false;
  bool in_data_ = false;
};

// One run of some recipients against such a relay; everything a run must keep is checked.
void run_against_model(unsigned seed, ModelRelay::Temper temper) {
  std::mt19937 random(seed);
  constexpr std::size_t count = 12;
  const std::size_t group = 1 + random() % 4;
  std::vector<std::string> addresses;
  std::vector<std::string> senders;
  for (std::size_t i = 0; i < count; ++i) {
    addresses.push_back("r" + std::to_string(i) + "@x.org");
    senders.push_back("s" + std::to_string(i / group) + "@x.org");
  }
  std::multimap<std::string, std::string> taken;
  std::set<std::string> refused;
  std::deque<std::size_t> pending;
  for (std::size_t i = 0; i < count; ++i) pending.push_back(i);
  std::vector<std::size_t> doubts(count);
  std::vector<Fate> fates(count, Fate::again);
  bool lockstep = false;

  for (int connection = 0; connection < 60 && !pending.empty(); ++connection) {
    Book book;
    ModelRelay relay(temper, random, taken, refused);
    Dialogue dialogue({.protocol = temper.lmtp ? Protocol::lmtp : Protocol::smtp,
                       .hello = "me.test",
                       .messages = temper.chunking ? 9U : 4U,
                       .lockstep_messages = lockstep ? 2U : 0U,
                       .window = 4},
                      book);
    std::set<std::size_t> given;
    for (;;) {
      while (dialogue.wants() && !pending.empty()) {
        Transaction transaction;
        transaction.sender = senders[pending.front()];
        transaction.message = &hello;
        transaction.lockstep = fates[pending.front()] == Fate::misunderstood;
        while (!pending.empty() && senders[pending.front()] == transaction.sender &&
               (fates[pending.front()] == Fate::misunderstood) == transaction.lockstep) {
          transaction.recipients.push_back({pending.front(), addresses[pending.front()]});
          given.insert(pending.front());
          pending.pop_front();
        }
        dialogue.give(transaction);
      }
      if (pending.empty()) dialogue.finish();
      const std::string octets = flush(dialogue);
      for (std::size_t at = 0; at < octets.size(); at += 17) {
        relay.hear(std::string_view(octets).substr(at, 17));
      }
      const std::string said = std::exchange(relay.out, {});
      for (std::size_t at = 0; at < said.size();) {
        const std::size_t piece = 1 + random() % 20;
        dialogue.hear(std::string_view(said).substr(at, piece));
        at += piece;
      }
      if (dialogue.over()) break;
      if (!said.empty() || dialogue.has_output()) continue;
      if (!relay.closed) FAIL("the talk has come to a halt, seed " << seed);
      dialogue.broke_off("closed");
    }
    CHECK_FALSE(relay.violated);
    lockstep = dialogue.parting() == Parting::fault;
    for (const std::size_t id : given) {
      REQUIRE(book.fates[id].size() == 1);
      fates[id] = book.fates[id][0];
      if (fates[id] == Fate::unanswered) ++doubts[id];
      const bool is_settled =
          fates[id] == Fate::delivered || fates[id] == Fate::refused || fates[id] == Fate::left;
      if (!is_settled) pending.push_back(id);
    }
  }

  for (std::size_t i = 0; i < count; ++i) {
    INFO("seed " << seed << " recipient " << i << " " << fate_name(fates[i]));
    const auto [first, last] = taken.equal_range(addresses[i]);
    const auto copies = static_cast<std::size_t>(std::distance(first, last));
    for (auto copy = first; copy != last; ++copy) CHECK(copy->second == senders[i]);
    CHECK(copies <= doubts[i] + (fates[i] == Fate::delivered ? 1 : 0));
    if (fates[i] == Fate::delivered) CHECK(copies >= 1);
    if (fates[i] == Fate::refused) CHECK(refused.contains(addresses[i]));
  }
}

}  // namespace

TEST_CASE("dialogue: no failure of any relay gives a recipient another's sender or a second copy") {
  for (unsigned seed = 0; seed < 3000; ++seed) {
    run_against_model(seed, {.lmtp = seed % 5 == 0,
                             .pipelining = seed % 3 != 0,
                             .chunking = seed % 2 != 0,
                             .always_354 = seed % 7 == 0,
                             .trouble = seed % 4 * 10});
  }
}
