#include "base/text.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <limits>
#include <string>

using namespace ml;
using Parts = std::vector<std::string_view>;

TEST_CASE("text: lower knows ASCII only") {
  CHECK(lower("Ann@EXAMPLE.org [\\]^_`{") == "ann@example.org [\\]^_`{");
  CHECK(lower("\xC3\x84") == "\xC3\x84");
}

TEST_CASE("text: comparisons without case need the same length") {
  CHECK(same_nocase("Return-Path", "RETURN-path"));
  CHECK_FALSE(same_nocase("To", "To:"));
  CHECK_FALSE(same_nocase("[", "{"));
  CHECK(begins_nocase("Received: from", "received:"));
  CHECK_FALSE(begins_nocase("To", "To:"));
  CHECK(begins_nocase("", ""));
}

TEST_CASE("text: trim takes every white space off both ends and none from the middle") {
  CHECK(trim(" \t\r\n\f\va b\t ") == "a b");
  CHECK(trim(" \n ").empty());
  CHECK(trim("").empty());
}

TEST_CASE("text: split keeps empty parts and words has none") {
  CHECK(split("", ',') == Parts{""});
  CHECK(split(",a,,b,", ',') == Parts{"", "a", "", "b", ""});
  CHECK(words("").empty());
  CHECK(words("  a\t\nb  ") == Parts{"a", "b"});
}

TEST_CASE("text: a number is all digits and fits") {
  CHECK(number("0") == 0U);
  CHECK(number("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  CHECK(number<int>("075") == 75);
  for (const char* bad : {"", "-1", "-0", "+1", " 1", "1 ", "1.0", "0x1", "18446744073709551616"}) {
    CAPTURE(bad);
    CHECK_FALSE(number(bad));
    CHECK_FALSE(number<int>(bad));
  }
  CHECK_FALSE(number<std::uint8_t>("256"));
}

TEST_CASE("text: UTF-8 at the edges of each length") {
  for (const char* good :
       {"", "abcdefgh", "\x7f", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
        "\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    CAPTURE(good);
    CHECK(is_utf8(good));
  }
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF",
                          "\xED\xA0\x80", "\xE2\x82", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
                          "\xF5\x80\x80\x80", "\xFF", "\xF0\x90\x80"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_utf8(bad));
  }
}

TEST_CASE("text: one bad octet is found wherever it stands in a long text") {
  for (std::size_t at = 0; at < 40; ++at) {
    std::string text(40, 'x');
    CHECK(is_utf8(text));
    text[at] = '\xFF';
    CHECK_FALSE(is_utf8(text));
    text.replace(at, 1, "\xC3\xA4");
    CHECK(is_utf8(text));
  }
}

TEST_CASE("text: what a person sees has no control and no octet that is not UTF-8") {
  CHECK(printable("a\x1b[2Jb\n\x7f\xFF\xC3\xA4") == "a\\x1b[2Jb\\x0a\\x7f\\xff\xC3\xA4");
  CHECK(printable(std::string_view("a\0b", 3)) == "a\\x00b");
  CHECK(printable("\xC2\x9B"
                  "2J\xC2\xA0") ==
        "\\xc2\\x9b"
        "2J\xC2\xA0");
}

TEST_CASE("text: a long text for a person is cut between two characters and says so") {
  CHECK(printable("1234567890", 10) == "1234567890");
  CHECK(printable("12345678901", 10) == "1234567890...");
  CHECK(is_utf8(printable("123456789\xC3\xA4\xC3\xA4", 10)));
}
