#include "smtp/relay.hpp"

#include <sys/stat.h>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "scratch.hpp"
#include "smtp/relays.hpp"
#include "smtp/verdict.hpp"

using namespace ml;

TEST_CASE("relay: the forms of --via") {
  auto relay = text_to_relay("smtp://localhost");
  REQUIRE(relay);
  CHECK((relay->scheme == Scheme::smtp && relay->host == "localhost" && relay->port == 25));
  relay = text_to_relay("smtp://ann@[2001:db8::1]:2525?tls=may&weight=3&backup");
  REQUIRE(relay);
  CHECK((relay->user == "ann" && relay->host == "2001:db8::1" && relay->port == 2525));
  CHECK((relay->tls == Tls::may && relay->weight == 3 && relay->backup));
  CHECK(text_to_relay("smtps://relay.x.org")->port == 465);
  CHECK(text_to_relay("lmtp://127.0.0.1")->port == 24);
  relay = text_to_relay("lmtp:/run/dovecot/lmtp");
  REQUIRE(relay);
  CHECK((relay->scheme == Scheme::lmtp_socket && relay->path == "/run/dovecot/lmtp"));
  CHECK(text_to_relay("sendmail:/usr/sbin/sendmail")->path == "/usr/sbin/sendmail");
  CHECK(text_to_relay("bsmtp:-")->path == "-");
  CHECK(text_to_relay("maildir:out")->path == "out");
  CHECK(text_to_relay("null:")->scheme == Scheme::null);
}

TEST_CASE("relay: what is no relay is refused with its name and the reason") {
  for (const char* none : {"",
                           "localhost",
                           "smtp:localhost",
                           "smtp://",
                           "smtp://[::1",
                           "smtp://::1",
                           "smtp://a:0",
                           "smtp://a:99999",
                           "smtp://a:",
                           "smtp://a?tls=maybe",
                           "smtp://a?weight=0",
                           "smtp://@a",
                           "smtp://ann:secret@a",
                           "smtp://a b",
                           "http://a",
                           "null:x",
                           "maildir:",
                           "bsmtp:",
                           "smtp://a\r\nRSET",
                           "lmtp:socket",
                           "smtp://a/b"}) {
    const auto relay = text_to_relay(none);
    REQUIRE_FALSE(relay);
    CHECK(relay.error().status == Status::retry);
    CHECK(relay.error().text.find("secret@") == std::string::npos);
  }
}

TEST_CASE("relay: off loopback TLS must be unless the URI says otherwise") {
  const auto meant = [](const char* uri) { return text_to_relay(uri)->tls_meant(); };
  CHECK(meant("smtp://localhost:2525") == Tls::none);
  CHECK(meant("smtp://127.0.0.1") == Tls::none);
  CHECK(meant("smtp://[::1]") == Tls::none);
  CHECK(meant("lmtp:/run/lmtp") == Tls::none);
  CHECK(meant("smtp://localhost?tls=must") == Tls::must);
  CHECK(meant("smtp://relay.x.org") == Tls::must);
  CHECK(meant("lmtp://relay.x.org") == Tls::must);
  CHECK(meant("smtp://127.0.0.1.x.org") == Tls::must);
  CHECK(meant("smtp://relay.x.org?tls=none") == Tls::none);
  CHECK(meant("smtp://relay.x.org?tls=may") == Tls::may);
  CHECK(meant("smtps://localhost") == Tls::must);
  CHECK_FALSE(text_to_relay("smtps://relay.x.org?tls=none"));
}

