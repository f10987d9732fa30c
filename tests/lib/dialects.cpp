#include "mail/dialects.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "mail/mime.hpp"
#include "mail/shapes.hpp"

using namespace ml;

namespace {

Notice notice(std::string_view head, std::string_view body) {
  std::string message(head);
  if (message.find("From: ") == std::string::npos) message += "From: MAILER-DAEMON@mx.c.org\n";
  message += "To: list@x.org\n\n";
  message += body;
  const std::string text = tamed_text(message);
  return message_to_notice(text, text_to_parts(text));
}

// "ann@c.org 5.1.1, bob@c.org 5.0.0"
std::string told(const std::vector<Report>& reports) {
  std::string line;
  for (const Report& report : reports) {
    if (!line.empty()) line += ", ";
    line += report.final_recipient + ' ';
    if (report.action != Action::failed) line += std::string(action_to_text(report.action)) + ' ';
    line += report.status;
  }
  return line;
}

std::string told_by_shape(std::string_view head, std::string_view body) {
  return told(shape_to_reports(notice(head, body)));
}

// One for each row of the table: our own text around the words of the dialect.
struct Sample {
  std::string_view dialect;
  std::string_view want;
  std::string_view body;
  std::string_view head = "";
};

constexpr std::array samples = std::to_array<Sample>({
    {"gmail-delay", "ann@c.org delayed 4.0.0",
     "Delivery to the following recipient has been delayed:\n\n     ann@c.org\n\nMore to come.\n"},
    {"gmail-delays", "ann@c.org delayed 4.0.0, bob@d.org delayed 4.0.0",
     "Delivery to the following recipients has been delayed:\n\n  ann@c.org\n  bob@d.org\n"},
    {"opensmtpd-delay", "ann@c.org delayed 4.0.0",
     "A message is delayed for more than 4 hours for the following\nlist of recipients:\n\n"
     "ann@c.org: No route to host\n"},
    {"exim-delay", "ann@c.org delayed 4.0.0",
     "The address to which the message has not yet been delivered is:\n\n  ann@c.org\n"},
    {"exim-delays", "ann@c.org delayed 4.0.0, bob@c.org delayed 4.0.0",
     "The addresses to which the message has not yet been delivered are:\n\n  ann@c.org\n"
     "    Delay reason: busy\n  bob@c.org\n    Delay reason: busy\n"},
    {"sendmail-delay", "ann@c.org delayed 4.0.0",
     "   ----- The following addresses had transient non-fatal errors -----\n<ann@c.org>\n"},
    {"qmail", "ann@c.org 5.1.1, bob@d.org 4.4.1",
     "I'm afraid I wasn't able to deliver your message to the following addresses.\n\n"
     "<ann@c.org>:\nNobody here of that name. (#5.1.1)\n\n<bob@d.org>:\nNo answer. (#4.4.1)\n\n"
     "--- Below this line is a copy of the message.\n\nTo: eve@x.org\n\n<eve@x.org>:\n"},
    {"yahoo", "ann@c.org 5.0.0",
     "Message from c.org.\nUnable to deliver message to the following address(es).\n\n"
     "<ann@c.org>:\n554 delivery error\n\n--- Original message follows.\n"},
    {"yahoo-nameless", "ann@c.org 5.0.0",
     "I wasn't able to deliver the following message.\n\n"
     "---Below this line is a copy of the message.\n\nDate: today\nTo: ann@c.org\nSubject: x\n"},
    {"secureserver", "ann@c.org 5.0.0",
     "There's a problem with the e-mail address(es) you're trying to send to.\n\n"
     "<ann@c.org>:\nThe box is full.\n"},
    {"eyou", "ann@c.org 5.0.0",
     "This is the deliver program at c.org.\n\nann@c.org : no such account\n\n----\n"},
    {"ieo", "ann@c.org 5.0.0",
     "Hello, this is the email server at c.org.\n\nThe address ann@c.org, is not of here.\n"},
    {"earthlink", "ann@c.org 5.0.0",
     "Sorry, unable to deliver your message to ann@c.org for this reason:\nclosed\n"},
    {"gmail", "ann@c.org 5.2.2",
     "Delivery to the following recipient failed permanently:\n\n     ann@c.org\n\n"
     "Technical details:\nThe other server answered:\n552 5.2.2 full\n\n"
     "----- Original message -----\nTo: eve@d.org\n"},
    {"outlook", "ann@c.org 5.0.0, bob@c.org 5.0.0",
     "Delivery to the following recipients failed.\n\n       ann@c.org\n       bob@c.org\n"},
    {"smtpsvc-aborted", "ann@c.org 5.0.0",
     "Delivery to the following recipients was aborted after 2 second(s):\n\n  * ann@c.org\n"},
    {"gmail-page", "ann@c.org 5.1.1",
     "Address not found\n\nYour message wasn't delivered to ann@c.org because there is none.\n\n"
     "The response was:\n550 5.1.1 nobody\n"},
    {"gmail-problem", "ann@c.org 5.0.0",
     "Message not delivered\n\nThere was a problem delivering your message to ann@c.org. See "
     "below.\n"},
    {"exchange", "ann@c.org 5.0.0",
     "Your message\n\n  To:      news@x.org\n  Subject: x\n\ndid not reach the following "
     "recipient(s):"
     "\n\nann@c.org on Fri, 1 Jan 2010 00:00:00 -0000\n    The name is not known\n"},
    {"exchange-x400", "ann@c.org 5.0.0",
     "did not reach the following recipient(s):\n\nc=DE;a= ;p=C;o=S;dda:SMTP=ann@c.org; "
     "on\nFriday\n"},
    {"exchange-plain", "ann@c.org 5.0.0",
     "Your message did not reach the following recipient:\n\n  ann@c.org\n"},
    {"exchange-2007", "ann@c.org 5.1.1",
     "Delivery has failed to these recipients or distribution lists:\n\nann@c.org\nNo such "
     "name.\n\n"
     "#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n"},
    {"exchange-2010", "ann@c.org 5.0.0",
     "Delivery has failed to these recipients or groups:\n\nann@c.org<mailto:ann@c.org>\nNo.\n"},
    {"exchange-server", "ann@c.org 5.1.1",
     "Nicht zustellbar\n\nGenerating server: mx.c.org\n\nann@c.org\n#550 5.1.1 not found ##\n"},
    {"exchange-de", "ann@c.org 5.0.0",
     "Fehler bei der Nachrichtenzustellung an folgende Empfänger oder "
     "Verteilerlisten:\n\nann@c.org\n"},
    {"exchange-de-old", "ann@c.org 5.0.0",
     "Ihre Nachricht konnte den folgenden Empfänger nicht erreichen:\n\nann@c.org am 1.1.\n"},
    {"exchange-fr", "ann@c.org 5.0.0",
     "Ce message n'a pas pu être remis aux destinataires suivants :\n\nann@c.org\n"},
    {"exchange-fr-2007", "ann@c.org 5.0.0",
     "Échec de la remise pour ces destinataires ou listes :\n\nann@c.org\n"},
    {"exchange-es", "ann@c.org 5.0.0",
     "Error de entrega a los siguientes destinatarios o grupos:\n\nann@c.org\n"},
    {"exchange-it", "ann@c.org 5.0.0",
     "Recapito non riuscito per i seguenti destinatari o gruppi:\n\nann@c.org\n"},
    {"exchange-nl", "ann@c.org 5.0.0",
     "Het bezorgen is mislukt voor deze geadresseerden of groepen:\n\nann@c.org\n"},
    {"office365", "ann@c.org 5.0.0",
     "Your message couldn't be delivered to the following recipients:\n\nann@c.org\n"},
    {"smtpsvc", "ann@c.org 5.0.0",
     "The email below could not be delivered to the following user:\n\n<ann@c.org>\n\nOld "
     "message:\n"},
    {"exim", "ann@c.org 5.1.1, bob@d.org 5.0.0",
     "The following address(es) failed:\n\n  ann@c.org\n    SMTP error from remote mail server\n"
     "    <eve@x.org>: sender: 550 5.1.1 no\n\n  bob@d.org\n    retry timeout exceeded\n"},
    {"exim-to-one", "ann@c.org 5.0.0", "The following address failed:\n\n<ann@c.org>: 550 No\n"},
    {"exim-frozen", "ann@c.org 5.0.0",
     "Message 1x has been frozen.\nThe following address(es) have yet to be delivered:\n\n"
     "  ann@c.org: Too many Received headers\n"},
    {"exim-undisclosed", "ann@c.org 5.0.0",
     "One failed:\n\n  an undisclosed address\n    (generated from ann@c.org)\n    mailbox is "
     "full\n"},
    {"exim-pipe", "ann@c.org 5.0.0",
     "It failed:\n\n  pipe to |/usr/bin/filter\n    generated by ann@c.org\n    status 1\n"},
    {"zoho", "ann@c.org 5.1.1",
     "A message could not be delivered to one or more of its recipients. Sorry.\n\n"
     "ann@c.org Invalid Address, ERROR_CODE :550, ERROR_CODE :5.1.1 no\n"},
    {"exim-all", "ann@c.org 5.0.0",
     "It could not be delivered to all of its recipients:\n\n  ann@c.org\n    unrouteable\n"},
    {"mail.ru", "ann@c.org 5.0.0",
     "A message that you sent was rejected.\n\n  ann@c.org\n    550 spam\n"},
    {"demon", "ann@c.org 5.0.0",
     "This message was created automatically by mail delivery software.\n\nMail addressed to "
     "'ann@c.org' failed.\n"},
    {"robanal", "ann@c.org 5.0.0",
     "This message was created automatically by mail delivery software.\n\n  RCPT TO: "
     "<ann@c.org>\n"},
    {"postfix", "ann@c.org 5.0.0, bob@c.org 5.1.1",
     "it could not\nbe delivered to one or more recipients. It's attached below.\n\n"
     "For assistance, please send mail to postmaster.\n\n<ann@c.org>: host mx.c.org said: 550 no\n"
     "    <eve@x.org> (in reply to MAIL FROM command)\n\n<bob@c.org>: 550 5.1.1 no\n"},
    {"postfix-old", "ann@c.org 5.0.0",
     "could not be delivered to one or more destinations.\n\nplease contact <postmaster@c.org>\n\n"
     "<ann@c.org>: Command died\n"},
    {"sendmail", "ann@c.org 5.1.1",
     "   ----- The following addresses had permanent fatal errors -----\n<ann@c.org>\n"
     "    (reason: 550 5.1.1 no)\n"},
    {"sendmail-problems", "ann@c.org 5.0.0",
     "--- The following addresses had delivery problems ---\n\n<ann@c.org>   (User unknown)\n"},
    {"opensmtpd", "ann@c.org 5.0.0",
     "    An error has occurred for\n    the following list of recipients:\n\n"
     "ann@c.org: 550 nobody\n\n    Below is a copy of the original message:\n\nTo: eve@x.org\n"},
    {"courier", "ann@c.org 5.0.0",
     "Your message to the following recipients cannot be delivered:\n\n<ann@c.org>:\n    <<< 550 "
     "no\n"},
    {"dragonfly", "ann@c.org 5.1.1",
     "There was an error delivering your mail to <ann@c.org>.\n\nmx did not like it:\n550 5.1.1 "
     "no\n"},
    {"smail", "ann@c.org 5.0.0",
     "|---- Failed addresses follow: ----|\n ann@c.org ... unknown user\n"
     "|--- Message text follows: ---|\n"},
    {"imail-userid", "ann@c.org 5.0.0", "Invalid final delivery userid: ann@c.org\n"},
    {"imail-attempts", "ann@c.org 5.0.0", "Delivery failed 20 attempts: ann@c.org\n"},
    {"imail-user", "ann@c.org 5.0.0", "Unknown user: ann@c.org\n", "X-Mailer: <SMTP32 v8>\n"},
    {"imail-host", "ann@c.org 5.0.0", "Unknown host: ann@c.org\n", "X-Mailer: <SMTP32 v8>\n"},
    {"imail-full", "ann@c.org 5.0.0", "User mailbox exceeds allowed size: ann@c.org\n"},
    {"imail", "ann@c.org 5.0.0", "undeliverable to ann@c.org\nOriginal message follows.\n"},
    {"compuserve", "ann@c.org 5.0.0", "Invalid receiver address: ann@c.org\n"},
    {"hotpop", "ann@c.org 5.0.0", "Undeliverable Address: ann@c.org\n\nReason: over disk quota\n"},
    {"lsmtp", "ann@c.org 5.0.0, bob@c.org 5.0.0",
     "The list is in a special format.\n\nError-for:  ann@c.org\nError-Code: 3\n\n"
     "Error-for:  bob@c.org\nError-Code: 3\n"},
    {"mailenable", "ann@c.org 5.0.0",
     "Not delivered.\n\nRecipient: [SMTP:ann@c.org]\nReason: no\n"},
    {"usa.net", "ann@c.org 5.0.0", "Intended recipient: ann@c.org\n"},
    {"prodigy", "ann@c.org 5.0.0", "User's mailbox is full: <ann@c.org>\nSorry.\n"},
    {"failed-recipient", "ann@c.org 5.0.0", "Failed Recipient: ann@c.org\nReason: none\n"},
    {"surfcontrol", "ann@c.org 5.0.0",
     "Your message could not be sent.\nAddressed To: ann@c.org\n\n[192.0.2.1], 550 no such user\n"},
    {"kddi", "ann@c.org 5.0.0",
     "Your mail sent on: Friday\n    Could not be delivered to: <ann@c.org>\n    It is full.\n"},
    {"mailfoundry", "ann@c.org 5.0.0",
     "Unable to deliver message to: <ann@c.org>\nServer mx.c.org failed with: 550 no\n"},
    {"virus-wall", "ann@c.org 5.0.0", "Unable to deliver message to <ann@c.org>.\n"},
    {"interscan", "ann@c.org 5.0.0",
     "Message from InterScan:\nSent >>> RCPT TO:<ann@c.org>\nReceived <<< 550 no\n"},
    {"james", "ann@c.org 5.0.0",
     "Message details:\n  RCPT TO: ann@c.org\n  Size: 3\n\nError message below:\n550 - no\n"},
    {"vtext", "ann@c.org 5.0.0",
     "Error: no\n\nMessage details:\n  MAIL FROM: eve@x.org\n  RCPT TO: ann@c.org\n"},
    {"vzwpix", "ann@c.org 5.0.0",
     "Message could not be delivered to mobile.\nError: none\n\nOriginal Message:\n"
     "From: Eve <eve@x.org>\nTo: ann@c.org\nSubject: x\n",
     "From: sysadmin@c.org\n"},
    {"sun-messaging", "ann@c.org 5.1.1, bob@c.org 5.0.0",
     "Your message cannot be delivered to the following recipients:\n\n"
     "  Recipient address: ann@c.org\n  Diagnostic code: smtp;550 5.1.1 no\n\n"
     "  Recipient address: bob@c.org\n  Diagnostic code: smtp;550 no\n"},
    {"ezweb", "ann@c.org 5.0.0",
     "Each of the following recipients was rejected by a remote\nmail server.\n\n"
     "    Recipient: <ann@c.org>\n    >>> RCPT TO:<ann@c.org>\n    <<< 550 unknown\n"},
    {"x6", "ann@c.org 5.1.1",
     "SMTP Server <mx.c.org> rejected recipient <ann@c.org>: [550 5.1.1 User unknown]\n"},
    {"sieve", "ann@c.org 5.0.0",
     "Your message to <ann@c.org> was automatically rejected:\nFull.\n"},
    {"socgen", "ann@c.org 5.0.0", "Your message could not be delivered to\n   ann@c.org\n"},
    {"dadoservice", "ann@c.org 5.0.0",
     "Your message has encountered delivery problems.\n(when addressed to ann@c.org)\n"},
    {"fml", "news@c.org 5.0.0",
     "You are not a member of this mailing list <news@c.org>.\n\nOriginal mail as follows:\n",
     "From: news-admin@c.org\nX-MLServer: fml [fml 4.0]\n"},
    {"ezweb-user", "ann@c.org 5.0.0",
     "The following recipients did not receive this message:\n\n    <ann@c.org>\n"},
    {"mdaemon", "ann@c.org 5.0.0",
     "The following addresses did NOT receive a copy of your message:\n\n> ann@c.org\n"},
    {"mdaemon-user", "ann@c.org 5.0.0", "ann@c.org - no such user here.\n"},
    {"groupwise", "ann@c.org 5.0.0",
     "The message that you sent was undeliverable to the following:\n\tann@c.org (user not "
     "found)\n"},
    {"mailmarshal", "ann@c.org 5.1.1",
     "Could not be delivered because of\n\n550 5.1.1 User unknown\n\n"
     "The following recipients were affected: \n    ann@c.org\n"},
    {"domino", "ann@c.org 5.0.0",
     "Your message\n\n  Subject: x\n\nwas not delivered to:\n\n  ann@c.org\n\nbecause:\n\n  No "
     "one\n"},
    {"notes", "ann@c.org 5.0.0",
     "------- Failure Reasons  --------\n\nUser not listed in public Name & Address "
     "Book\nann@c.org\n\n"
     "------- Returned Message --------\n"},
    {"uci", "ann@c.org 5.0.0",
     " --------Message not delivered to the following addresses:\n\n   ann@c.org (no match)\n"},
    {"fastdns", "ann@c.org 5.0.0",
     "The following recipient(s) could not be reached:\n\nann@c.org\n\nError Type: SMTP\n"},
    {"webshield", "ann@c.org 5.0.0",
     "--- Here is your List of Failed Recipients ---\n<ann@c.org>\n"},
    {"e500", "ann@c.org 5.0.0", "------ Failed Recipients ------\n\n<ann@c.org>: gone\n"},
    {"notification", "ann@c.org 5.0.0",
     "This is a delivery failure notification message.\n\n-- ann@c.org\n"},
    {"aol", "ann@mx.c.org 5.0.0, bob@mx.c.org 5.0.0",
     "It failed because they are not accepting mail from eve@x.org:\n\tann\n\tbob\n"},
});

}  // namespace

