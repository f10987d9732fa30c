// The dialogue before mail: STARTTLS and AUTH, by script.
#include <catch2/catch.hpp>

#include <map>
#include <string>
#include <vector>

#include "dialogue_output.hpp"
#include "smtp/dialogue.hpp"

using namespace ml;

namespace {

struct Nobody : Outcomes {
  void settled(std::uint64_t, Fate, const Reply&) override { FAIL("nobody was given"); }
};

const Credentials ann{"ann", "secret", Credentials::Kind::password};
const Credentials token{"ann", "secret", Credentials::Kind::token};

// The relay says each of the lines in turn; a line "TLS" stands for a handshake that went well.
struct Talk {
  explicit Talk(Dialogue::Manner manner, std::size_t piece_size = 1000)
      : dialogue(
            [&] {
              manner.hello = "me.test";
              return manner;
            }(),
            nobody),
        piece(piece_size) {}

  std::string hears(std::string_view octets) {
    if (octets == "TLS") {
      CHECK(dialogue.wants_tls());
      dialogue.secured();
      return flush(dialogue);
    }
    std::string wrote;
    while (!octets.empty()) {
      dialogue.hear(octets.substr(0, piece));
      octets.remove_prefix(std::min(piece, octets.size()));
      wrote += flush(dialogue);
    }
    return wrote;
  }

  Nobody nobody;
  Dialogue dialogue;
  std::size_t piece;
};

constexpr Dialogue::Manner must{.starttls = StartTls::must};
constexpr Dialogue::Manner may{.starttls = StartTls::may};
const std::string greeting = "220 relay\r\n";
const std::string with_tls = "250-relay\r\n250-STARTTLS\r\n250 PIPELINING\r\n";
const std::string with_auth = "250-relay\r\n250 AUTH PLAIN LOGIN XOAUTH2\r\n";
const std::string go = "220 go ahead\r\n";

Dialogue::Manner asked_for(const Credentials& credentials) {
  return {.channel = Channel::local, .credentials = &credentials};
}

}  // namespace

TEST_CASE("secure: EHLO is said again behind STARTTLS and what was announced before is forgotten") {
  for (std::size_t piece = 1; piece < 40; ++piece) {
    Talk talk(must, piece);
    CHECK(talk.hears(greeting) == "EHLO me.test\r\n");
    CHECK(talk.hears("250-relay\r\n250-STARTTLS\r\n250 CHUNKING\r\n") == "STARTTLS\r\n");
    CHECK_FALSE(talk.dialogue.greeted());
    CHECK(talk.hears(go).empty());
    CHECK(talk.dialogue.wants_tls());
    CHECK_FALSE(talk.dialogue.wants());
    CHECK(talk.hears("TLS") == "EHLO me.test\r\n");
    CHECK(talk.hears("250-relay\r\n250 PIPELINING\r\n").empty());
    CHECK(talk.dialogue.greeted());
    CHECK(talk.dialogue.wants());
    CHECK(talk.dialogue.form() == WireForm::dotted_ascii);
  }
}

TEST_CASE("secure: a relay without STARTTLS gets no mail where TLS must be") {
  for (const char* hello : {"250 relay\r\n", "250-relay\r\n250 XSTARTTLS\r\n"}) {
    Talk talk(must);
    talk.hears(greeting);
    CHECK(talk.hears(hello).empty());
    CHECK(talk.dialogue.parting() == Parting::no_tls);
    CHECK(talk.dialogue.last_words().ours);
  }
  Talk old(must);
  old.hears(greeting);
  CHECK(old.hears("500 what\r\n") == "HELO me.test\r\n");
  CHECK(old.hears("250 relay\r\n").empty());
  CHECK(old.dialogue.parting() == Parting::no_tls);
}

TEST_CASE("secure: where TLS may be it is used or done without") {
  Talk talk(may);
  talk.hears(greeting);
  CHECK(talk.hears(with_tls) == "STARTTLS\r\n");
  for (const char* refusal : {"454 4.7.0 later\r\n", "502 what\r\n"}) {
    Talk refused(may);
    refused.hears(greeting);
    refused.hears(with_tls);
    refused.hears(refusal);
    CHECK(refused.dialogue.wants());
  }
  Talk without(may);
  without.hears(greeting);
  without.hears("250 relay\r\n");
  CHECK(without.dialogue.wants());
  Talk never({});
  never.hears(greeting);
  CHECK(never.hears(with_tls).empty());
  CHECK(never.dialogue.wants());
}

TEST_CASE("secure: a STARTTLS refused for now is a busy relay and refused for good no relay") {
  const std::map<const char*, Parting> partings{{"454 4.7.0 later\r\n", Parting::busy},
                                                {"421 closing\r\n", Parting::busy},
                                                {"502 5.5.1 no\r\n", Parting::relay_refuses},
                                                {"554 5.7.0 no\r\n", Parting::relay_refuses},
                                                {"250 ok\r\n", Parting::fault},
                                                {"354 go\r\n", Parting::fault},
                                                {"what\r\n", Parting::fault}};
  for (const auto& [reply, parting] : partings) {
    INFO(reply);
    Talk talk(must);
    talk.hears(greeting);
    talk.hears(with_tls);
    CHECK(talk.hears(reply).empty());
    CHECK(talk.dialogue.parting() == parting);
  }
}

