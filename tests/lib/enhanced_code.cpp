#include "mail/enhanced_code.hpp"

#include <catch2/catch.hpp>

#include <string_view>

using namespace ml;

namespace {

EnhancedCode leading(std::string_view text) {
  return take_enhanced_code(text);
}

std::string_view behind(std::string_view text) {
  REQUIRE(take_enhanced_code(text).kind != 0);
  return text;
}

}  // namespace

TEST_CASE("enhanced code: three numbers that neither a letter nor a digit follows") {
  for (const char* text : {"5.1.10 x", "5.1.10", "5.1.10: x", "5.1.10.", "5.1.10, x", "5.1.10-x",
                           " \t 5.1.10 x", "5.01.010 x"}) {
    INFO(text);
    CHECK(leading(text) == EnhancedCode{5, 1, 10});
  }
  CHECK(leading("4.2.2") == EnhancedCode{4, 2, 2});
  for (const char* none : {"", " ", "5", "5.1", "5.1.", "3.1.1 x", "15.1.1", "5..1 x", "5.1.x y",
                           "5.1.1x", "127.0.0.1 x", "5.1.1234 x", "5.1.1.2", "x 5.1.1"}) {
    INFO(none);
    CHECK(leading(none).kind == 0);
  }
}

TEST_CASE("enhanced code: what is behind it and one blank is left") {
  CHECK(behind("2.1.5 Ok") == "Ok");
  CHECK(behind("2.1.5").empty());
  CHECK(behind("  5.7.1: denied") == ": denied");
  CHECK(behind("5.7.708  two") == " two");
  std::string_view none = " 5.1.x y";
  CHECK(take_enhanced_code(none).kind == 0);
  CHECK(none == " 5.1.x y");
}

TEST_CASE("enhanced code: the text of a code is read as the same code") {
  CHECK(enhanced_code_to_text({5, 7, 708}) == "5.7.708");
  CHECK(leading(enhanced_code_to_text({4, 0, 999})) == EnhancedCode{4, 0, 999});
  CHECK(enhanced_code_to_text({}).empty());
}
