#include "mail/id.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "stream/record.hpp"

using namespace ml;

namespace {

const std::string list = "news@lists.example.org";

const std::vector<std::string> counting_fields{
    "From: ann@example.org\n",       "Sender: secretary@example.org\n",
    "Reply-To: ann@example.net\n",   "To: news@lists.example.org\n",
    "Cc: bob@example.org\n",         "Date: Sun, 22 Nov 2026 15:00:00 +0000\n",
    "Message-ID: <1@example.org>\n", "Subject: hello\n",
    "References: <0@example.org>\n", "In-Reply-To: <0@example.org>\n",
    "Resent-From: cy@example.org\n", "MIME-Version: 1.0\n",
    "Content-Type: text/plain\n",    "Content-Language: en\n"};

std::string joined(const std::vector<std::string>& fields) {
  std::string head;
  for (const auto& field : fields) head += field;
  return head;
}

std::string id(const std::string& head, const std::string& body = "\nbody\n") {
  return message_id_of('r', list, head + body);
}

}  // namespace

TEST_CASE("id: its prefix and 26 characters of base32") {
  const std::string text = id(joined(counting_fields));
  CHECK(text.size() == 27);
  CHECK(text.front() == 'r');
  CHECK(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == std::string::npos);
  CHECK(is_id(text));
  CHECK(message_id_of('x', list, "a: b\n\nc\n").front() == 'x');
}

TEST_CASE("id: a server's second attempt has the same") {
  const std::string head = joined(counting_fields);
  const std::string again =
      "Return-Path: <ann@example.org>\nDelivered-To: news@lists.example.org\n"
      "Received: from b by c; Sun, 22 Nov 2026 16:00:00 +0000\n"
      "DKIM-Signature: v=1; b=xyz\nARC-Seal: i=1\nList-Id: <news.lists.example.org>\n"
      "Authentication-Results: x\nX-Spam-Score: 3\nPrecedence: list\n" +
      head;
  CHECK(id(head) == id(again));
}

TEST_CASE("id: folding and the blanks around a value do not matter") {
  CHECK(id("Subject: hello there\n") == id("subject:hello\n there \n"));
  CHECK(id("Subject: hello there\n") != id("Subject: hello  there\n"));
}

TEST_CASE("id: the blank lines at the end of the body do not matter") {
  const std::string head = joined(counting_fields);
  CHECK(id(head, "\nbody\n") == id(head, "\nbody\n\n\n"));
  CHECK(id(head, "\nbody\n") == id(head, "\nbody"));
  CHECK(id(head, "\n") == id(head, ""));
  CHECK(id(head, "\nbody\n") != id(head, "\n\nbody\n"));
  CHECK(id(head, "\nbody\n") != id(head, "\nbody \n"));
}

TEST_CASE("id: a change of any field that counts gives another") {
  const std::string before = id(joined(counting_fields));
  std::set<std::string> seen{before};
  for (std::size_t i = 0; i < counting_fields.size(); ++i) {
    auto fields = counting_fields;
    fields[i].insert(fields[i].end() - 1, 'x');
    CHECK(seen.insert(id(joined(fields))).second);
    fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(i));
    CHECK(seen.insert(id(joined(fields))).second);
  }
}

TEST_CASE("id: another body or another list gives another") {
  const std::string head = joined(counting_fields);
  CHECK(id(head, "\nbody\n") != id(head, "\nbodY\n"));
  CHECK(message_id_of('r', list, head) != message_id_of('r', "dev@lists.example.org", head));
}

TEST_CASE("id: without a Message-ID the topmost Received counts and no other") {
  const std::string with = "Message-ID: <1@x>\nSubject: s\n";
  CHECK(id("Received: a\n" + with) == id("Received: b\n" + with));
  CHECK(id("Received: a\nReceived: c\nSubject: s\n") ==
        id("Received: a\nReceived: d\nSubject: s\n"));
  CHECK(id("Received: a\nSubject: s\n") != id("Received: b\nSubject: s\n"));
}

TEST_CASE("id: fields cannot be shifted into one another or into the body") {
  CHECK(id("Subject: a\nTo: b\n") != id("Subject: a to: b\n"));
  CHECK(id("Subject: a\n", "\nto:b\n") != id("Subject: a\nTo: b\n", "\n"));
}
