#include "smtp/auth.hpp"

#include <catch2/catch.hpp>

#include "base/digest.hpp"
#include "base/text.hpp"

using namespace ml;

namespace {

// "user secret", or "-".
std::string found(std::string_view text, std::string_view user, std::string_view host,
                  std::uint16_t port = 25) {
  const auto file = AuthFile::parse(text, "auth");
  REQUIRE(file);
  const Credentials* const credentials = file->find(user, host, port);
  return credentials ? credentials->user + ' ' + credentials->secret : "-";
}

}  // namespace

TEST_CASE("auth file: lines are those of sasl_passwd") {
  for (const char* line :
       {"relay.x.org ann:a b:c", "[relay.x.org] ann:a b:c", "relay.x.org:25 ann:a b:c",
        "[relay.x.org]:25\tann:a b:c", "Relay.X.org   ann:a b:c  ", "# x\n\nrelay.x.org ann:a b:c",
        "relay.x.org ann:a b:c\r\n"}) {
    INFO(line);
    CHECK(found(line, "", "relay.x.org") == "ann a b:c");
  }
  CHECK(found("[2001:db8::1]:25 ann:x", "", "2001:db8::1") == "ann x");
  CHECK(found("relay.x.org:587 ann:x", "", "relay.x.org") == "-");
  CHECK(found("x.org ann:x", "", "relay.x.org") == "-");
}

TEST_CASE("auth file: a line with the port goes before one without and a named user is theirs") {
  const std::string text =
      "relay ann:1\nrelay bob:2\nrelay:25 cy:3\nann@x.org@relay ann@x.org:4\ndora@relay eve:5\n";
  CHECK(found(text, "", "relay", 587) == "ann 1");
  CHECK(found(text, "", "relay", 25) == "cy 3");
  CHECK(found(text, "bob", "relay") == "bob 2");
  CHECK(found(text, "ann@x.org", "relay") == "ann@x.org 4");
  CHECK(found(text, "dora", "relay") == "eve 5");
  CHECK(found(text, "eve", "relay") == "-");
}

TEST_CASE("auth file: what is no line is refused by its number and its secret is not told") {
  for (const char* line : {"relay", "relay ann", "relay :secret", "relay ann:", " relay ann:secret",
                           "relay:0 ann:secret", "relay:x ann:secret", "[relay ann:secret",
                           "@relay ann:secret", "relay ann:{XOAUTH2}", "relay ann:sec\x01ret"}) {
    INFO(line);
    const auto file = AuthFile::parse("# one\n" + std::string(line) + "\n", "auth");
    REQUIRE_FALSE(file);
    CHECK(file.error().status == Status::retry);
    CHECK(file.error().text.find("line 2") != std::string::npos);
    CHECK(file.error().text.find("sec") == std::string::npos);
  }
}

TEST_CASE("auth: the mechanism is one that the relay announces and the secret fits") {
  const Credentials ann{"ann", "secret", Credentials::Kind::password};
  const Credentials token{"ann", "secret", Credentials::Kind::token};
  CHECK(AuthExchange::begin(ann, "LOGIN plain XOAUTH2")->mechanism() == "PLAIN");
  CHECK(AuthExchange::begin(ann, "CRAM-MD5 LOGIN")->mechanism() == "LOGIN");
  CHECK(AuthExchange::begin(token, "PLAIN XOAUTH2")->mechanism() == "XOAUTH2");
  CHECK_FALSE(AuthExchange::begin(ann, "CRAM-MD5 XOAUTH2"));
  CHECK_FALSE(AuthExchange::begin(token, "PLAIN LOGIN"));
  CHECK_FALSE(AuthExchange::begin(ann, ""));
}

TEST_CASE("auth: what is said is as the mechanism has it") {
  const Credentials ann{"ann", "secret", Credentials::Kind::password};
  auto plain = AuthExchange::begin(ann, "PLAIN");
  CHECK(plain->first_line() == "AUTH PLAIN AGFubgBzZWNyZXQ=");
  CHECK_FALSE(plain->next_line());
  auto login = AuthExchange::begin(ann, "LOGIN");
  CHECK(login->first_line() == "AUTH LOGIN");
  CHECK(login->next_line() == "YW5u");
  CHECK(login->next_line() == "c2VjcmV0");
  CHECK_FALSE(login->next_line());
  const Credentials token{"ann", "secret", Credentials::Kind::token};
  auto xoauth2 = AuthExchange::begin(token, "XOAUTH2");
  const std::string response = xoauth2->first_line().substr(std::string("AUTH XOAUTH2 ").size());
  CHECK(base64_decoded(response) == std::string("user=ann\x01"
                                                "auth=Bearer secret\x01\x01"));
  CHECK(xoauth2->next_line() == "");
  CHECK_FALSE(xoauth2->next_line());
}

TEST_CASE("auth: a secret too long for a command comes behind the 334") {
  const Credentials token{"ann", std::string(2000, 't'), Credentials::Kind::token};
  auto exchange = AuthExchange::begin(token, "XOAUTH2");
  CHECK(exchange->first_line() == "AUTH XOAUTH2");
  CHECK(base64_decoded(*exchange->next_line())->find(token.secret) != std::string::npos);
  CHECK(exchange->next_line() == "");
  CHECK_FALSE(exchange->next_line());
}

TEST_CASE("auth: a relay that repeats the secret is noticed") {
  const Credentials ann{"ann", "secret", Credentials::Kind::password};
  for (const char* mechanism : {"PLAIN", "LOGIN"}) {
    const auto exchange = AuthExchange::begin(ann, mechanism);
    CHECK(exchange->gives_away("no secret, please"));
    CHECK_FALSE(exchange->gives_away("authentication failed"));
  }
  CHECK(AuthExchange::begin(ann, "PLAIN")->gives_away("bad AGFubgBzZWNyZXQ="));
  CHECK(AuthExchange::begin(ann, "LOGIN")->gives_away("bad c2VjcmV0"));
}
