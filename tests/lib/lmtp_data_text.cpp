#include "lmtp/data_text.hpp"

#include <catch2/catch.hpp>

#include <optional>
#include <random>
#include <string>

using namespace ml;

namespace {

struct Taken {
  bool ended = false;
  std::string text;
  std::string rest;
};

Taken take(LineEnding ending, std::string_view octets, std::size_t piece) {
  DataText text(ending);
  Taken taken;
  while (!octets.empty() && !taken.ended) {
    std::string_view now = octets.substr(0, piece);
    const std::size_t given = now.size();
    taken.ended = text.take(now, [&](std::string_view part) { taken.text.append(part); });
    octets.remove_prefix(given - now.size());
  }
  taken.rest = octets;
  return taken;
}

// RFC 5321 4.5.2 by the letter, over the whole at once.
Taken by_the_letter(LineEnding ending, std::string_view octets) {
  const std::string line_end = ending == LineEnding::crlf ? "\r\n" : "\n";
  Taken taken;
  while (!octets.empty()) {
    const auto at = octets.find(line_end);
    std::string_view line = octets.substr(0, at);
    const bool whole = at != std::string_view::npos;
    octets.remove_prefix(whole ? at + line_end.size() : octets.size());
    if (whole && line == ".") {
      taken.ended = true;
      taken.rest = octets;
      return taken;
    }
    if (line.starts_with('.')) line.remove_prefix(1);
    taken.text.append(line);
    if (whole) taken.text.append(line_end);
  }
  return taken;
}

}  // namespace

TEST_CASE("data text: only CRLF dot CRLF ends a message and what follows is not touched") {
  for (std::size_t piece = 1; piece <= 12; ++piece) {
    const Taken taken = take(LineEnding::crlf, "a\r\n..b\r\n.c\r\n\r\n.\r\nMAIL", piece);
    CHECK(taken.ended);
    CHECK(taken.text == "a\r\n.b\r\nc\r\n\r\n");
    CHECK(taken.rest == "MAIL");
  }
  CHECK(take(LineEnding::crlf, ".\r\nQUIT\r\n", 100).rest == "QUIT\r\n");
}

TEST_CASE("data text: no disguise of a line end ends a message") {
  for (const char* dot : {"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r",
                          "\r\n.\r\r\n", "\r\n.\n\r\n", "\r\n. \r\n"}) {
    const std::string octets = "a" + std::string(dot) + "MAIL FROM:<eve@x.org>\r\n";
    for (std::size_t piece = 1; piece <= octets.size(); ++piece) {
      const Taken taken = take(LineEnding::crlf, octets, piece);
      CHECK_FALSE(taken.ended);
      CHECK(taken.text.ends_with("MAIL FROM:<eve@x.org>\r\n"));
    }
  }
  for (const char* dot : {"\r\n.\r\n", "\n.\r\n", "\r.\r"}) {
    const Taken taken = take(LineEnding::lf, "a" + std::string(dot) + "MAIL\n", 100);
    CHECK_FALSE(taken.ended);
  }
}

TEST_CASE("data text: a dot behind a bare LF is text and stays") {
  CHECK(take(LineEnding::crlf, "a\n.b\r\n.\r\n", 100).text == "a\n.b\r\n");
  CHECK(take(LineEnding::lf, "a\n..b\n.\nMAIL", 3).text == "a\n.b\n");
}

TEST_CASE("data text: octets cut anywhere are what they are whole") {
  std::mt19937 random(7);
  const std::string alphabet = "..\r\r\n\nab";
  for (int round = 0; round < 20000; ++round) {
    std::string octets;
    for (auto left = random() % 24; left > 0; --left)
      octets += alphabet[random() % alphabet.size()];
    if (random() % 2 == 0) octets += "\r\n.\r\nx";
    const LineEnding ending = random() % 2 == 0 ? LineEnding::crlf : LineEnding::lf;
    const Taken want = by_the_letter(ending, octets);
    const Taken got = take(ending, octets, random() % 5 + 1);
    REQUIRE(got.ended == want.ended);
    if (!want.ended) continue;  // what may still become an end is held back
    REQUIRE(got.text == want.text);
    REQUIRE(got.rest == want.rest);
  }
}
