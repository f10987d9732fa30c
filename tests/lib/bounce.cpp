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

TEST_CASE("bounce: a forwarded bounce without a report is read and a forwarded post is none") {
  const auto forwarded = [](const std::string& inner) {
    return message_to_reports(
        tamed_text("From: ann@x.org\nSubject: Fwd\n"
                   "Content-Type: multipart/mixed; boundary=f\n\n--f\n\nWhat is this?\n"
                   "--f\nContent-Type: message/rfc822\n\n" +
                   inner + "\n--f--\n"));
  };
  const auto reports = forwarded(
      "From: MAILER-DAEMON@c.org\nSubject: failure notice\n\n<bob@c.org>:\nno (#5.1.1)\n");
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].final_recipient == "bob@c.org");
  CHECK(reports[0].status == "5.1.1");
  CHECK(forwarded("From: bob@c.org\nSubject: hello\n\n<bob@c.org>:\nsays hello\n").empty());
}

TEST_CASE("bounce: an automatic answer fails nobody and says who answers") {
  const auto reports = message_to_reports(
      tamed_text("From: Ann <ann@c.org>\nSubject: Out of office: x\nAuto-Submitted: auto-replied\n"
                 "\nMail to bob@c.org will not be delivered.\n"));
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].action == Action::replied);
  CHECK(reports[0].final_recipient == "ann@c.org");
}

TEST_CASE("bounce: an answer that quotes a bounce fails nobody") {
  const std::string text =
      "\n> The following address failed:\n>   bob@c.org\n\nI got this, what is it?\n";
  const std::string from = "From: Ann <ann@c.org>\nSubject: Re: Mail delivery failed\n";
  CHECK(message_to_reports(tamed_text(from + "In-Reply-To: <1@x.org>\n" + text)).empty());
  CHECK_FALSE(
      message_to_reports(tamed_text("From: MAILER-DAEMON@c.org\nSubject: Re: Mail delivery failed\n"
                                    "In-Reply-To: <1@x.org>\n" +
                                    text))
          .empty());
}

TEST_CASE("bounce: a feedback report is a complaint and one about authentication is none") {
  const auto complaint = [](const std::string& kind) {
    return message_to_reports(
        tamed_text("From: fbl@c.org\nContent-Type: multipart/report; boundary=r\n\n--r\n"
                   "Content-Type: message/feedback-report\n\nFeedback-Type: " +
                   kind + "\nOriginal-Rcpt-To: <ann@c.org>\n\n--r--\n"));
  };
  REQUIRE(complaint("abuse").size() == 1);
  CHECK(complaint("abuse")[0].action == Action::complained);
  CHECK(complaint("abuse")[0].final_recipient == "ann@c.org");
  CHECK(complaint("auth-failure").empty());
}

TEST_CASE("bounce: a feedback report that keeps back who complained is a complaint of nobody") {
  const auto reports = message_to_reports(
      tamed_text("From: fbl@c.org\nContent-Type: multipart/report; boundary=r\n\n--r\n"
                 "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
                 "Original-Rcpt-To: <redacted>\n\n--r--\n"));
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].action == Action::complained);
  CHECK(reports[0].address().empty());
}

TEST_CASE("bounce: X-Failed-Recipients names them in whatever language the text is") {
  const auto reports = message_to_reports(
      tamed_text("From: mailer-daemon@c.org\nX-Failed-Recipients: ann@c.org, bob@c.org\n"
                 "Subject: x\n\nDobrý den, list@x.org,\n\n550 5.2.1 ne\n"));
  REQUIRE(reports.size() == 2);
  CHECK(reports[1].final_recipient == "bob@c.org");
  CHECK(reports[1].action == Action::failed);
}

TEST_CASE("bounce: a report that was cut anywhere says the same or nothing") {
  const std::string whole = tamed_text(report_message);
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    for (const Report& report : message_to_reports(whole.substr(0, cut))) {
      CHECK(report.action != Action::delivered);
      CHECK(report.address().find('@') != std::string::npos);
    }
  }
}

TEST_CASE("bounce: words in any transfer encoding and charset are read") {
  const auto status = [](const std::string& head, const std::string& body) {
    const auto reports = message_to_reports(
        tamed_text("From: MAILER-DAEMON@c.org\nSubject: failure notice\n" + head + "\n\n" + body));
    return reports.size() == 1 ? reports[0].final_recipient + ' ' + reports[0].status : "";
  };
  CHECK(status("Content-Transfer-Encoding: base64", "PGFubkBjLm9yZz46Cm5vICgjNS4xLjEpCg==\n") ==
        "ann@c.org 5.1.1");
  CHECK(status("Content-Transfer-Encoding: quoted-printable",
               "=3Cann@c.org=3E:\nno (#5.=\n1.1)\n") == "ann@c.org 5.1.1");
  CHECK(status("Content-Type: text/html", "<p>&lt;ann@c.org&gt;:<br>no (#5.1.1)</p>") ==
        "ann@c.org 5.1.1");
  CHECK(status("Content-Type: text/plain; charset=iso-2022-jp",
               "\x1b$B$3$l\x1b(B\n\n<ann@c.org>:\nno (#5.1.1)\n") == "ann@c.org 5.1.1");
}
