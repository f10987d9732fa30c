#include "mail/transfer.hpp"

#include <catch2/catch.hpp>

#include <random>
#include <string>

#include "base/digest.hpp"
#include "base/text.hpp"

using namespace ml;

namespace {

std::string quoted_printable(std::string_view text) {
  std::string to;
  QuotedPrintable(to).add(text);
  return to;
}

}  // namespace

TEST_CASE("base64: whatever is no digit is passed over") {
  CHECK(base64_text_to_octets("aGVs\nbG8=\n") == "hello");
  CHECK(base64_text_to_octets("aGVsbG8") == "hello");
  CHECK(base64_text_to_octets("a-G*VsbG8=ignored") == "hello");
  CHECK(base64_text_to_octets("a") == "");
  CHECK(base64_text_to_octets("") == "");
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  CHECK(base64_text_to_octets(base64(all)) == all);
}

TEST_CASE("quoted-printable: escapes and soft breaks are undone and the rest stays") {
  CHECK(quoted_printable_to_octets("caf=C3=a9 =3D=\n x\ny") == "caf\xC3\xA9 = x\ny");
  CHECK(quoted_printable_to_octets("a  \nb =\nc\t") == "a\nb c");
  CHECK(quoted_printable_to_octets("=") == "");
  CHECK(quoted_printable_to_octets("a=zz=4") == "a=zz=4");
}

TEST_CASE("quoted-printable: what would be lost or misread on the way is escaped") {
  CHECK(quoted_printable("a=b\n") == "a=3Db\n");
  CHECK(quoted_printable("a \nb\t\n") == "a=20\nb=09\n");
  CHECK(quoted_printable(".\n-- \nFrom x\n>From\n") == "=2E\n=2D-=20\n=46rom x\n>From\n");
  CHECK(quoted_printable("\xC3\xA9\r") == "=C3=A9=0D");
}

TEST_CASE("quoted-printable: what stands as it is is what encoding makes of it") {
  CHECK(is_quoted_as_it_stands("Ann"));
  CHECK(is_quoted_as_it_stands("Ann O'Neil, from x.org"));
  CHECK_FALSE(is_quoted_as_it_stands(""));
  std::mt19937 random(12);
  const std::string_view alphabet = "abcdefgh .-=\n\t\xC3 From";
  unsigned stands = 0;
  for (int i = 0; i < 30'000; ++i) {
    std::string text;
    for (auto n = random() % (i % 10 == 0 ? 80 : 8); n > 0; --n) text += alphabet[random() % 15];
    if (i % 7 == 0) text = "From " + text;
    if (!is_quoted_as_it_stands(text)) continue;
    ++stands;
    REQUIRE(quoted_printable(text) == text);
    REQUIRE(quoted_printable(text + "\n") == text + "\n");
  }
  CHECK(stands > 3'000);
}

TEST_CASE("quoted-printable: text to lines of 76 to text is the identity") {
  std::mt19937 random(11);
  const std::string_view alphabet = "ab .-=\n\t\xC3\xA9 From";
  for (int i = 0; i < 3'000; ++i) {
    std::string text;
    std::string encoded;
    QuotedPrintable printer(encoded);
    for (auto pieces = random() % 5; pieces > 0; --pieces) {
      std::string piece;
      for (auto n = random() % 200; n > 0; --n) piece += alphabet[random() % alphabet.size()];
      text += piece;
      printer.add(piece);
      if (random() % 2 == 0) printer.soft_break();
    }
    REQUIRE(quoted_printable_to_octets(encoded) == text);
    for (const auto line : split(encoded, '\n')) {
      REQUIRE(line.size() <= 76);
      REQUIRE_FALSE(line.starts_with('.'));
      REQUIRE_FALSE(line.starts_with('-'));
      REQUIRE_FALSE(line.starts_with("From "));
      REQUIRE_FALSE((!line.empty() && is_blank(line.back())));
    }
  }
}
