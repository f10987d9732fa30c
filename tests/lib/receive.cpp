#include "stage/receive.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <string>

#include "base/fd.hpp"
#include "list/headers.hpp"

using namespace ml;

namespace {

const std::string plain = "From: Ann <ann@example.org>\nTo: news@x.org\nSubject: hello\n\nHello.\n";

ReceiveRules rules(PostPolicy::Who who = PostPolicy::Who::anyone) {
  ReceiveRules made;
  made.list = {"news", "x.org"};
  made.post = PostPolicy(who);
  made.max_size = 1 << 20;
  made.max_hops = 25;
  made.fields = *list_fields(made.list, {});
  return made;
}

Result<bool> nobody_has_subscribed(const Address&) {
  return false;
}

Judgement judged(const std::string& message, const ReceiveRules& by = rules()) {
  auto judgement = judge_post(message, by, nobody_has_subscribed);
  if (!judgement) FAIL(judgement.error().text);
  return *judgement;
}

// The status and first word of a failure, "65 5.6.0".
std::string refused(const std::string& message, const ReceiveRules& by = rules()) {
  const auto judgement = judge_post(message, by, nobody_has_subscribed);
  if (judgement) return "taken";
  const Error& error = judgement.error();
  return fmt::format("{} {}", static_cast<int>(error.status),
                     error.text.substr(0, error.text.find(' ')));
}

std::string file(const std::filesystem::path& path) {
  const auto text = read_file(path.string(), std::size_t{1} << 20);
  REQUIRE(text);
  return *text;
}

}  // namespace

TEST_CASE("receive: one message to the list and to its owner is two", "[receive]") {
  ReceiveRules to_owner = rules();
  to_owner.role = Role::owner;
  CHECK(judged(plain).id != judged(plain, to_owner).id);
}

TEST_CASE("receive: every sample comes out as its want says to the last octet", "[receive]") {
  std::size_t count = 0;
  for (const auto& sample : std::filesystem::directory_iterator("tests/data/receive")) {
    if (sample.path().extension() != ".eml") continue;
    CAPTURE(sample.path());
    CHECK(judged(file(sample.path())).text ==
          file(std::filesystem::path(sample.path()).replace_extension(".want")));
    ++count;
  }
  CHECK(count >= 15);
}

TEST_CASE("receive: the trace of another delivery changes neither id nor text", "[receive]") {
  const std::string known = "Message-ID: <1@example.org>\n" + plain;
  const Judgement first = judged("Return-Path: <ann@example.org>\nReceived: a\n" + known);
  const Judgement again =
      judged("From x@y.org Sun\nDelivered-To: news@x.org\nReceived: b\n" + known);
  CHECK(first.id == again.id);
  CHECK(first.id.size() == 27);
  CHECK(first.id.front() == 'r');
  CHECK(first.id != judged(known + "more\n").id);
}

TEST_CASE("receive: the envelope sender comes from the top of the message", "[receive]") {
  CHECK(judged("Return-Path: <a@x.org>\nReceived: r\n" + plain).author == "a@x.org");
  CHECK(judged("From a@x.org Sun Nov 22\n" + plain).author == "a@x.org");
  CHECK(judged("From b@x.org Sun\nReturn-Path: <a@x.org>\n" + plain).author == "a@x.org");
  CHECK(!judged(plain).author);
}

TEST_CASE("receive: a Return-Path below the first Received is nobody's word", "[receive]") {
  CHECK(!judged("Received: r\nReturn-Path: <evil@x.org>\n" + plain).author);
}

TEST_CASE("receive: a null sender is dropped whatever spelling it has", "[receive]") {
  for (const char* top : {"Return-Path: <>\n", "Return-Path:\n", "Return-Path: <MAILER-DAEMON>\n",
                          "From MAILER-DAEMON Sun Nov 22 10:00:00 2026\n", "From <> Sun\n"}) {
    CAPTURE(top);
    const Judgement judgement = judged(top + plain);
    CHECK(judgement.fate == PostFate::drop);
    CHECK(judgement.author == "<>");
  }
  CHECK(judged("Return-Path: <>\nSubject: without From\n\n").fate == PostFate::drop);
}

