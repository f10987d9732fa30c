#include "lmtp/command.hpp"

#include <catch2/catch.hpp>

#include "lmtp/verdict_reply.hpp"

using namespace ml;

namespace {

std::string sender_of(std::string_view line, std::uint64_t max_size = 1000) {
  const Command command = line_to_command(line);
  if (command.verb != CommandVerb::mail) return "no MAIL";
  const auto terms = read_mail(command.argument, {.max_size = max_size});
  return terms ? terms->sender : terms.error();
}

std::string recipient_of(std::string_view line, NonAscii non_ascii = NonAscii::refused) {
  const Command command = line_to_command(line);
  if (command.verb != CommandVerb::rcpt) return "no RCPT";
  const auto recipient = read_rcpt(command.argument, non_ascii);
  return recipient ? *recipient : recipient.error();
}

}  // namespace

TEST_CASE("lmtp command: verbs compare without case and blanks around arguments go") {
  CHECK(line_to_command("lhlo  me.test ").verb == CommandVerb::lhlo);
  CHECK(line_to_command("lhlo  me.test ").argument == "me.test");
  CHECK(line_to_command("EHLO x").verb == CommandVerb::helo);
  CHECK(line_to_command("HELO x").verb == CommandVerb::helo);
  CHECK(line_to_command("MAIL TO:<a@x.org>").verb == CommandVerb::unknown);
  CHECK(line_to_command("RCPTTO:<a@x.org>").verb == CommandVerb::unknown);
  CHECK(line_to_command("").verb == CommandVerb::unknown);
  CHECK(line_to_command(" DATA").verb == CommandVerb::unknown);
}

TEST_CASE("lmtp command: MAIL gives the sender in our spelling") {
  CHECK(sender_of("MAIL FROM:<Ann@X.org>") == "Ann@x.org");
  CHECK(sender_of("mail from: <ann@x.org>") == "ann@x.org");
  CHECK(sender_of("MAIL FROM:<>") == "<>");
  CHECK(sender_of("MAIL FROM:<@a.org,@b.org:ann@x.org>") == "ann@x.org");
  CHECK(sender_of("MAIL FROM:<\"a>b\"@x.org>") == "\"a>b\"@x.org");
  CHECK(sender_of("MAIL FROM:<ann@x.org> SIZE=1000 BODY=8BITMIME smtputf8") == "ann@x.org");
  CHECK(sender_of("MAIL FROM:<\u00e4nn@x.org> SMTPUTF8") == "\u00e4nn@x.org");
}

TEST_CASE("lmtp command: what is wrong with MAIL has its own reply") {
  CHECK(sender_of("MAIL FROM:<ann@x.org> SIZE=1001").starts_with("552 5.3.4 "));
  CHECK(sender_of("MAIL FROM:<ann@x.org> SIZE=x").starts_with("501 5.5.4 "));
  CHECK(sender_of("MAIL FROM:<ann@x.org> BODY=BINARYMIME").starts_with("501 5.5.4 "));
  CHECK(sender_of("MAIL FROM:<ann@x.org> RET=HDRS").starts_with("555 5.5.4 "));
  CHECK(sender_of("MAIL FROM:<ann@x.org>SIZE=1").starts_with("501 5.5.4 "));
  CHECK(sender_of("MAIL FROM:ann@x.org").starts_with("501 5.5.4 "));
  CHECK(sender_of("MAIL FROM:<ann@x.org").starts_with("501 5.5.4 "));
  CHECK(sender_of("MAIL FROM:").starts_with("501 5.5.4 "));
  CHECK(sender_of("MAIL FROM:<ann>").starts_with("501 5.1.7 "));
  CHECK(sender_of("MAIL FROM:<a b@x.org>").starts_with("501 5.1.7 "));
  CHECK(sender_of("MAIL FROM:<\u00e4nn@x.org>").starts_with("553 5.6.7 "));
}

TEST_CASE("lmtp command: RCPT gives the recipient and takes no parameter") {
  CHECK(recipient_of("RCPT TO:<News-bounces+x@X.org>") == "News-bounces+x@x.org");
  CHECK(recipient_of("RCPT TO:<>").starts_with("501 5.1.3 "));
  CHECK(recipient_of("RCPT TO:<news>").starts_with("501 5.1.3 "));
  CHECK(recipient_of("RCPT TO:<news@x.org> NOTIFY=NEVER").starts_with("555 5.5.4 "));
  CHECK(recipient_of("RCPT TO:<n\u00e9ws@x.org>").starts_with("553 5.6.7 "));
  CHECK(recipient_of("RCPT TO:<n\u00e9ws@x.org>", NonAscii::taken) == "n\u00e9ws@x.org");
}

TEST_CASE("lmtp verdict: every verdict of ours is one line that a mail server understands") {
  const auto reply = [](Status status, std::string text) {
    return verdict_to_reply({status, std::move(text)});
  };
  CHECK(reply(Status::rejected, "5.1.1 no such list") == "550 5.1.1 no such list");
  CHECK(reply(Status::denied, "5.7.1 only subscribers") == "550 5.7.1 only subscribers");
  CHECK(reply(Status::rejected, "5.3.4 message too big") == "552 5.3.4 message too big");
  CHECK(reply(Status::rejected, "5.6.0 no From") == "554 5.6.0 no From");
  CHECK(reply(Status::rejected, "bad") == "554 5.6.0 bad");
  CHECK(reply(Status::retry, "the disk is full") == "451 4.3.0 the disk is full");
  CHECK(reply(Status::retry, "5.1.1 looks like a rejection") ==
        "451 4.3.0 5.1.1 looks like a rejection");
  CHECK(reply(Status::retry, "4.3.1 no room") == "451 4.3.1 no room");
  CHECK(reply(Status::retry, "") == "451 4.3.0 try again later");
  CHECK(reply(Status::retry, "two\r\n250 lines").find('\n') == std::string::npos);
  CHECK(reply(Status::rejected, std::string(5000, 'x')).size() <= 500);
}
