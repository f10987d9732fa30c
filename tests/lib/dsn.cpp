#include "mail/dsn.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ml;

namespace {

Report only(const std::string& text) {
  const auto reports = text_to_reports(text);
  REQUIRE(reports.size() == 1);
  return reports.front();
}

const std::string group =
    "Original-Recipient: rfc822;Ann@example.org\n"
    "Final-Recipient: RFC822; ann@mx.example.org\n"
    "Action: Failed\n"
    "Status: 5.1.1 (no such mailbox)\n"
    "Diagnostic-Code: smtp; 550 5.1.1\n <ann@mx.example.org>: unknown\n";

}  // namespace

TEST_CASE("dsn: every field of a recipient is read") {
  const Report report = only("Reporting-MTA: dns; mx.example.org\n\n" + group);
  CHECK(report.original_recipient == "Ann@example.org");
  CHECK(report.final_recipient == "ann@mx.example.org");
  CHECK(report.address() == "Ann@example.org");
  CHECK(report.action == Action::failed);
  CHECK(report.status == "5.1.1");
  CHECK(report.diagnostic == "550 5.1.1 <ann@mx.example.org>: unknown");
}

TEST_CASE("dsn: recipients come one by one with or without empty lines between them") {
  const std::string two =
      "Final-Recipient: rfc822; a@x.org\nAction: failed\nStatus: 5.1.1\n%"
      "Final-Recipient: rfc822; b@x.org\nAction: delayed\nStatus: 4.4.1\n";
  for (const std::string between : {"", "\n", "\n\n", " \t\n"}) {
    std::string text = two;
    text.replace(text.find('%'), 1, between);
    const auto reports = text_to_reports(text);
    REQUIRE(reports.size() == 2);
    CHECK(reports[0].final_recipient == "a@x.org");
    CHECK(reports[0].action == Action::failed);
    CHECK(reports[1].final_recipient == "b@x.org");
    CHECK(reports[1].action == Action::delayed);
  }
}

TEST_CASE("dsn: fields of the whole message belong to nobody") {
  CHECK(text_to_reports("Reporting-MTA: dns; x\nAction: failed\nStatus: 5.1.1\n").empty());
  CHECK(text_to_reports("").empty());
}

TEST_CASE("dsn: addresses are read however servers dress them") {
  const auto address = [](const std::string& value) {
    return only("Final-Recipient: " + value + "\n").final_recipient;
  };
  CHECK(address("rfc822; a@x.org") == "a@x.org");
  CHECK(address("RFC822;<a@x.org>") == "a@x.org");
  CHECK(address("a@x.org") == "a@x.org");
  CHECK(address("rfc822; a@x.org (Ann)") == "a@x.org");
  CHECK(address("rfc822; \"a b;c\"@x.org") == "\"a b;c\"@x.org");
  CHECK(address("\"a;b\"@x.org") == "\"a;b\"@x.org");
  CHECK(address("utf-8; j\\x{F6}rg@x.org") == "j\xc3\xb6rg@x.org");
  CHECK(address("utf-8; j\xc3\xb6rg@x.org") == "j\xc3\xb6rg@x.org");
  CHECK(address("rfc822; <a@x.org") == "a@x.org");
}

TEST_CASE("dsn: an original recipient left in xtext is decoded and a tag is not") {
  const auto address = [](const std::string& value) {
    return only("Original-Recipient: rfc822; " + value + "\n").original_recipient;
  };
  CHECK(address("ann+2Btag@x.org") == "ann+tag@x.org");
  CHECK(address("a+3Db@x.org") == "a=b@x.org");
  CHECK(address("ann+tag@x.org") == "ann+tag@x.org");
  CHECK(address("ann+20@x.org") == "ann+20@x.org");
  CHECK(address("ann+41B@x.org") == "ann+41B@x.org");
}

TEST_CASE("dsn: xtext is strict") {
  CHECK(xtext_to_text("a+2Bb+3D") == "a+b=");
  CHECK(xtext_to_text("") == "");
  for (const char* broken : {"+", "+2", "+2b", "+GG", "a=b", "a b", "\x7f", "\xc3"}) {
    CHECK_FALSE(xtext_to_text(broken));
  }
}

TEST_CASE("dsn: utf-8 xtext knows the limits of Unicode") {
  CHECK(utf8_xtext_to_text("\\x{41}\\x{E9}\\x{20AC}\\x{1F600}") ==
        "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  for (const char* broken :
       {"\\x{", "\\x{}", "\\x{G}", "\\x{D800}", "\\x{110000}", "\\x{0000041}"}) {
    CHECK_FALSE(utf8_xtext_to_text(broken));
  }
}

TEST_CASE("dsn: a status stands alone or is none") {
  CHECK(leading_status("5.1.1") == "5.1.1");
  CHECK(leading_status("4.4.7 (delivery expired)") == "4.4.7");
  CHECK(leading_status("5.7.708.") == "5.7.708");
  for (const char* none : {"", "5", "5.1", "5.1.", "5.1.x", "3.1.1", "15.1.1", "5.1.1.1", "5.1.1a",
                           "5.1.1234", "x5.1.1"}) {
    INFO(none);
    CHECK_FALSE(leading_status(none));
  }
}

TEST_CASE("dsn: a group without an action is given what its status speaks of") {
  CHECK(only("Final-Recipient: a@x.org\nStatus: 5.1.1\n").action == Action::failed);
  CHECK(only("Final-Recipient: a@x.org\nStatus: 4.1.1\n").action == Action::delayed);
  CHECK(only("Final-Recipient: a@x.org\n").action == Action::unknown);
}

TEST_CASE("dsn: a report of a million recipients is read as far as a thousand") {
  std::string text;
  while (text.size() < 4'000'000) text += "Final-Recipient: a@x.org\n";
  CHECK(text_to_reports(text).size() == 1000);
}

TEST_CASE("dsn: the actions that servers make up are understood") {
  const auto action = [](const std::string& word) {
    return only("Final-Recipient: a@x.org\nAction: " + word + "\n").action;
  };
  for (const char* failed : {"failed", "Failure", "fail", "error", "expired (4 days)"}) {
    CHECK(action(failed) == Action::failed);
  }
  CHECK(action("deferred") == Action::delayed);
  CHECK(action("dancing") == Action::unknown);
}

TEST_CASE("dsn: where the recipient is a program the address behind it is meant") {
  const Report report = only(
      "Final-Recipient: X-Unix; |/usr/bin/filter\nX-Actual-Recipient: rfc822; ann@c.org\n"
      "Action: failed\n");
  CHECK(report.address() == "ann@c.org");
  CHECK(only("Final-Recipient: rfc822; ann@c.org\nX-Actual-Recipient: rfc822; bob@c.org\n")
            .address() == "ann@c.org");
}