TEST_CASE("secure: octets behind the 220 of STARTTLS end it however they are cut") {
  const std::string injected = go + "250-relay\r\n250 PIPELINING\r\n";
  for (std::size_t piece = 1; piece <= injected.size(); ++piece) {
    Talk talk(must);
    talk.hears(greeting);
    talk.hears(with_tls);
    talk.piece = piece;
    CHECK(talk.hears(injected).empty());
    CHECK(talk.dialogue.parting() == Parting::relay_refuses);
  }
  Talk one_octet(must);
  one_octet.hears(greeting);
  one_octet.hears(with_tls);
  one_octet.hears(go + "2");
  CHECK(one_octet.dialogue.parting() == Parting::relay_refuses);
}

TEST_CASE("secure: a relay that is not trusted gets not a word more") {
  Talk talk(must);
  talk.hears(greeting);
  talk.hears(with_tls);
  talk.hears(go);
  talk.dialogue.not_secured("its certificate is not trusted");
  CHECK(flush(talk.dialogue).empty());
  CHECK(talk.dialogue.parting() == Parting::no_tls);
}

TEST_CASE("secure: AUTH comes behind TLS and before mail") {
  Dialogue::Manner manner = must;
  manner.credentials = &ann;
  Talk talk(manner, 1);
  talk.hears(greeting);
  CHECK(talk.hears("250-relay\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n") == "STARTTLS\r\n");
  talk.hears(go);
  CHECK(talk.hears("TLS") == "EHLO me.test\r\n");
  CHECK(talk.hears(with_auth) == "AUTH PLAIN AGFubgBzZWNyZXQ=\r\n");
  CHECK_FALSE(talk.dialogue.wants());
  CHECK(talk.hears("235 welcome\r\n").empty());
  CHECK(talk.dialogue.wants());
}

TEST_CASE("secure: AUTH LOGIN is asked for each of its lines") {
  Talk talk(asked_for(ann), 1);
  talk.hears(greeting);
  CHECK(talk.hears("250-relay\r\n250 AUTH LOGIN\r\n") == "AUTH LOGIN\r\n");
  CHECK(talk.hears("334 VXNlcm5hbWU6\r\n") == "YW5u\r\n");
  CHECK(talk.hears("334 UGFzc3dvcmQ6\r\n") == "c2VjcmV0\r\n");
  CHECK(talk.hears("235 welcome\r\n").empty());
  CHECK(talk.dialogue.wants());
}

TEST_CASE("secure: a token refused in a 334 is answered with nothing and ends with the 535") {
  Talk talk(asked_for(token));
  talk.hears(greeting);
  CHECK(talk.hears(with_auth).starts_with("AUTH XOAUTH2 "));
  CHECK(talk.hears("334 eyJzdGF0dXMiOiI0MDEifQ==\r\n") == "\r\n");
  CHECK(talk.hears("535 5.7.8 no\r\n").empty());
  CHECK(talk.dialogue.parting() == Parting::relay_refuses);
}

TEST_CASE("secure: no secret goes where others can hear it") {
  for (const StartTls starttls : {StartTls::never, StartTls::may}) {
    Talk talk({.starttls = starttls, .channel = Channel::open, .credentials = &ann});
    talk.hears(greeting);
    CHECK(talk.hears(with_auth).empty());
    CHECK(talk.dialogue.parting() == Parting::relay_refuses);
  }
  Talk refused({.starttls = StartTls::may, .channel = Channel::open, .credentials = &ann});
  refused.hears(greeting);
  refused.hears("250-relay\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n");
  CHECK(refused.hears("454 later\r\n").empty());
  CHECK(refused.dialogue.parting() == Parting::relay_refuses);
}

TEST_CASE("secure: a relay that announces no AUTH of ours gets no mail") {
  for (const char* hello : {"250 relay\r\n", "250-relay\r\n250 AUTH\r\n",
                            "250-relay\r\n250 AUTH CRAM-MD5 GSSAPI\r\n"}) {
    Talk talk(asked_for(ann));
    talk.hears(greeting);
    CHECK(talk.hears(hello).empty());
    CHECK(talk.dialogue.parting() == Parting::relay_refuses);
  }
}

TEST_CASE("secure: what AUTH is answered with decides about the relay") {
  const std::map<const char*, Parting> partings{{"535 5.7.8 no\r\n", Parting::relay_refuses},
                                                {"504 no\r\n", Parting::relay_refuses},
                                                {"454 4.7.0 later\r\n", Parting::busy},
                                                {"421 closing\r\n", Parting::busy},
                                                {"334 \r\n", Parting::fault},
                                                {"354 go\r\n", Parting::fault},
                                                {"what\r\n", Parting::fault}};
  for (const auto& [reply, parting] : partings) {
    INFO(reply);
    Talk talk(asked_for(ann));
    talk.hears(greeting);
    talk.hears(with_auth);
    CHECK(talk.hears(reply).empty());
    CHECK(talk.dialogue.parting() == parting);
  }
}

TEST_CASE("secure: the last words name user and mechanism and never the secret") {
  for (const char* reply : {"535 5.7.8 no\r\n", "535 5.7.8 no AGFubgBzZWNyZXQ=\r\n",
                            "535 secret is wrong\r\n", "454 4.7.0 secret\r\n"}) {
    Talk talk(asked_for(ann));
    talk.hears(greeting);
    talk.hears(with_auth);
    talk.hears(reply);
    const std::string words = reply_to_text(talk.dialogue.last_words());
    CHECK(words.find("AUTH PLAIN as ann") != std::string::npos);
    CHECK(words.find("secret i") == std::string::npos);
    CHECK(words.find("AGFub") == std::string::npos);
  }
}