TEST_CASE("relay: credentials come from the auth file and never go in clear") {
  tests::Scratch scratch;
  const std::string file = scratch.path("auth");
  const auto relays = [&](const char* uri) { return texts_to_relays({uri}, {.auth_file = file}); };
  scratch.write("auth", "relay.x.org ann:secret\n");
  CHECK(relays("smtp://relay.x.org")->front().credentials->user == "ann");
  CHECK(relays("smtp://ann@relay.x.org")->front().credentials->user == "ann");
  CHECK_FALSE(relays("smtp://other.x.org")->front().credentials);
  const auto unknown = relays("smtp://bob@relay.x.org");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().status == Status::retry);
  const auto clear = relays("smtp://relay.x.org?tls=none");
  REQUIRE_FALSE(clear);
  CHECK(clear.error().text.find("secret") == std::string::npos);
  CHECK_FALSE(texts_to_relays({"smtp://ann@localhost"}, {}));
  CHECK_FALSE(texts_to_relays({"null:"}, {.auth_file = file + ".none"}));
  chmod(file.c_str(), 0644);
  const auto open_to_all = relays("smtp://relay.x.org");
  REQUIRE_FALSE(open_to_all);
  CHECK(open_to_all.error().status == Status::retry);
}

namespace {

Meaning meaning(Step step, const char* line, Circumstances now = {}) {
  ReplyParser parser;
  const std::string text = std::string(line) + "\r\n";
  std::string_view octets = text;
  REQUIRE(parser.take(octets) == ReplyParser::Found::reply);
  return classify(step, parser.reply(), now);
}

}  // namespace

TEST_CASE("verdict: only a reply about the recipient refuses the recipient") {
  for (const char* line : {"550 no", "550 5.1.1 no", "551 5.1.6 moved", "553 no",
                           "556 5.1.10 null MX", "550 5.2.1 disabled"}) {
    CHECK(meaning(Step::rcpt, line) == Meaning::refused);
    CHECK(meaning(Step::lmtp_dot, line) == Meaning::refused);
  }
  for (const char* line :
       {"550 5.7.1 spam", "552 5.2.2 full", "554 5.1.1 no", "550 5.3.0 x", "550 4.1.1 x",
        "450 4.2.0 later", "452 4.2.2 full", "554 5.7.1 relaying", "550 5.7.1: no", "550  5.7.1 no",
        "550 \t5.7.1-no", "550-no\r\n550 5.7.1 spam"}) {
    CHECK(meaning(Step::rcpt, line) == Meaning::left);
    CHECK(meaning(Step::lmtp_dot, line) == Meaning::left);
  }
  for (const Step step : {Step::mail, Step::data, Step::dot}) {
    CHECK(meaning(step, "550 5.1.1 no") == Meaning::left);
  }
  CHECK(meaning(Step::greeting, "554 5.1.1 no") == Meaning::relay_refuses);
  CHECK(meaning(Step::hello, "550 5.1.1 no") == Meaning::relay_refuses);
}

TEST_CASE("verdict: too many means a new transaction or a new connection and nobody's failure") {
  CHECK(meaning(Step::rcpt, "452 4.5.3 too many", {.accepted = 5}) == Meaning::next_transaction);
  CHECK(meaning(Step::rcpt, "451 4.5.3 too many", {.accepted = 5}) == Meaning::next_transaction);
  CHECK(meaning(Step::rcpt, "452 too many", {.accepted = 5}) == Meaning::next_transaction);
  CHECK(meaning(Step::rcpt, "452 4.5.3 too many", {.accepted = 0}) == Meaning::left);
  CHECK(meaning(Step::rcpt, "452 4.2.2 full", {.accepted = 5}) == Meaning::left);
  CHECK(meaning(Step::mail, "452 4.5.3 too many", {.messages = 100}) == Meaning::next_connection);
  CHECK(meaning(Step::mail, "451 4.3.0 later", {.messages = 0}) == Meaning::busy);
}

TEST_CASE("verdict: a misunderstanding is nobody's failure unless nothing was sent ahead") {
  for (const char* line : {"500 what", "501 5.1.7 syntax", "503 5.5.1 order", "504 x", "555 x"}) {
    CHECK(meaning(Step::rcpt, line, {.lockstep = false}) == Meaning::fault);
    CHECK(meaning(Step::mail, line, {.lockstep = false}) == Meaning::fault);
    CHECK(meaning(Step::rcpt, line, {.lockstep = true}) == Meaning::left);
  }
  CHECK(meaning(Step::mail, "354 go") == Meaning::fault);
  CHECK(meaning(Step::data, "250 ok") == Meaning::fault);
  CHECK(meaning(Step::rcpt, "421 4.3.2 closing") == Meaning::busy);
}

