#include "mail/mailboxes.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ml;

namespace {

std::string found(std::string_view value) {
  std::string text;
  for (const Address& address : mailboxes(value)) {
    text += (text.empty() ? "" : " ") + address_to_text(address);
  }
  return text;
}

}  // namespace

TEST_CASE("mailboxes: every usual form gives its address", "[mail]") {
  CHECK(found(" ann@example.org") == "ann@example.org");
  CHECK(found("Ann Author <ann@example.org>") == "ann@example.org");
  CHECK(found("\"Author, Ann\" <ann@example.org>,bob@example.com") ==
        "ann@example.org bob@example.com");
  CHECK(found("<ann@example.org>") == "ann@example.org");
  CHECK(found("ann@example.org (Ann (the) Author)") == "ann@example.org");
  CHECK(found("=?utf-8?q?Ann?=\n <ann@example.org>\n") == "ann@example.org");
  CHECK(found("\"a b\"@example.org") == "\"a b\"@example.org");
  CHECK(found("Ann <Ann@Example.ORG>") == "Ann@example.org");
}

TEST_CASE("mailboxes: groups and routes and loose blanks are read", "[mail]") {
  CHECK(found("Friends: ann@example.org, Bob <bob@example.com>;, cy@example.net") ==
        "ann@example.org bob@example.com cy@example.net");
  CHECK(found("undisclosed-recipients:;").empty());
  CHECK(found("<@hop.example,@b.example:ann@example.org>") == "ann@example.org");
  CHECK(found("ann (a) @ example . org") == "ann@example.org");
}

TEST_CASE("mailboxes: a display name that looks like an address is none", "[mail]") {
  CHECK(found("\"boss@example.org\" <ann@example.com>") == "ann@example.com");
  CHECK(found("boss@example.org <ann@example.com>") == "ann@example.com");
  CHECK(found("(boss@example.org) ann@example.com") == "ann@example.com");
  CHECK(found("\"<boss@example.org>\" <ann@example.com>") == "ann@example.com");
}

TEST_CASE("mailboxes: what is no address is passed over", "[mail]") {
  for (const char* value :
       {"", " ", "Ann", "ann bob@example.org", "<>", "<ann@example.org", "ann@example.org>",
        "\"ann@example.org", "(ann@example.org", "ann@@example.org", "<ann@example.org>>",
        ",,;;::", "\\", "\"\\", "(\\"}) {
    CAPTURE(value);
    CHECK(found(value).empty());
  }
  CHECK(found("broken, ann@example.org, <also> broken") == "ann@example.org");
}

TEST_CASE("mailboxes: deep comments and many commas are read in one pass", "[mail]") {
  CHECK(found(std::string(1'000'000, '(') + "ann@example.org").empty());
  CHECK(found(std::string(1'000'000, ',') + "ann@example.org") == "ann@example.org");
}
