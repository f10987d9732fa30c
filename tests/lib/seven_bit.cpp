#include "mail/seven_bit.hpp"

#include <catch2/catch.hpp>

#include "mail/dsn_request.hpp"

using namespace ml;

TEST_CASE("7bit: a message in ASCII keeps every octet", "[seven_bit]") {
  const std::string message = "DKIM-Signature: x\nContent-Transfer-Encoding: 8bit\n\n.\n";
  CHECK(message_to_7bit(message) == message);
}

TEST_CASE("7bit: text becomes quoted-printable and says so", "[seven_bit]") {
  CHECK(message_to_7bit("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
                        "Content-Transfer-Encoding: 8bit\nSubject: x\n\n\xc3\xbc\n") ==
        "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nSubject: x\n"
        "Content-Transfer-Encoding: quoted-printable\n\n=C3=BC\n");
}

TEST_CASE("7bit: a message that says nothing of itself says what it is", "[seven_bit]") {
  CHECK(message_to_7bit("Subject: x\n\n\xc3\xbc\n") ==
        "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: quoted-printable\n\n=C3=BC\n");
  CHECK(message_to_7bit("Subject: x\n\n\xfc\n")->find("charset=unknown-8bit") != std::string::npos);
  CHECK(message_to_7bit("\xc3\xbc\n")->ends_with("\n\n=C3=BC\n"));
}

TEST_CASE("7bit: octets become base64 with the line ends of the wire", "[seven_bit]") {
  const auto made = message_to_7bit("Content-Type: image/x\n\n\xff\n\xfe");
  REQUIRE(made);
  CHECK(made->ends_with("Content-Transfer-Encoding: base64\n\n/w0K/g==\n"));
}

TEST_CASE("7bit: messages attached too deep are refused", "[seven_bit]") {
  std::string message = "\xc3\xbc\n";
  for (int i = 0; i < 4; ++i) message.insert(0, "Content-Type: message/rfc822\n\n");
  CHECK(message_to_7bit(message));
  for (int i = 0; i < 100; ++i) message.insert(0, "Content-Type: message/rfc822\n\n");
  CHECK_FALSE(message_to_7bit(message));
}

TEST_CASE("dsn request: xtext hides what would end a word", "[dsn_request]") {
  CHECK(text_to_xtext("ann+x=y@x.org") == "ann+2Bx+3Dy@x.org");
  CHECK(text_to_xtext("a b\r\n\xc3") == "a+20b+0D+0A+C3");
}

TEST_CASE("dsn request: parameters come in one spelling and once", "[dsn_request]") {
  CHECK(dsn_mail_parameters("HDRS", "x1") == " RET=HDRS ENVID=x1");
  CHECK(dsn_mail_parameters({}, {})->empty());
  CHECK(dsn_rcpt_parameters("delay, success,DELAY", {}) == " NOTIFY=SUCCESS,DELAY");
  CHECK(dsn_rcpt_parameters("Never", "rfc822;a@x.org") == " NOTIFY=NEVER ORCPT=rfc822;a@x.org");
  CHECK_FALSE(dsn_rcpt_parameters("never,delay", {}));
  CHECK_FALSE(dsn_rcpt_parameters("", {}));
  CHECK_FALSE(dsn_rcpt_parameters("success,", {}));
  CHECK_FALSE(dsn_mail_parameters("all", {}));
  CHECK_FALSE(dsn_mail_parameters({}, ""));
}
