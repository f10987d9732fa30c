#include "mail/rfc2047.hpp"

#include <catch2/catch.hpp>

#include <random>
#include <string>

#include "base/text.hpp"
#include "mail/charset.hpp"
#include "mail/header.hpp"

using namespace ml;
using namespace std::string_literals;

namespace {

const std::string cafe = "caf\xC3\xA9";

std::size_t longest_line(std::string_view text, std::size_t column) {
  std::size_t longest = 0;
  for (const auto line : split(text, '\n')) {
    longest = std::max(longest, line.size() + column);
    column = 0;
  }
  return longest;
}

}  // namespace

TEST_CASE("encoded words: both encodings and any case are decoded") {
  CHECK(decode_words("=?utf-8?q?caf=C3=A9?=") == cafe);
  CHECK(decode_words("=?UTF-8?Q?caf=c3=a9?=") == cafe);
  CHECK(decode_words("=?utf-8?B?Y2Fmw6k=?=") == cafe);
  CHECK(decode_words("=?utf-8*en?b?Y2Fmw6k?= ") == cafe);
  CHECK(decode_words("=?utf-8?q?a_b?=") == "a b");
  CHECK(decode_words("=?utf-8?q?\?=") == "");
}

TEST_CASE("encoded words: charsets become UTF-8") {
  CHECK(decode_words("=?iso-8859-1?q?caf=E9?=") == cafe);
  CHECK(decode_words("=?windows-1252?q?=80?=") == "\xE2\x82\xAC");
  CHECK(decode_words("=?koi8-r?b?8NLJ18XU?=") ==
        "\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82");
  CHECK(decode_words("=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=") == "\xE6\x97\xA5\xE6\x9C\xAC");
  CHECK(decode_words("=?gb2312?b?1tA=?=") == "\xE4\xB8\xAD");
}

TEST_CASE("encoded words: a charset that is unknown leaves the words as they are") {
  CHECK(decode_words("=?x-none?q?a=20b?= =?x-none?q?c?=") == "=?x-none?q?a=20b?= =?x-none?q?c?=");
  CHECK(decode_words("=?../../x?q?a?=") == "=?../../x?q?a?=");
  CHECK(decode_words("=?utf-7?q?a?=") == "=?utf-7?q?a?=");
}

TEST_CASE("encoded words: blanks between two of them fall and all others stay") {
  CHECK(decode_words("=?utf-8?q?a?= =?utf-8?q?b?=") == "ab");
  CHECK(decode_words("=?utf-8?q?a?=\n =?iso-8859-1?q?b?=") == "ab");
  CHECK(decode_words("x =?utf-8?q?a?=  y") == "x a  y");
  CHECK(decode_words("(=?utf-8?q?a?=)") == "(a)");
}

TEST_CASE("encoded words: a character cut in two by its writer is mended") {
  CHECK(decode_words("=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=") == cafe);
}

TEST_CASE("encoded words: what is none stays") {
  for (const std::string text :
       {"=?", "=?utf-8", "=?utf-8?q", "=?utf-8?q?", "=?utf-8?q?a",
        "=?utf-8?x?a?=", "=?utf-8?qq?a?=", "=?utf-8?q?a?", "a=?b", "=?=?=?="}) {
    CHECK(decode_words(text) == text);
  }
}

TEST_CASE("encoded words: the decoded text is UTF-8 in one line without controls") {
  CHECK(decode_words("=?utf-8?q?a=0D=0Ab=00c=FF?=") == "a  b c\xEF\xBF\xBD");
  CHECK(decode_words("caf\xE9\n\tau") == "caf\xEF\xBF\xBD au");
}

TEST_CASE("encoded words: ASCII text is folded and not touched otherwise") {
  CHECK(encode_text("hello there", 9) == "hello there");
  CHECK(encode_text("", 9) == "");
  const std::string value = encode_text(
      "the quick brown fox jumps over the lazy dog and then "
      "over  the next one too",
      9);
  CHECK(value == "the quick brown fox jumps over the lazy dog and then over  the next\n one too");
  CHECK(encode_text("a\nBcc: x\r\0"s, 0) == "a Bcc: x");
}

TEST_CASE("encoded words: only what needs it is encoded") {
  CHECK(encode_text(cafe + " au lait", 9) == "=?utf-8?q?caf=C3=A9?= au lait");
  CHECK(encode_text("ein " + cafe + "  " + cafe + " x", 9) ==
        "ein =?utf-8?q?caf=C3=A9__caf=C3=A9?= x");
  CHECK(encode_text("=?utf-8?q?a?=", 0) == "=?utf-8?b?PT91dGYtOD9xP2E/PQ==?=");
}

TEST_CASE("encoded words: a phrase is atoms or quoted or encoded") {
  CHECK(encode_phrase("Ann Author", 6) == "Ann Author");
  CHECK(encode_phrase("Ann B. \"A\" <x>, \\", 6) == "\"Ann B. \\\"A\\\" <x>, \\\\\"");
  CHECK(encode_phrase(cafe, 6) == "=?utf-8?q?caf=C3=A9?=");
  CHECK(encode_phrase("", 6) == "");
}

TEST_CASE("encoded words: text to value to text is the identity and no line is too long") {
  const std::string alphabet[] = {"a",
                                  "b",
                                  " ",
                                  " ",
                                  "  ",
                                  "\xC3\xA9",
                                  "\xE4\xB8\xAD",
                                  "=?",
                                  "?=",
                                  "_",
                                  "\xF0\x9F\x98\x80",
                                  "\"",
                                  "\\",
                                  ",",
                                  "=20",
                                  "word",
                                  ".",
                                  "(",
                                  ")"};
  std::mt19937 random(7);
  for (int i = 0; i < 5'000; ++i) {
    std::string text;
    for (auto n = random() % 200; n > 0; --n) text += alphabet[random() % std::size(alphabet)];
    text = trim(text);
    const std::string value = encode_text(text, 9);
    REQUIRE(is_ascii(value));
    if (text.find("=?") == std::string::npos) REQUIRE(longest_line(value, 9) <= 140);
    REQUIRE(decode_words(value) == text);
    const std::string phrase = encode_phrase(text, 6);
    REQUIRE(is_ascii(phrase));
    REQUIRE(longest_line(phrase, 6) <= 76);
  }
}

TEST_CASE("encoded words: whatever the text no line passes 998 octets") {
  CHECK(longest_line(encode_text(std::string(5000, 'a'), 9), 9) <= 76);
  CHECK(longest_line(encode_text("a" + std::string(5000, ' ') + "b", 9), 9) <= 76);
  CHECK(longest_line(encode_text(std::string(890, 'a') + " " + std::string(899, 'b'), 70), 70) <=
        998);
}

TEST_CASE("charset: octets that cannot be converted become U+FFFD and never hang") {
  CHECK(charset_to_utf8("utf-8",
                        "a\xFF"
                        "b") ==
        "a\xEF\xBF\xBD"
        "b");
  CHECK(charset_to_utf8("euc-jp", "\xA4") == "\xEF\xBF\xBD");
  CHECK(charset_to_utf8("iso-2022-jp", "\x1B$B\xFF\xFF")->find("\xEF\xBF\xBD") !=
        std::string::npos);
  CHECK(charset_to_utf8("windows-1252", std::string(10'000, '\x80'))->size() == 30'000);
  CHECK_FALSE(charset_to_utf8("", "a"));
  CHECK_FALSE(charset_to_utf8("iso-8859-17", "a"));
}
