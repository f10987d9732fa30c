#include "lmtp/dialogue.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ml;

namespace {

// Takes all recipients but nobody@; says what it got.
struct Box : Letterbox {
  std::string ask(const std::string&, const std::string& recipient) override {
    return recipient.starts_with("nobody@") ? "550 5.1.1 no such list" : "250 2.1.5 ok";
  }
  void begin() override { now.clear(); }
  Result<> text(std::string_view piece) override {
    if (full) return retry("4.3.1 no room");
    now.append(piece);
    return {};
  }
  void whole(const HandedEnvelope& envelope) override {
    std::string all = envelope.sender + " >";
    for (const std::string& recipient : envelope.recipients) all += ' ' + recipient;
    messages.push_back(all + '|' + now);
    recipients = envelope.recipients.size();
  }

  bool full = false;
  std::string now;
  std::size_t recipients = 0;
  std::vector<std::string> messages;
};

struct Talk {
  explicit Talk(LmtpDialogue::Manner manner = {.name = "lists.test"})
      : dialogue(std::move(manner), box) {
    said();
  }

  std::string said() {
    std::string all(dialogue.output());
    dialogue.wrote(all.size());
    return all;
  }

  // What the client says, in pieces; a whole message is answered at once with 250s. Gives the
  // replies.
  std::string says(std::string_view octets, std::size_t piece = 1000) {
    std::string replies;
    while (!octets.empty()) {
      const std::size_t used = dialogue.hear(octets.substr(0, piece));
      octets.remove_prefix(used);
      if (dialogue.waits_for_answer() && answers) {
        dialogue.answer(std::vector<std::string>(box.recipients, "250 2.0.0 queued"));
      }
      const std::string reply = said();
      replies += reply;
      if (dialogue.over() || (used == 0 && reply.empty())) break;
    }
    return replies;
  }

  Box box;
  LmtpDialogue dialogue;
  bool answers = true;
};

const std::string hello = "LHLO mx.test\r\n";
const std::string envelope =
    "MAIL FROM:<ann@x.org>\r\nRCPT TO:<news@x.org>\r\nRCPT TO:<nobody@x.org>\r\n"
    "RCPT TO:<dev@x.org>\r\nDATA\r\n";

// The codes of a run of replies: "250 550 354".
std::string codes(std::string_view replies) {
  std::string all;
  while (!replies.empty()) {
    const auto end = replies.find("\r\n");
    REQUIRE(end != std::string_view::npos);
    if (replies[3] == ' ') all += (all.empty() ? "" : " ") + std::string(replies.substr(0, 3));
    replies.remove_prefix(end + 2);
  }
  return all;
}

}  // namespace

TEST_CASE("lmtp: it greets and announces what it knows") {
  Box box;
  const LmtpDialogue dialogue({.name = "lists.test"}, box);
  CHECK(dialogue.output() == "220 lists.test LMTP mlpipe\r\n");
  Talk talk({.name = "lists.test", .max_size = 1000});
  CHECK(talk.says(hello) ==
        "250-lists.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
        "250 ENHANCEDSTATUSCODES\r\n");
}

TEST_CASE("lmtp: each recipient that was taken has a reply after the dot and no other has") {
  Talk talk;
  talk.says(hello);
  CHECK(codes(talk.says(envelope)) == "250 250 550 250 354");
  talk.answers = false;
  CHECK(talk.says("Subject: x\r\n\r\n..Hello.\r\n.\r\n") == "");
  CHECK(talk.dialogue.waits_for_answer());
  const std::vector<std::string> replies{"250 2.0.0 queued", "550 5.7.1 only subscribers"};
  talk.dialogue.answer(replies);
  CHECK(talk.said() == "250 2.0.0 queued\r\n550 5.7.1 only subscribers\r\n");
  CHECK(talk.box.messages ==
        std::vector<std::string>{"ann@x.org > news@x.org dev@x.org|Subject: x\r\n\r\n.Hello.\r\n"});
}

TEST_CASE("lmtp: octets cut anywhere say the same") {
  const std::string all = hello + envelope + "Subject: 1\r\n\r\nOne.\r\n.\r\n" + "RSET\r\n" +
                          envelope + ".\r\n" + "NOOP\r\nVRFY x\r\nQUIT\r\n";
  Talk whole;
  const std::string want = whole.says(all);
  CHECK(codes(want) ==
        "250 250 250 550 250 354 250 250 250 250 250 550 250 354 250 250 250 252 221");
  for (std::size_t piece = 1; piece <= 40; ++piece) {
    Talk talk;
    CHECK(talk.says(all, piece) == want);
    CHECK(talk.box.messages == whole.box.messages);
    CHECK(talk.dialogue.over());
  }
}