TEST_CASE("dialects: every row finds whom its server means and what it says of them") {
  for (const Sample& sample : samples) {
    INFO(sample.dialect);
    const Words words = words_to_reports(notice(sample.head, sample.body));
    CHECK(words.dialect == sample.dialect);
    CHECK(told(words.reports) == sample.want);
  }
}

TEST_CASE("dialects: every row has its sample") {
  for (const auto name : dialect_names()) {
    INFO(name);
    CHECK(std::ranges::count(samples, name, &Sample::dialect) == 1);
  }
}

TEST_CASE("dialects: words are found however they are wrapped") {
  const auto words = words_to_reports(
      notice("",
             "I'm afraid I wasn't able to deliver\n  your message\tto the following\naddresses.\n\n"
             "<ann@c.org>:\nno\n"));
  CHECK(told(words.reports) == "ann@c.org 5.0.0");
}

TEST_CASE("dialects: a plea not to resend makes a report of a delay out of any") {
  const auto words = words_to_reports(notice(
      "",
      "It could not be delivered to the following list of recipients for the following list of "
      "recipients:\n\nann@c.org: busy\n\nYou do not need to resend your message.\n"));
  CHECK(told(words.reports) == "ann@c.org delayed 4.0.0");
}

TEST_CASE("dialects: a line that begins with an address in brackets is enough for a mail server") {
  CHECK(told_by_shape("", "Tyvärr.\n\n<ann@c.org>:\nfinns inte\n\n<bob@c.org>:\nfull\n") ==
        "ann@c.org 5.0.0, bob@c.org 5.0.0");
  CHECK(told_by_shape("From: eve@c.org\nSubject: hi\n", "<ann@c.org>:\nnot there\n").empty());
}

