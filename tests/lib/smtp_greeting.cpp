// How client and relay greet: each state, and what each reply leads to in it.
#include "smtp/greeting.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <string_view>

using namespace ml;

namespace {

// A greeting that hears one whole reply at a time, as it comes off the wire.
struct Heard {
  explicit Heard(Greeting::Manner manner = {})
      : greeting([&] {
          manner.hello = "me.test";
          return manner;
        }()) {}

  std::string operator()(std::string_view octets) {
    REQUIRE(parser.take(octets) == ReplyParser::Found::reply);
    REQUIRE(octets.empty());
    return greeting.hear(parser.reply(), parser.lines());
  }
  // It is over, for this reason, and nothing is said.
  Parting ends(std::string_view octets) {
    CHECK((*this)(octets).empty());
    CHECK(greeting.over());
    CHECK(greeting.awaited() == Step::nothing);
    return greeting.parting();
  }

  Greeting greeting;
  ReplyParser parser;
};

const Credentials ann{"ann", "secret", Credentials::Kind::password};
constexpr Greeting::Manner must{.starttls = StartTls::must};
constexpr Greeting::Manner may{.starttls = StartTls::may};
constexpr Greeting::Manner with_password{.channel = Channel::local, .credentials = &ann};
constexpr std::string_view with_tls = "250-relay\r\n250 STARTTLS\r\n";
constexpr std::string_view with_auth = "250-relay\r\n250 AUTH LOGIN\r\n";

}  // namespace

TEST_CASE("greeting: EHLO follows the relay's 220 and what it announces is known") {
  Heard heard;
  CHECK(heard.greeting.awaited() == Step::greeting);
  CHECK(heard("220 relay ESMTP\r\n") == "EHLO me.test\r\n");
  CHECK(heard.greeting.awaited() == Step::hello);
  CHECK_FALSE(heard.greeting.over());
  CHECK(heard.ends("250-relay\r\n250-PIPELINING\r\n250-size 1000\r\n250 8BITMIME\r\n") ==
        Parting::none);
  const Extensions& found = heard.greeting.extensions();
  CHECK(found ==
        Extensions{.pipelining = true, .eight_bit = true, .size = true, .size_limit = 1000});
  CHECK_FALSE(heard.greeting.is_exim());
}

TEST_CASE("greeting: LMTP says LHLO and has nothing else to say") {
  Heard heard({.protocol = Protocol::lmtp});
  CHECK(heard("220 relay\r\n") == "LHLO me.test\r\n");
  CHECK(heard.ends("500 what\r\n") == Parting::relay_refuses);
}

TEST_CASE("greeting: a relay that knows no EHLO is said HELO once and has no extensions") {
  Heard heard;
  heard("220 relay\r\n");
  SECTION("content") {
    CHECK(heard("502 what\r\n") == "HELO me.test\r\n");
    CHECK(heard.greeting.awaited() == Step::hello);
    CHECK(heard.ends("250-relay\r\n250 PIPELINING\r\n") == Parting::none);
    CHECK(heard.greeting.extensions() == Extensions{});
  }
  SECTION("not content") {
    heard("502 what\r\n");
    CHECK(heard.ends("502 what\r\n") == Parting::relay_refuses);
  }
}

TEST_CASE("greeting: Exim is known by its name") {
  Heard heard;
  heard("220 relay ESMTP Exim 4.96 ready\r\n");
  CHECK(heard.greeting.is_exim());
}

TEST_CASE("greeting: a relay that is not content now is busy and one that never is refuses") {
  for (const bool is_greeted : {false, true}) {
    const auto answered = [&](std::string_view reply) {
      Heard heard({.protocol = Protocol::lmtp});
      if (is_greeted) heard("220 relay\r\n");
      return heard.ends(reply);
    };
    CHECK(answered("450 not now\r\n") == Parting::busy);
    CHECK(answered("554 never\r\n") == Parting::relay_refuses);
    CHECK(answered("354 what\r\n") == Parting::fault);
  }
}

TEST_CASE("greeting: 421 means a busy relay in every state") {
  for (int state = 0; state < 4; ++state) {
    Heard heard(state < 3 ? may : with_password);
    if (state > 0) heard("220 relay\r\n");
    if (state == 2) CHECK(heard(with_tls) == "STARTTLS\r\n");
    if (state == 3) CHECK(heard(with_auth) == "AUTH LOGIN\r\n");
    CHECK(heard.ends("421 4.3.2 shutting down\r\n") == Parting::busy);
    CHECK(heard.greeting.last_words().code == 421);
  }
}