TEST_CASE("lmtp: what is pipelined behind a message waits until that has been answered") {
  Talk talk;
  talk.says(hello + envelope);
  talk.answers = false;
  const std::string octets = "Hi.\r\n.\r\nMAIL FROM:<bob@x.org>\r\n";
  CHECK(talk.dialogue.hear(octets) == octets.find("MAIL"));
  CHECK_FALSE(talk.dialogue.listens());
  CHECK(talk.dialogue.hear("MAIL") == 0);
}

TEST_CASE("lmtp: EHLO and HELO are not spoken here") {
  Talk talk;
  CHECK(talk.says("EHLO mx.test\r\n").starts_with("500 5.5.1 "));
  CHECK(talk.says("HELO mx.test\r\n").starts_with("500 5.5.1 "));
  CHECK(talk.says("MAIL FROM:<ann@x.org>\r\n").starts_with("503 5.5.1 "));
}

TEST_CASE("lmtp: commands out of order are 503 and change nothing") {
  Talk talk;
  talk.says(hello);
  CHECK(codes(talk.says("RCPT TO:<news@x.org>\r\nDATA\r\n")) == "503 503");
  CHECK(codes(talk.says("MAIL FROM:<ann@x.org>\r\nDATA\r\nMAIL FROM:<eve@x.org>\r\n")) ==
        "250 503 503");
  CHECK(codes(talk.says("RCPT TO:<nobody@x.org>\r\nDATA\r\n")) == "550 503");
  CHECK(codes(talk.says("RCPT TO:<news@x.org>\r\nDATA x\r\nDATA\r\nHi.\r\n.\r\n")) ==
        "250 501 354 250");
  CHECK(talk.box.messages == std::vector<std::string>{"ann@x.org > news@x.org|Hi.\r\n"});
}

TEST_CASE("lmtp: RSET and LHLO forget the transaction") {
  for (const char* forget : {"RSET\r\n", "LHLO again.test\r\n"}) {
    Talk talk;
    talk.says(hello);
    talk.says("MAIL FROM:<ann@x.org>\r\nRCPT TO:<news@x.org>\r\n");
    talk.says(forget);
    CHECK(codes(talk.says("DATA\r\n")) == "503");
  }
}

TEST_CASE("lmtp: a line that does not end in CRLF ends the talk and nothing behind it counts") {
  for (const char* line : {"NOOP\n", "NOOP\rNOOP\n", "\n"}) {
    Talk talk;
    talk.says(hello);
    CHECK(talk.says(line + std::string("MAIL FROM:<ann@x.org>\r\n")) ==
          "521 5.5.2 a line must end in CRLF\r\n");
    CHECK(talk.dialogue.over());
  }
}

