#include "mail/diagnosis.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ml;

namespace {

Report only(const std::string& text) {
  const auto reports = text_to_reports(text);
  REQUIRE(reports.size() == 1);
  return reports.front();
}

BounceClass class_of(const std::string& action, const std::string& status,
                     const std::string& diagnostic = "") {
  return bounce_class(only("Final-Recipient: rfc822; a@x.org\nAction: " + action + "\nStatus: " +
                           status + "\nDiagnostic-Code: smtp; " + diagnostic + "\n"));
}

bool counts(const std::string& action, const std::string& status,
            const std::string& diagnostic = "") {
  return counts_against_recipient(only("Final-Recipient: rfc822; a@x.org\nAction: " + action +
                                       "\nStatus: " + status + "\nDiagnostic-Code: smtp; " +
                                       diagnostic + "\n"));
}

}  // namespace

TEST_CASE("diagnosis: where the status says nothing the diagnostic does") {
  CHECK(class_of("failed", "5.0.0", "550 5.1.1 unknown") == BounceClass::mailbox);
  CHECK(class_of("failed", "", "550 (#5.2.2) full") == BounceClass::full);
  CHECK(class_of("failed", "5.0.0", "550 from 10.5.1.1 refused") == BounceClass::unknown);
  CHECK(class_of("failed", "5.7.1", "550 5.1.1") == BounceClass::policy);
}

TEST_CASE("diagnosis: classes say whose trouble it is") {
  CHECK(class_of("failed", "5.1.2") == BounceClass::domain);
  CHECK(class_of("failed", "5.1.10") == BounceClass::domain);
  CHECK(class_of("failed", "5.2.1") == BounceClass::mailbox);
  CHECK(class_of("failed", "5.2.3") == BounceClass::size);
  CHECK(class_of("failed", "5.3.4") == BounceClass::size);
  CHECK(class_of("failed", "5.4.4") == BounceClass::domain);
  CHECK(class_of("failed", "4.4.7") == BounceClass::relay);
  CHECK(class_of("failed", "5.7.26") == BounceClass::auth);
  CHECK(class_of("failed", "5.0.0") == BounceClass::unknown);
  CHECK(class_of("delayed", "5.1.1") == BounceClass::delayed);
  CHECK(class_of("expanded", "2.0.0") == BounceClass::success);
}

TEST_CASE("diagnosis: only the recipient's own lasting fault counts") {
  CHECK(counts("failed", "5.1.1"));
  CHECK(counts("failed", "5.1.2"));
  CHECK(counts("failed", "5.2.2"));
  CHECK(counts("failed", "5.0.0", "550 5.1.1 unknown"));
  CHECK(counts("failed", "4.2.2"));  // full until the server gave up
  CHECK_FALSE(counts("delayed", "4.2.2"));
  CHECK_FALSE(counts("failed", "4.4.1"));
  CHECK_FALSE(counts("failed", "5.2.3"));
  CHECK_FALSE(counts("failed", "5.1.8"));
  CHECK_FALSE(counts("failed", "5.7.1"));
  CHECK_FALSE(counts("failed", "5.0.0"));
  CHECK_FALSE(counts("failed", ""));
  CHECK_FALSE(counts("delayed", "5.1.1"));
  CHECK_FALSE(counts("relayed", "5.1.1"));
}

TEST_CASE("diagnosis: a deferral counts only where it speaks of a full or missing mailbox") {
  CHECK(counts("failed", "4.2.2", "452 4.2.2 try later"));
  CHECK(counts("failed", "4.2.0", "450 4.2.0 mailbox full"));
  CHECK(counts("failed", "4.0.0", "452 over quota"));
  CHECK(counts("failed", "4.1.1", "450 4.1.1 User unknown in local recipient table"));
  for (const char* words :
       {"450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents",
        "450 4.2.0 busy", "450 4.2.0 mailbox is locked by another process",
        "450 4.2.0 Mailbox temporarily unavailable", "450 4.2.1 mailbox unavailable",
        "450 4.1.1 Recipient address rejected: unverified address: verification in progress",
        "450 4.1.1 later", "450 mailbox unavailable", "452 4.3.1 insufficient disk space",
        "450 4.7.1 your host doesn't have a name", ""}) {
    INFO(words);
    CHECK_FALSE(counts("failed", std::string(words).substr(0, 9) == "450 4.2.1" ? "4.2.1" : "4.0.0",
                       words));
  }
}

TEST_CASE("diagnosis: where the status says little the words decide") {
  CHECK(class_of("failed", "5.0.0", "550 User unknown") == BounceClass::mailbox);
  CHECK(class_of("failed", "5.7.1", "550 5.7.1 blocked using a DNSBL") == BounceClass::spam);
  CHECK(class_of("failed", "5.7.1", "550 5.7.1 SPF: not permitted") == BounceClass::auth);
  CHECK(class_of("failed", "4.7.1", "450 4.7.1 Greylisted for 300 s") == BounceClass::greylist);
  CHECK(class_of("failed", "5.3.0", "552 Mailbox full") == BounceClass::full);
  CHECK(class_of("failed", "5.4.4", "Host not found") == BounceClass::domain);
  CHECK(class_of("failed", "5.3.0", "552 message too large") == BounceClass::size);
}

TEST_CASE("diagnosis: a status that says much is not talked over") {
  CHECK(class_of("failed", "5.2.2", "552 5.2.2 user unknown") == BounceClass::full);
  CHECK(class_of("failed", "5.1.1", "550 5.1.1 blocked") == BounceClass::mailbox);
  CHECK(class_of("failed", "5.7.26", "550 5.7.26 user unknown") == BounceClass::auth);
}

TEST_CASE("diagnosis: a code that is part of something else is none") {
  CHECK(quoted_code("host said: 550 no") == 550);
  CHECK(quoted_code("421-4.3.2 busy") == 421);
  CHECK(quoted_code("550: unknown") == 550);
  for (const char* none : {"", "5500", "x550", "10.0.0.450.1", "a-550", "599 x", "470 x", "55"}) {
    INFO(none);
    CHECK(quoted_code(none) == 0);
  }
}

TEST_CASE("diagnosis: a failure without a status is given the one of its code") {
  Report report = only("Final-Recipient: a@x.org\nAction: failed\nDiagnostic-Code: smtp; 450 no\n");
  CHECK(telling_status(report) == "4.0.0");
  report.diagnostic.clear();
  CHECK(telling_status(report) == "5.0.0");
  CHECK(telling_status(only("Final-Recipient: a@x.org\nAction: delayed\n")).empty());
  CHECK(telling_status(only("Final-Recipient: a@x.org\nAction: failed\nStatus: 553 too big\n")) ==
        "5.0.0");
}