TEST_CASE("verdict: a misunderstood RCPT is its recipient's where the reply says so itself") {
  const Circumstances ahead{.lockstep = false, .recipient = "bob@intranet"};
  for (const char* line : {"504 5.5.2 <bob@intranet>: need fully-qualified address",
                           "501 5.1.3 syntax", "555 5.2.0 what", "501 TO:<bob@intranet>: bad"}) {
    CHECK(meaning(Step::rcpt, line, ahead) == Meaning::left);
    CHECK(meaning(Step::mail, line, ahead) == Meaning::fault);
    CHECK(meaning(Step::dot, line, ahead) == Meaning::fault);
  }
  // Of another command, or of none.
  for (const char* line :
       {"504 5.5.2 <ann@intranet>: need fully-qualified address", "504 5.5.2 <s.bob@intranet>: no",
        "501 5.1.7 bad sender", "501 5.5.4 syntax", "500 5.1.3 <bob@intranet>",
        "502 5.1.3 <bob@intranet>", "503 5.1.3 <bob@intranet>"}) {
    CHECK(meaning(Step::rcpt, line, ahead) == Meaning::fault);
  }
  CHECK(meaning(Step::rcpt, "501 <>", {.lockstep = false}) == Meaning::fault);
}

TEST_CASE("verdict: what is said of the sender refuses no recipient") {
  for (const char* line : {"550 5.1.7 bad sender", "550 5.1.8 <s@x.org>: domain not found"}) {
    CHECK(meaning(Step::rcpt, line) == Meaning::left);
    CHECK(meaning(Step::lmtp_dot, line) == Meaning::left);
  }
}

TEST_CASE("fuse: twenty same refusals running blow it") {
  const Reply no = local_reply(550, {5, 1, 1}, "no");
  Fuse fuse;
  for (int i = 0; i < 19; ++i) CHECK_FALSE(fuse.failed(no, Meaning::refused));
  CHECK(fuse.failed(no, Meaning::refused));
  CHECK(fuse.why() == "20 recipients running got the same reply: 550 5.1.1 no");
}

TEST_CASE("fuse: a delivery between them keeps it whole until half of the first hundred failed") {
  const Reply no = local_reply(550, {5, 1, 1}, "no");
  Fuse fuse;
  for (int i = 0; i < 49; ++i) {
    fuse.delivered();
    CHECK_FALSE(fuse.failed(no, Meaning::refused));
  }
  fuse.delivered();
  CHECK(fuse.failed(no, Meaning::refused));
}

TEST_CASE("fuse: later on a third refused is a bad list and no reason to stop") {
  const Reply no = local_reply(550, {5, 1, 1}, "no");
  Fuse fuse;
  for (int i = 0; i < 100; ++i) fuse.delivered();
  for (int i = 0; i < 1000; ++i) {
    CHECK_FALSE(fuse.failed(no, Meaning::refused));
    fuse.delivered();
  }
}

TEST_CASE("fuse: replies of 4yz never blow it") {
  const Reply later = local_reply(450, {4, 2, 0}, "later");
  Fuse fuse;
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(fuse.failed(later, Meaning::left));
}

TEST_CASE("relay: what is to be looked up has a domain and no other host's rights", "[relay]") {
  auto relay = text_to_relay("smtp+mx:x.org:2525?weight=3&backup");
  REQUIRE(relay);
  CHECK((relay->lookup == Lookup::mx && relay->host == "x.org" && relay->port == 2525));
  CHECK((relay->weight == 3 && relay->backup));
  CHECK(text_to_relay("smtp+mx://x.org")->host == "x.org");
  CHECK(text_to_relay("smtp+srv:_submission._tcp.x.org")->lookup == Lookup::srv);
  CHECK(text_to_relay("smtp+mx:localhost")->tls_meant() == Tls::must);
  for (const char* none : {"smtp+mx:", "smtp+mx:[127.0.0.1]", "smtp+mx:a b", "smtp+srv:x.org:25",
                           "smtp+mx:x.org?order=1", "lmtp+mx:x.org"}) {
    CHECK_FALSE(text_to_relay(none));
  }
}

