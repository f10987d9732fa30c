#include "smtp/wire.hpp"

#include <catch2/catch.hpp>

using namespace ml;

namespace {

std::string wire(std::string_view text) {
  return text_to_wire(text, Dots::doubled);
}

// A message ends at CRLF . CRLF; so does a lone dot in the first line.
bool smuggles(const std::string& wire) {
  if (wire.starts_with(".\r\n") || wire.find("\r\n.\r\n") != wire.npos) return true;
  for (std::size_t i = 0; i < wire.size(); ++i) {
    if (wire[i] == '\n' && (i == 0 || wire[i - 1] != '\r')) return true;
    if (wire[i] == '\r' && (i + 1 == wire.size() || wire[i + 1] != '\n')) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("wire: every line end becomes CRLF and the last line gets one") {
  CHECK(wire("a\nb") == "a\r\nb\r\n");
  CHECK(wire("a\r\nb\r\n") == "a\r\nb\r\n");
  CHECK(wire("a\rb\r") == "a\r\nb\r\n");
  CHECK(wire("a\r\r\nb\n\n") == "a\r\n\r\nb\r\n\r\n");
  CHECK(wire("").empty());
  CHECK(wire("\n") == "\r\n");
}

TEST_CASE("wire: a dot that begins a line is doubled and no other") {
  CHECK(wire(".\n..\na.b\n.c") == "..\r\n...\r\na.b\r\n..c\r\n");
  CHECK(text_to_wire(".\n.c", Dots::plain) == ".\r\n.c\r\n");
}

TEST_CASE("wire: no text can end the message early") {
  for (const char* text : {"\n.\r\n", "\r.\r", "\n.\n", "\r\n.\n", "\n.\r", ".\r\n", "\r.\n", ".",
                           "a\n.\r\nMAIL FROM:<x@x.org>\r\n"}) {
    CHECK_FALSE(smuggles(wire(text)));
  }
}

TEST_CASE("wire: pieces cut anywhere make the same octets") {
  const std::string alphabet = "\r\n.a";
  for (unsigned number = 0; number < 4096; ++number) {  // every text of six octets
    std::string text;
    for (unsigned i = 0; i < 6; ++i) text.push_back(alphabet[number >> (2 * i) & 3]);
    const std::string whole = wire(text);
    REQUIRE_FALSE(smuggles(whole));
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      std::string pieces;
      WireEncoder encoder(Dots::doubled);
      encoder.add(pieces, std::string_view(text).substr(0, cut));
      encoder.add(pieces, "");
      encoder.add(pieces, std::string_view(text).substr(cut));
      encoder.finish(pieces);
      REQUIRE(pieces == whole);
    }
  }
}