TEST_CASE("lmtp: no disguised end smuggles a second message") {
  for (const char* dot : {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r"}) {
    Talk talk;
    talk.says(hello + envelope);
    talk.says("Hi." + std::string(dot) +
              "MAIL FROM:<eve@x.org>\r\nRCPT TO:<news@x.org>\r\nDATA\r\nEvil.\r\n.\r\n");
    REQUIRE(talk.box.messages.size() == 1);
    CHECK(talk.box.messages[0].starts_with("ann@x.org > news@x.org dev@x.org|Hi."));
    CHECK(talk.box.messages[0].ends_with("Evil.\r\n"));
  }
}

TEST_CASE("lmtp: controls and octets that are not UTF-8 in a command are refused") {
  Talk talk;
  talk.says(hello);
  CHECK(codes(talk.says(std::string("NO\0OP\r\n", 7))) == "500");
  CHECK(codes(talk.says("MAIL FROM:<a\tb@x.org>\r\n")) == "500");
  CHECK(codes(talk.says("MAIL FROM:<a\rb@x.org>\r\n")) == "500");
  CHECK(codes(talk.says("MAIL FROM:<\xff@x.org> SMTPUTF8\r\n")) == "500");
}

TEST_CASE("lmtp: a line without end takes no memory and is refused once") {
  Talk talk;
  talk.says(hello);
  for (int i = 0; i < 1000; ++i) CHECK(talk.says(std::string(5000, 'x'), 5000) == "");
  CHECK(codes(talk.says("\r\n")) == "500");
  CHECK(codes(talk.says("NOOP\r\n")) == "250");
}

TEST_CASE("lmtp: a line of 2048 octets is heard and one octet more is not") {
  Talk talk;
  CHECK(codes(talk.says("LHLO " + std::string(2042, 'x') + "\r\n")) == "250");
  CHECK(codes(talk.says("LHLO " + std::string(2043, 'x') + "\r\n")) == "500");
}

TEST_CASE("lmtp: a client that is always wrong is sent away") {
  Talk talk;
  std::string replies;
  for (int i = 0; i < 30; ++i) replies += talk.says("NONSENSE\r\n");
  CHECK(talk.dialogue.over());
  CHECK(codes(replies).ends_with("500 421"));
  CHECK(codes(replies).size() == 20 * 4 - 1);
}

TEST_CASE("lmtp: refused recipients are nobody's fault") {
  Talk talk;
  talk.says(hello + "MAIL FROM:<ann@x.org>\r\n");
  for (int i = 0; i < 100; ++i) CHECK(codes(talk.says("RCPT TO:<nobody@x.org>\r\n")) == "550");
  CHECK(codes(talk.says("RCPT TO:<news@x.org>\r\n")) == "250");
}

TEST_CASE("lmtp: more recipients than agreed are 452 and those taken get the message") {
  Talk talk({.name = "lists.test", .recipients = 1});
  talk.says(hello);
  CHECK(codes(talk.says("MAIL FROM:<a@x.org>\r\nRCPT TO:<a@x.org>\r\nRCPT TO:<b@x.org>\r\n")) ==
        "250 250 452");
  CHECK(codes(talk.says("DATA\r\nHi.\r\n.\r\n")) == "354 250");
}

TEST_CASE("lmtp: a message over the limit is refused for each recipient when it has ended") {
  Talk talk({.name = "lists.test", .max_size = 5});
  talk.says(hello);
  CHECK(codes(talk.says("MAIL FROM:<a@x.org> SIZE=6\r\n")) == "552");
  talk.says(envelope);
  CHECK(codes(talk.says("123\r\n.\r\n")) == "250 250");
  talk.says(envelope);
  CHECK(codes(talk.says("1234\r\n.\r\n")) == "552 552");
  CHECK(talk.box.messages.size() == 1);
  CHECK(codes(talk.says("NOOP\r\n")) == "250");
}

TEST_CASE("lmtp: a letterbox that has no room is 451 for each recipient") {
  Talk talk;
  talk.box.full = true;
  talk.says(hello + envelope);
  CHECK(talk.says("Hi.\r\nHo.\r\n.\r\n") == "451 4.3.1 no room\r\n451 4.3.1 no room\r\n");
}

TEST_CASE("lmtp: nothing is heard while many replies wait to be written") {
  Talk talk;
  std::string many;
  for (int i = 0; i < 10000; ++i) many += "NOOP\r\n";
  const std::size_t used = talk.dialogue.hear(many);
  CHECK(used < many.size());
  CHECK(talk.dialogue.output().size() < 20000);
  talk.said();
  CHECK(talk.dialogue.hear(std::string_view(many).substr(used)) > 0);
}

TEST_CASE("lmtp: closing is 421 at once and behind the answer where a message is in our hands") {
  for (const std::string& before : {std::string(), hello, hello + envelope + "Hi.\r\n"}) {
    Talk talk;
    talk.says(before);
    talk.dialogue.close("4.3.2 closing");
    CHECK(talk.said() == "421 4.3.2 closing\r\n");
    CHECK(talk.dialogue.over());
    CHECK(talk.box.messages.empty());
  }
  Talk talk;
  talk.answers = false;
  talk.says(hello + envelope + "Hi.\r\n.\r\n");
  talk.dialogue.close("4.3.2 closing");
  CHECK_FALSE(talk.dialogue.over());
  talk.dialogue.answer(std::vector<std::string>{"250 a", "250 b"});
  CHECK(talk.said() == "250 a\r\n250 b\r\n421 4.3.2 closing\r\n");
  CHECK(talk.dialogue.over());
}
