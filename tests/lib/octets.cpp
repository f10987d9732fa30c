#include "base/octets.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ml;

TEST_CASE("octets: each octet at each place is judged as one by one") {
  for (std::size_t length : {1UL, 7UL, 15UL, 16UL, 17UL, 32UL, 35UL}) {
    for (std::size_t at = 0; at < length; ++at) {
      for (int octet = 0; octet < 256; ++octet) {
        std::string text(length, 'a');
        text[at] = static_cast<char>(octet);
        const bool printable = octet >= 0x20 && octet <= 0x7e;
        const bool right = is_printable(text, Tabs::refused) == printable &&
                           is_printable(text, Tabs::allowed) == (printable || octet == '\t') &&
                           has_capitals(text) == (octet >= 'A' && octet <= 'Z');
        if (!right) FAIL("octet " << octet << " at " << at << " of " << length);
      }
    }
  }
  CHECK(is_printable("", Tabs::refused));
  CHECK(is_printable(std::string_view(), Tabs::refused));
  CHECK_FALSE(has_capitals(std::string_view()));
}
