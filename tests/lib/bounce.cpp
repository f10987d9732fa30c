#include "mail/bounce.hpp"

#include <catch2/catch.hpp>

#include <string>

#include "mail/mime.hpp"

using namespace ml;

namespace {

const std::string group =
    "Original-Recipient: rfc822;Ann@example.org\n"
    "Final-Recipient: RFC822; ann@mx.example.org\n"
    "Action: Failed\n"
    "Status: 5.1.1 (no such mailbox)\n"
    "Diagnostic-Code: smtp; 550 5.1.1\n <ann@mx.example.org>: unknown\n";

const std::string report_message =
    "From: MAILER-DAEMON@mx.example.org\n"
    "Content-Type: multipart/report; report-type=delivery-status; boundary=\"=_b\"\n\n"
    "--=_b\n\nSorry.\n--=_b\nContent-Type: message/delivery-status\n\n"
    "Reporting-MTA: dns; mx.example.org\n\n" +
    group + "\n--=_b\nContent-Type: text/rfc822-headers\n\nSubject: hello\n\n--=_b--\n";

}  // namespace

TEST_CASE("bounce: a report is found in its message") {
  const auto reports = message_to_reports(tamed_text(report_message));
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].status == "5.1.1");
}

TEST_CASE("bounce: a forwarded report is found and a returned one does not speak") {
  const std::string forwarded =
      "Content-Type: multipart/mixed; boundary=f\n\n--f\n\nsee below\n"
      "--f\nContent-Type: message/rfc822\n\n" +
      report_message + "\n--f--\n";
  CHECK(message_to_reports(tamed_text(forwarded)).size() == 1);

  std::string delayed = report_message;
  delayed.replace(delayed.find("Failed"), 6, "delayed");
  const std::string returned =
      "Content-Type: multipart/report; boundary=r\n\n--r\nContent-Type: message/rfc822\n\n" +
      report_message + "\n--r\nContent-Type: message/delivery-status\n\n" +
      "Final-Recipient: rfc822; b@x.org\nAction: delayed\nStatus: 4.0.0\n\n--r--\n";
  const auto reports = message_to_reports(tamed_text(returned));
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].final_recipient == "b@x.org");
}

TEST_CASE("bounce: fields quoted in plain mail are no report") {
  CHECK(message_to_reports("Subject: why?\n\n" + group).empty());
  CHECK(message_to_reports("Subject: hello\n\nHello.\n").empty());
}

TEST_CASE("bounce: a report whose structure is broken is read from its raw text") {
  std::string broken = report_message;
  broken.replace(broken.find("boundary"), 8, "boundarx");
  CHECK(message_to_reports(tamed_text(broken)).size() == 1);
  std::string nested;
  for (int i = 0; i < 1000; ++i) nested += "Content-Type: multipart/mixed; boundary=x\n\n--x\n";
  CHECK(message_to_reports(tamed_text(nested + report_message)).size() == 1);
}
