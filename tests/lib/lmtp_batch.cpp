#include "lmtp/batch.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ml;

namespace {

struct Box : BatchLetterbox {
  std::string ask(const std::string&, const std::string& recipient) override {
    return recipient.starts_with("nobody@") ? "550 5.1.1 no such list" : "250 2.1.5 ok";
  }
  void begin() override { now.clear(); }
  Result<> text(std::string_view piece) override {
    now.append(piece);
    return {};
  }
  void whole(const HandedEnvelope& envelope) override {
    std::string all = envelope.sender + " >";
    for (const std::string& recipient : envelope.recipients) all += ' ' + recipient;
    said.push_back(all + '|' + now);
  }
  void refused(std::string_view whom, std::string_view reply) override {
    said.push_back(fmt::format("{}: {}", whom, reply.substr(0, 9)));
  }

  std::string now;
  std::vector<std::string> said;
};

struct Read {
  Result<> state;
  std::vector<std::string> said;
};

Read read(std::string_view octets, std::size_t piece = 1000, std::uint64_t max_size = 1000) {
  Box box;
  BatchReader batch(max_size, box);
  Result<> state;
  while (state && !octets.empty()) {
    state = batch.hear(octets.substr(0, piece));
    octets.remove_prefix(std::min(piece, octets.size()));
  }
  if (state) state = batch.finish();
  return {state, box.said};
}

std::string with_crlf(std::string_view text) {
  std::string all;
  for (const char octet : text) all += octet == '\n' ? "\r\n" : std::string(1, octet);
  return all;
}

const std::string two =
    "HELO mx.test\nMAIL FROM:<ann@x.org> SIZE=10\nRCPT TO:<news@x.org>\nRCPT TO:<dev@x.org>\n"
    "DATA\nSubject: 1\n\n..One.\n.\n"
    "MAIL FROM:<>\nRCPT TO:<nobody@x.org>\nRCPT TO:<dev@x.org>\nDATA\nTwo.\n.\nQUIT\n";

}  // namespace

TEST_CASE("batch: several messages for several recipients with LF and with CRLF") {
  for (std::size_t piece = 1; piece <= 30; ++piece) {
    const Read lf = read(two, piece);
    CHECK(lf.state);
    CHECK(lf.said ==
          std::vector<std::string>{"ann@x.org > news@x.org dev@x.org|Subject: 1\n\n.One.\n",
                                   "nobody@x.org: 550 5.1.1", "<> > dev@x.org|Two.\n"});
    const Read crlf = read(with_crlf(two), piece);
    CHECK(crlf.state);
    CHECK(crlf.said.at(2) == "<> > dev@x.org|Two.\r\n");
  }
}

TEST_CASE("batch: the first line tells the line end and no other ends a message") {
  const Read crlf = read(
      "MAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\nHi.\n.\nMAIL FROM:<eve@x.org>\r\n.\r\n");
  CHECK(crlf.state);
  CHECK(crlf.said ==
        std::vector<std::string>{"a@x.org > b@x.org|Hi.\n.\nMAIL FROM:<eve@x.org>\r\n"});
  const Read lf =
      read("MAIL FROM:<a@x.org>\nRCPT TO:<b@x.org>\nDATA\nHi.\r\n.\r\nMAIL FROM:<eve@x.org>\n.\n");
  CHECK(lf.said.size() == 1);
  CHECK_FALSE(read("MAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\n").state);
}

TEST_CASE("batch: a cut batch is 75 and its last message is not given out") {
  for (std::size_t size = 1; size < two.size() - 5; ++size) {
    const Read cut = read(two.substr(0, size));
    const bool between = size >= two.find("MAIL FROM:<>") - 2 && cut.state;
    if (cut.state) {
      CHECK((between || size <= two.find("MAIL")));
    } else {
      CHECK(cut.state.error().status == Status::retry);
    }
    CHECK(cut.said.size() <= 3);
  }
}

TEST_CASE("batch: what is no batch is 75 naming the line") {
  const Read mail = read("From: ann@x.org\nTo: news@x.org\n\nHi.\n");
  REQUIRE_FALSE(mail.state);
  CHECK(mail.state.error().status == Status::retry);
  CHECK(mail.state.error().text.find("line 1") != std::string::npos);
  CHECK_FALSE(read("MAIL FROM:<a@x.org>\nMAIL FROM:<a@x.org>\n").state);
  CHECK_FALSE(read("RCPT TO:<a@x.org>\n").state);
  CHECK_FALSE(read("DATA\n").state);
  CHECK_FALSE(read(std::string(5000, 'x')).state);
  CHECK_FALSE(read(std::string("NOOP\0\n", 6)).state);
}

TEST_CASE("batch: one refused sender or message does not stop the others") {
  const std::string good = "MAIL FROM:<b@x.org>\nRCPT TO:<dev@x.org>\nDATA\nHi.\n.\n";
  const Read sender = read("MAIL FROM:<a>\nRCPT TO:<dev@x.org>\nDATA\nHi.\n.\n" + good);
  CHECK(sender.state);
  CHECK(sender.said ==
        std::vector<std::string>{"the sender: 501 5.1.7", "b@x.org > dev@x.org|Hi.\n"});
  const Read big = read("MAIL FROM:<a@x.org>\nRCPT TO:<dev@x.org>\nDATA\nHello.\n.\n" + good, 7, 5);
  CHECK(big.said == std::vector<std::string>{"dev@x.org: 552 5.3.4", "b@x.org > dev@x.org|Hi.\n"});
}