TEST_CASE("receive: what has been through this list is dropped", "[receive]") {
  CHECK(judged("X-BeenThere: NEWS@x.org\n" + plain).fate == PostFate::drop);
  CHECK(judged("List-Id: News <news.x.org>\n" + plain).fate == PostFate::drop);
  CHECK(judged("List-Id: News\n <news.x.org>\n" + plain).fate == PostFate::drop);
  CHECK(judged("X-BeenThere: other@x.org\nList-Id: <other.x.org>\n" + plain).fate ==
        PostFate::pass);
  const Judgement passed = judged(plain);
  CHECK(judged(passed.text).fate == PostFate::drop);
}

TEST_CASE("receive: an answer of a program to the list is dropped and its other mail is a post",
          "[receive]") {
  const std::string answer = "Auto-Submitted: auto-replied (vacation)\nPrecedence: bulk\n" + plain;
  const Judgement dropped = judged(answer, rules(PostPolicy::Who::nobody));
  CHECK(dropped.fate == PostFate::drop);
  CHECK(dropped.why.find("Auto-Submitted") != std::string::npos);
  for (const char* field : {"Auto-Submitted: auto-generated", "Auto-Submitted: no",
                            "Precedence: bulk", "Precedence: junk"}) {
    CAPTURE(field);
    CHECK(judged(std::string(field) + '\n' + plain).fate == PostFate::pass);
  }
  ReceiveRules to_owner = rules();
  to_owner.role = Role::owner;
  CHECK(judged(answer, to_owner).fate == PostFate::pass);
}

TEST_CASE("receive: twenty-five hops pass and one more is a loop", "[receive]") {
  std::string trace;
  for (int i = 0; i < 25; ++i) trace += "Received: by x\n";
  CHECK(judged(trace + plain).fate == PostFate::pass);
  CHECK(judged("received: by x\n" + trace + plain).fate == PostFate::drop);
  CHECK(judged(trace + plain + trace).fate == PostFate::pass);
}

TEST_CASE("receive: a message without one valid From is at fault", "[receive]") {
  CHECK(refused("") == "65 5.6.0");
  CHECK(refused("\n") == "65 5.6.0");
  CHECK(refused("To: news@x.org\n\nHi\n") == "65 5.6.0");
  CHECK(refused("\nFrom: ann@example.org\n") == "65 5.6.0");
  CHECK(refused(" From: ann@example.org\n\n") == "65 5.6.0");
  CHECK(refused("From:\n\nHi\n") == "65 5.6.0");
  CHECK(refused("From: Ann\n\nHi\n") == "65 5.6.0");
  CHECK(refused("From: undisclosed:;\n\nHi\n") == "65 5.6.0");
  CHECK(refused("From: b@example.org\n" + plain) == "65 5.6.0");
  CHECK(refused("From ann@example.org Sun Nov 22 10:00:00 2026\n") == "65 5.6.0");
}

TEST_CASE("receive: a crowd of authors is at fault", "[receive]") {
  std::string crowd = "From: a@x.org";
  for (int i = 0; i < 100; ++i) crowd += ",\n a@x.org";
  CHECK(refused(crowd + "\n\nHi\n") == "65 5.6.0");
}

TEST_CASE("receive: a NUL is at fault wherever it stands", "[receive]") {
  CHECK(refused(plain + std::string(1, '\0')) == "65 5.6.0");
  CHECK(refused(std::string(1, '\0') + plain) == "65 5.6.0");
}

TEST_CASE("receive: a stranger is rejected or held or dropped as the rules say", "[receive]") {
  ReceiveRules by = rules(PostPolicy::Who::subscribers);
  CHECK(refused(plain, by) == "77 5.7.1");
  by.otherwise = Otherwise::hold;
  const Judgement held = judged(plain, by);
  CHECK(held.fate == PostFate::hold);
  CHECK(held.why == "5.7.1 only subscribers may post to news@x.org");
  CHECK(held.text == by.fields + plain);
  by.otherwise = Otherwise::drop;
  CHECK(judged(plain, by).fate == PostFate::drop);
}

TEST_CASE("receive: a broken store is neither the message's fault nor its author's", "[receive]") {
  const auto broken = [](const Address&) -> Result<bool> { return retry("the store is broken"); };
  const auto judgement = judge_post(plain, rules(PostPolicy::Who::subscribers), broken);
  REQUIRE(!judgement);
  CHECK(judgement.error().status == Status::retry);
}

TEST_CASE("receive: a bare CR cannot hide a field from the judgement", "[receive]") {
  CHECK(refused("Subject: a\rFrom: b@example.org\n" + plain) == "65 5.6.0");
  CHECK(judged("Subject: a\rX-BeenThere: news@x.org\n" + plain).fate == PostFate::drop);
}
