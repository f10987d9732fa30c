#include "mail/message.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "mail/header.hpp"

using namespace ml;
using namespace std::string_literals;

namespace {

std::string taken_in(std::string octets) {
  const auto intake = octets_to_message(std::move(octets));
  REQUIRE(intake);
  return intake->message;
}

std::optional<std::string> from_line(std::string octets) {
  const auto intake = octets_to_message(std::move(octets));
  REQUIRE(intake);
  return intake->from_line;
}

// head | separator | body
std::string cut(std::string_view message) {
  const MessageParts parts = split_message(message);
  CHECK(std::string(parts.head).append(parts.separator).append(parts.body) == message);
  std::string shown(parts.head);
  return shown.append("|").append(parts.separator).append("|").append(parts.body);
}

std::vector<std::string> names(std::string_view head) {
  std::vector<std::string> found;
  for (const Field& field : Fields(head)) found.emplace_back(field.name);
  return found;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("message: LF and CRLF and bare CR all become LF and nothing else changes") {
  CHECK(taken_in("a: b\n\nx \t\xFF\n") == "a: b\n\nx \t\xFF\n");
  CHECK(taken_in("a: b\r\n\r\nx\r\n") == "a: b\n\nx\n");
  CHECK(taken_in("a: b\r\n\nx\ry\r\n") == "a: b\n\nx\ny\n");
  CHECK(taken_in("a\r\r\nb\r") == "a\n\nb\n");
  CHECK(taken_in("") == "");
}

TEST_CASE("message: an extra blank line at the end and a missing last LF stay") {
  CHECK(taken_in("a: b\n\nx\n\n") == "a: b\n\nx\n\n");
  CHECK(taken_in("a: b\n\nx") == "a: b\n\nx");
}

TEST_CASE("message: a leading From line comes off and gives its sender") {
  const std::string rest = "From: b@x.org\n\nbody\n";
  CHECK(taken_in("From ann@x.org Sun Nov 22 15:00:00 2026\n" + rest) == rest);
  CHECK(from_line("From ann@x.org Sun Nov 22 15:00:00 2026\n" + rest) == "ann@x.org");
  CHECK(from_line("From ann@x.org\r\n" + rest) == "ann@x.org");
  CHECK(from_line("From MAILER-DAEMON Sun Nov 22\n" + rest) == "MAILER-DAEMON");
  CHECK(from_line("From \"a b\"@x.org Sun Nov 22\n" + rest) == "\"a b\"@x.org");
  CHECK(from_line("From  Sun Nov 22\n" + rest) == "");
  CHECK(from_line("From \"ann Sun Nov 22\n" + rest) == "");
  CHECK(from_line("From ann@x.org") == "ann@x.org");
  CHECK_FALSE(from_line(rest));
}

TEST_CASE("message: only the first From line comes off and one in the body stays") {
  CHECK(taken_in("From a Sun\nFrom b Mon\nx: y\n") == "From b Mon\nx: y\n");
  CHECK(taken_in("x: y\n\nFrom here on\n") == "x: y\n\nFrom here on\n");
}

TEST_CASE("message: a NUL anywhere is the message's fault") {
  for (const std::string& text : {"\0"s, "a: b\0\n\n"s, "a: b\n\nx\0y\n"s}) {
    const auto intake = octets_to_message(text);
    REQUIRE_FALSE(intake);
    CHECK(intake.error().status == Status::rejected);
    CHECK(intake.error().text.starts_with("5.6.0 "));
  }
}

TEST_CASE("message: the head ends at the blank line") {
  CHECK(cut("a: b\nc: d\n\nbody\n\nmore\n") == "a: b\nc: d\n|\n|body\n\nmore\n");
  CHECK(cut("a: b\n c\n\n\nbody") == "a: b\n c\n|\n|\nbody");
}

TEST_CASE("message: there may be no body and no blank line and no head") {
  CHECK(cut("a: b\n") == "a: b\n||");
  CHECK(cut("a: b") == "a: b||");
  CHECK(cut("a: b\n\n") == "a: b\n|\n|");
  CHECK(cut("\nbody\n") == "|\n|body\n");
  CHECK(cut("just words\n") == "||just words\n");
  CHECK(cut("") == "||");
}

TEST_CASE("message: what is no field begins the body as it does for mail servers") {
  CHECK(cut("a: b\nno field here\nc: d\n\nx\n") == "a: b\n||no field here\nc: d\n\nx\n");
  CHECK(cut(" a: b\nc: d\n") == "|| a: b\nc: d\n");
  CHECK(cut("a: b\n: d\n") == "a: b\n||: d\n");
  CHECK(cut("a: b\nc d: e\n") == "a: b\n||c d: e\n");
  CHECK(cut("a: b\nc\xC3\xA9: e\n") == "a: b\n||c\xC3\xA9: e\n");
}

TEST_CASE("header: a field is its name and its folded value and all its octets") {
  const std::string text = "Subject : hello\n\tthere\n \nNext: x\n";
  const auto field = first_field(text);
  REQUIRE(field);
  CHECK(field->name == "Subject");
  CHECK(field->value == " hello\n\tthere\n ");
  CHECK(field->raw == "Subject : hello\n\tthere\n \n");
  CHECK(unfolded(field->value) == "hello\tthere");
}

TEST_CASE("header: a field of a megabyte and a hundred thousand lines is one field") {
  std::string text = "Subject: begin\n";
  for (int i = 0; i < 100'000; ++i) text += " next line\n";
  const std::string whole = text + "To: x\n";
  CHECK(first_field(whole)->raw == text);
  CHECK(names(whole) == Names{"Subject", "To"});
}

TEST_CASE("header: names are found in any case and the topmost wins") {
  const std::string head = "To: a\nSUBJECT: one\nsubject: two\n";
  CHECK(find_field(head, "Subject")->value == " one");
  CHECK(count_fields(head, "Subject") == 2);
  CHECK_FALSE(find_field(head, "Sub"));
  CHECK_FALSE(find_field("", "Subject"));
}

TEST_CASE("header: the top block is what stands above the first Received") {
  const std::string head = "Return-Path: <a>\nDelivered-To: b\nReceived: c\nDelivered-To: d\n";
  CHECK(names(top_block(head)) == Names{"Return-Path", "Delivered-To"});
  CHECK(top_block("To: a\nCc: b\n") == "To: a\nCc: b\n");
  CHECK(top_block("received: a\nCc: b\n").empty());
}

TEST_CASE("header: fields go and the octets of the others stay") {
  const std::string head = "A:1\nB : 2\n  3\n\t\nreturn-path: x\n y\nC:\n";
  CHECK(without_fields(head, {"Return-Path", "nosuch"}) == "A:1\nB : 2\n  3\n\t\nC:\n");
  CHECK(without_fields(head, [](const Field& field) { return field.name == "B"; }) ==
        "A:1\nreturn-path: x\n y\nC:\n");
  CHECK(without_fields(head, {}) == head);
}

TEST_CASE("header: a field goes in at the top or at the bottom") {
  std::string head = "A: 1\n";
  append_field(head, "Z", "9");
  prepend_field(head, "0", "x");
  CHECK(head == "0: x\nA: 1\nZ: 9\n");
  std::string cut_head = "A: 1";
  append_field(cut_head, "Z", "9");
  CHECK(cut_head == "A: 1\nZ: 9\n");
  std::string none;
  append_field(none, "Z", "9");
  CHECK(none == "Z: 9\n");
}

TEST_CASE("header: a value cannot begin another field or end the head") {
  std::string head;
  append_field(head, "List-Id", "x\nBcc: y\r\n\nbody\0 z\n folded\n"s);
  CHECK(head == "List-Id: x Bcc: y   body  z\n folded \n");
  CHECK(names(head) == Names{"List-Id"});
}
