#include "mail/ses.hpp"

#include <catch2/catch.hpp>

#include <string>

#include "mail/bounce.hpp"
#include "mail/mime.hpp"

using namespace ml;

namespace {

const std::string bounce =
    R"({"notificationType":"Bounce","bounce":{"bounceType":"Permanent","feedbackId":7,)"
    R"("bouncedRecipients":[{"tries":3,"emailAddress":"ann@c.org","action":"failed",)"
    R"("status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 \"ann\" unknown"}]},)"
    R"("mail":{"source":"list@x.org","destination":["ann@c.org","bob@d.org"]}})";

std::string with_status(std::string_view status) {
  std::string changed = bounce;
  return changed.replace(changed.find("5.1.1"), 5, status);
}

std::string told(std::string_view text) {
  std::string line;
  for (const Report& report : text_to_ses_reports(text)) {
    line += report.final_recipient + ' ' + std::string(action_to_text(report.action)) + ' ' +
            report.status + ';';
  }
  return line;
}

}  // namespace

TEST_CASE("ses: a bounce names its recipients and not those who got the message", "[ses]") {
  const auto reports = text_to_ses_reports(bounce);
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].final_recipient == "ann@c.org");
  CHECK(reports[0].action == Action::failed);
  CHECK(reports[0].status == "5.1.1");
  CHECK(reports[0].diagnostic == "550 5.1.1 \"ann\" unknown");
}

TEST_CASE("ses: a recipient without a status has what the bounce is called", "[ses]") {
  CHECK(told(R"({"bounce":{"bounceType":"Transient","bouncedRecipients":)"
             R"([{"emailAddress":"Ann <ann@c.org>"},{"emailAddress":"bob@d.org"}]}})") ==
        "ann@c.org failed 4.0.0;bob@d.org failed 4.0.0;");
  CHECK(told(R"({"bounce":{"bouncedRecipients":[{"emailAddress":"ann@c.org"}]}})") ==
        "ann@c.org failed 5.0.0;");
}

TEST_CASE("ses: what is no status counts as none", "[ses]") {
  for (const std::string_view status : {"3.1.1", "5.1", "", "no"}) {
    CAPTURE(status);
    CHECK(told(with_status(status)) == "ann@c.org failed 5.0.0;");
  }
}

TEST_CASE("ses: a status with a line end behind it is one", "[ses]") {
  CHECK(told(with_status("5.1.1\\u000a")) == "ann@c.org failed 5.1.1;");
}

TEST_CASE("ses: complaints and delays fail nobody and deliveries say nothing", "[ses]") {
  CHECK(told(R"({"complaint":{"complainedRecipients":[{"emailAddress":"ann@c.org"}]}})") ==
        "ann@c.org complained ;");
  CHECK(told(R"({"eventType":"DeliveryDelay","deliveryDelay":{"delayedRecipients":)"
             R"([{"emailAddress":"ann@c.org","status":"4.4.1"}]}})") == "ann@c.org delayed 4.4.1;");
  CHECK(told(R"({"notificationType":"Delivery","delivery":{"recipients":["ann@c.org"]}})").empty());
}

TEST_CASE("ses: the envelope that SNS puts around it is opened", "[ses]") {
  std::string escaped;
  for (const char c : bounce) {
    if (c == '"' || c == '\\') escaped.push_back('\\');
    escaped.push_back(c);
  }
  CHECK(told(R"({"Type":"Notification","Message":")" + escaped + "\"}") ==
        "ann@c.org failed 5.1.1;");
}

TEST_CASE("ses: a notification that was cut anywhere says the same or nothing", "[ses]") {
  for (std::size_t size = 0; size < bounce.size(); ++size) {
    const std::string said = told(std::string_view(bounce).substr(0, size));
    CHECK((said.empty() || said == "ann@c.org failed 5.1.1;"));
  }
}

TEST_CASE("ses: it is found in the mail that brings it", "[ses]") {
  const auto reports = message_to_reports(
      tamed_text("From: no-reply@sns.amazonaws.com\nSubject: AWS Notification Message\n\n" +
                 bounce + "\n\n--\nTo stop receiving these, visit the link below.\n"));
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].final_recipient == "ann@c.org");
}