TEST_CASE("greeting: STARTTLS is said where it may or must be and is announced") {
  for (const auto& manner : {may, must}) {
    Heard heard(manner);
    heard("220 relay\r\n");
    CHECK(heard(with_tls) == "STARTTLS\r\n");
    CHECK(heard.greeting.awaited() == Step::starttls);
    CHECK(heard("220 go ahead\r\n").empty());
    CHECK(heard.greeting.wants_tls());
    CHECK(heard.greeting.awaited() == Step::nothing);
    CHECK(heard.greeting.secured() == "EHLO me.test\r\n");
    CHECK(heard.greeting.extensions() == Extensions{});
    CHECK(heard.ends("250-relay\r\n250 STARTTLS\r\n") == Parting::none);
  }
  Heard never;
  never("220 relay\r\n");
  CHECK(never.ends(with_tls) == Parting::none);
}

TEST_CASE("greeting: without STARTTLS there is no mail where it must be and mail where it may be") {
  Heard strict(must);
  strict("220 relay\r\n");
  CHECK(strict.ends("250 relay\r\n") == Parting::no_tls);
  CHECK(strict.greeting.last_words().text() == "it announces no STARTTLS");
  Heard lax(may);
  lax("220 relay\r\n");
  CHECK(lax.ends("250 relay\r\n") == Parting::none);
}

TEST_CASE("greeting: what STARTTLS is answered with") {
  const auto answered = [](const Greeting::Manner& manner, std::string_view reply) {
    Heard heard(manner);
    heard("220 relay\r\n");
    heard(with_tls);
    return heard.ends(reply);
  };
  CHECK(answered(must, "454 not now\r\n") == Parting::busy);
  CHECK(answered(must, "554 never\r\n") == Parting::relay_refuses);
  CHECK(answered(may, "454 not now\r\n") == Parting::none);
  CHECK(answered(may, "554 never\r\n") == Parting::none);
  CHECK(answered(may, "250 fine\r\n") == Parting::fault);
  CHECK(answered(must, "354 what\r\n") == Parting::fault);
}

TEST_CASE("greeting: hands that are not shaken end it") {
  Heard heard(must);
  heard("220 relay\r\n");
  heard(with_tls);
  heard("220 go ahead\r\n");
  heard.greeting.not_secured("not whom we trust");
  CHECK(heard.greeting.over());
  CHECK_FALSE(heard.greeting.wants_tls());
  CHECK(heard.greeting.parting() == Parting::no_tls);
  CHECK(heard.greeting.last_words().text() == "not whom we trust");
}

TEST_CASE("greeting: TLS from the beginning needs no STARTTLS and lets a password pass") {
  Heard heard({.starttls = StartTls::must, .channel = Channel::open, .credentials = &ann});
  CHECK(heard.greeting.secured().empty());
  CHECK(heard("220 relay\r\n") == "EHLO me.test\r\n");
  CHECK(heard("250-relay\r\n250-STARTTLS\r\n250 AUTH LOGIN\r\n") == "AUTH LOGIN\r\n");
}

TEST_CASE("greeting: AUTH is asked line by line and a line too many is a fault") {
  Heard heard(with_password);
  heard("220 relay\r\n");
  CHECK(heard(with_auth) == "AUTH LOGIN\r\n");
  CHECK(heard.greeting.awaited() == Step::auth);
  CHECK(heard("334 VXNlcm5hbWU6\r\n") == "YW5u\r\n");
  CHECK(heard("334 UGFzc3dvcmQ6\r\n") == "c2VjcmV0\r\n");
  SECTION("content") {
    CHECK(heard.ends("235 welcome\r\n") == Parting::none);
  }
  SECTION("again") {
    CHECK(heard.ends("334 more\r\n") == Parting::fault);
  }
  SECTION("refused") {
    CHECK(heard.ends("535 5.7.8 no\r\n") == Parting::relay_refuses);
    CHECK(heard.greeting.last_words().text() == "AUTH LOGIN as ann: no");
  }
}

TEST_CASE("greeting: a password that is due and cannot be said ends it in silence") {
  Heard open({.channel = Channel::open, .credentials = &ann});
  open("220 relay\r\n");
  CHECK(open.ends(with_auth) == Parting::relay_refuses);
  Heard unannounced(with_password);
  unannounced("220 relay\r\n");
  CHECK(unannounced.ends("250-relay\r\n250 AUTH CRAM-MD5\r\n") == Parting::relay_refuses);
}

TEST_CASE("greeting: what is heard when it is over says nothing") {
  Heard heard;
  heard("220 relay\r\n");
  CHECK(heard.ends("250 relay\r\n") == Parting::none);
  CHECK(heard.ends("550 no\r\n") == Parting::none);
  CHECK(heard.ends("421 no\r\n") == Parting::none);
}