TEST_CASE("dialects: the transcript of a dialogue names whom the server refused") {
  CHECK(told_by_shape("",
                      "----- Transcript -----\n>>> RCPT TO:<ann@c.org>\n<<< 550 no\n"
                      ">>> RCPT TO:<bob@c.org>\n<<< 250 ok\n") == "ann@c.org 5.0.0");
  CHECK(told_by_shape("", "550 <ann@c.org>... User unknown\n") == "ann@c.org 5.0.0");
  CHECK(told_by_shape("", "Sent <<< RCPT TO:<ann@c.org>\nReceived >>> 550 5.1.1 no\n") ==
        "ann@c.org 5.1.1");
}

TEST_CASE("dialects: a line that is an address and a sentence about one are enough") {
  CHECK(told_by_shape("", "We tried.\n\n   ann@c.org\n\nIt went wrong.\n") == "ann@c.org 5.0.0");
  CHECK(told_by_shape("", "Your mail for ann@c.org was rejected: 552 5.2.2 full\n") ==
        "ann@c.org 5.2.2");
}

TEST_CASE("dialects: nobody who only stands by is blamed") {
  CHECK(told_by_shape("", "Your mail was not delivered. Ask postmaster@c.org.\n").empty());
  CHECK(told_by_shape("", "list@x.org wrote; it was not delivered.\n").empty());
}

