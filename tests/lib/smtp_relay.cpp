#include "smtp/relay.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "scratch.hpp"
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
        "450 4.2.0 later", "452 4.2.2 full", "554 5.7.1 relaying"}) {
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
  for (const char* line : {"500 what", "501 5.1.3 syntax", "503 5.5.1 order", "504 x", "555 x"}) {
    CHECK(meaning(Step::rcpt, line, {.lockstep = false}) == Meaning::fault);
    CHECK(meaning(Step::mail, line, {.lockstep = false}) == Meaning::fault);
    CHECK(meaning(Step::rcpt, line, {.lockstep = true}) == Meaning::left);
  }
  CHECK(meaning(Step::mail, "354 go") == Meaning::fault);
  CHECK(meaning(Step::data, "250 ok") == Meaning::fault);
  CHECK(meaning(Step::rcpt, "421 4.3.2 closing") == Meaning::busy);
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