namespace {

using Room = Relays::Room;
using std::chrono::milliseconds;
using std::chrono::seconds;

Relays weighted(std::uint32_t first, std::uint32_t second) {
  std::vector<Relay> relays;
  for (const std::uint32_t weight : {first, second}) {
    relays.push_back(*text_to_relay(fmt::format("smtp://127.0.0.1:25?weight={}", weight)));
  }
  return Relays(std::move(relays), {});
}

// Both always have room and are asked by turns: how many of `count` the second one gets.
std::size_t share_of_second(Relays& relays, std::size_t count, std::size_t limit) {
  const std::vector<Room> rooms{Room::free, Room::free};
  std::size_t second = 0;
  for (std::size_t given = 0, turn = 0; given < count; ++turn) {
    const std::size_t index = turn % 2;
    if (relays.waits(index, rooms, Relays::Rated::no, {})) continue;
    const std::size_t recipients = std::min(relays.share_of(index, limit), count - given);
    relays.gave(index, recipients);
    given += recipients;
    if (index == 1) second += recipients;
  }
  return second;
}

}  // namespace

TEST_CASE("shares: recipients are shared by the weights whatever goes into a transaction") {
  for (const std::size_t limit : {1U, 10U, 1000U}) {
    auto light_second = weighted(9, 1);
    auto heavy_second = weighted(1, 9);
    const std::size_t tenth = share_of_second(light_second, 60'000, limit);
    CHECK((tenth > 5'800 && tenth < 6'200));
    const std::size_t rest = share_of_second(heavy_second, 60'000, limit);
    CHECK((rest > 53'800 && rest < 54'200));
  }
}

TEST_CASE("shares: equal weights wait for nobody") {
  const auto relays = weighted(3, 3);
  CHECK_FALSE(relays.has_shares());
  CHECK(relays.share_of(0, 1000) == 1000);
}

TEST_CASE("shares: who is behind and busy is waited for a second and then not for ten") {
  auto relays = weighted(9, 1);
  const std::vector<Room> rooms{Room::busy, Room::free};
  const Clock::time_point start{};
  relays.gave(1, 100);
  CHECK(relays.waits(1, rooms, Relays::Rated::no, start));
  CHECK(relays.next_end_of_waiting(start) == start + seconds(1));
  CHECK(relays.waits(1, rooms, Relays::Rated::no, start + milliseconds(999)));
  for (const auto after : {milliseconds(1000), milliseconds(10'999)}) {
    CHECK_FALSE(relays.waits(1, rooms, Relays::Rated::no, start + after));
    relays.gave(1, 100);
  }
  CHECK_FALSE(relays.next_end_of_waiting(start));
  CHECK(relays.waits(1, rooms, Relays::Rated::no, start + seconds(11)));
}

TEST_CASE("shares: who has no connection is not waited for") {
  auto relays = weighted(9, 1);
  relays.gave(1, 100);
  CHECK_FALSE(relays.waits(1, std::vector{Room::none, Room::free}, Relays::Rated::no, {}));
}

TEST_CASE("shares: who has room is not slow where it is the rate that gives nothing") {
  auto relays = weighted(9, 1);
  const std::vector<Room> rooms{Room::free, Room::free};
  relays.gave(1, 100);
  for (int i = 0; i < 5; ++i) {
    CHECK(relays.waits(1, rooms, Relays::Rated::yes, Clock::time_point{} + seconds(2 * i)));
  }
}

TEST_CASE("shares: who was away makes up for a thousand recipients at most") {
  auto relays = weighted(1, 2);
  relays.gave(1, 100'000);
  relays.gave(0, 1'001);
  CHECK_FALSE(relays.waits(1, std::vector{Room::busy, Room::free}, Relays::Rated::no, {}));
}