TEST_CASE("dialects: a message that came back without a word blames its only recipient") {
  const std::string back = "Undeliverable.\n\n--- Original message ---\nReceived: x\nTo: ";
  CHECK(told_by_shape("", back + "ann@c.org\nSubject: x\n") == "ann@c.org 5.0.0");
  CHECK(told_by_shape("", back + "ann@c.org, bob@c.org\nSubject: x\n").empty());
}

TEST_CASE("dialects: where nobody is named the bounce address says whom it is about") {
  const auto to = [](const std::string& address) {
    const std::string text =
        tamed_text("From: MAILER-DAEMON@mx.c.org\nSubject: Returned mail\nTo: " + address +
                   "\n\nThe mailbox is full.\n");
    return told(shape_to_reports(message_to_notice(text, text_to_parts(text))));
  };
  CHECK(to("news-bounces+ann=c.org@x.org") == "ann@c.org 5.0.0");
  CHECK(to("news-return-12-ann-marie=c.org@x.org") == "ann-marie@c.org 5.0.0");
  CHECK(to("news-bounces@x.org").empty());
  CHECK(to("a=b.org@x.org").empty());
}

TEST_CASE("dialects: a delay is one in other languages too") {
  const std::string head = "Subject: Warning: message delayed\n";
  const auto waits = [&](std::string_view words) {
    return told_by_shape(head, std::string(words) + "\n\n  ann@c.org\n").empty();
  };
  CHECK(waits("Die Zustellung wird weiterhin versucht."));
  CHECK(waits("Votre message n'a pas encore été remis."));
  CHECK(waits("Su mensaje todavía no se ha entregado."));
  CHECK(waits("A sua mensagem ainda não foi entregue."));
  CHECK(waits("Il messaggio non è ancora stato consegnato."));
  CHECK(waits("Доставка письма задерживается."));
  CHECK(waits("メールの配信が遅れています。"));
  CHECK_FALSE(waits("Die Zustellung war verzögert und ist endgültig gescheitert."));
}

TEST_CASE("dialects: successes and delays of unknown dialects blame nobody") {
  CHECK(told_by_shape("", "Your message has been delivered to\n\n  ann@c.org\n").empty());
  CHECK(told_by_shape("", "<ann@c.org>:\nstill trying to deliver it\n").empty());
}
