#include "smtp/reply.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ml;

namespace {

// The replies in `octets`, fed in pieces of `piece`; "garbage" ends them.
std::vector<std::string> replies_in(std::string_view octets, std::size_t piece) {
  ReplyParser parser;
  std::vector<std::string> found;
  while (!octets.empty()) {
    std::string_view part = octets.substr(0, piece);
    octets.remove_prefix(part.size());
    while (!part.empty()) {
      const auto taken = parser.take(part);
      if (taken == ReplyParser::Found::reply) found.push_back(reply_to_text(parser.reply()));
      if (taken == ReplyParser::Found::garbage) {
        found.emplace_back("garbage");
        return found;
      }
    }
  }
  return found;
}

using Found = std::vector<std::string>;

}  // namespace

TEST_CASE("reply: the octets may be cut anywhere") {
  const std::string octets =
      "220 relay ready\r\n250-relay\r\n250-PIPELINING\r\n250 SIZE 10\r\n"
      "550-5.1.1 no such user\r\n550 5.1.1 see https://x.org\r\n354\r\n250 2.0.0\r\n421 4.3.2 "
      "busy\n";
  const Found whole{"220 relay ready",
                    "250 relay PIPELINING SIZE 10",
                    "550 5.1.1 no such user see https://x.org",
                    "354",
                    "250 2.0.0",
                    "421 4.3.2 busy"};
  for (std::size_t piece = 1; piece <= octets.size(); ++piece) {
    REQUIRE(replies_in(octets, piece) == whole);
  }
}

TEST_CASE("reply: the first line that has an enhanced code gives it") {
  const auto code = [](const std::string& octets) {
    ReplyParser parser;
    std::string_view rest = octets;
    REQUIRE(parser.take(rest) == ReplyParser::Found::reply);
    return enhanced_code_to_text(parser.reply().enhanced);
  };
  CHECK(code("550 5.7.1 denied\r\n") == "5.7.1");
  CHECK(code("550 5.7.1: denied\r\n") == "5.7.1");
  CHECK(code("550  5.7.1 denied\r\n") == "5.7.1");
  CHECK(code("550-denied\r\n550 5.7.1 why\r\n") == "5.7.1");
  CHECK(code("550-5.1.1 unknown\r\n550 5.7.1 why\r\n") == "5.1.1");
  CHECK(code("550-" + std::string(1000, 'x') + "\r\n550 5.7.1 why\r\n") == "5.7.1");
  CHECK(code("550 denied: 5.7.1\r\n").empty());
  CHECK(replies_in("550-denied\r\n550-5.7.1 why\r\n550 5.7.1 so\r\n", 100) ==
        Found{"550 denied 5.7.1 why so"});
}

TEST_CASE("reply: what is no reply is garbage") {
  for (const char* none : {"hello\r\n", "25\r\n", "\r\n", "150 x\r\n", "650 x\r\n", "2x0 x\r\n",
                           "250+x\r\n", "250-a\r\n251 b\r\n", "\xff\xfe*\r\n"}) {
    CHECK(replies_in(none, 1).back() == "garbage");
    CHECK(replies_in(none, 100).back() == "garbage");
  }
}

TEST_CASE("reply: a line without end is garbage long before memory is full") {
  CHECK(replies_in("250 " + std::string(1 << 20, 'x'), 1000) == Found{"garbage"});
}

TEST_CASE("reply: a reply without end is garbage long before memory is full") {
  std::string endless;
  for (int i = 0; i < 20'000; ++i) endless += "250-and so on\r\n";
  CHECK(replies_in(endless, 1000) == Found{"garbage"});
}

TEST_CASE("reply: controls in its text are shown and not obeyed") {
  CHECK(replies_in("550 a\x1b[2Jb\tc\r\n", 100) == Found{"550 a\\x1b[2Jb\\x09c"});
}
