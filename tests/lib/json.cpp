#include "base/json.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace {

std::string json(std::string_view text) {
  std::string to;
  ml::append_json(to, text);
  return to;
}

}  // namespace

TEST_CASE("json: text is quoted and what must be escaped is", "[base]") {
  CHECK(json("") == "\"\"");
  CHECK(json("a \"b\" \\ c") == "\"a \\\"b\\\" \\\\ c\"");
  CHECK(json("a\nb\tc\x01\x7f") == "\"a\\nb\\tc\\u0001\\u007f\"");
  CHECK(json("b\xc3\xbc") == "\"b\xc3\xbc\"");
}

TEST_CASE("json: what is not UTF-8 is spelt out", "[base]") {
  CHECK(json("a\xff") == "\"a\\\\xff\"");
}

TEST_CASE("json: an array has commas between its texts only", "[base]") {
  std::string to;
  ml::append_json(to, std::vector<std::string>{"[", "b"});
  CHECK(to == "[\"[\",\"b\"]");
  to.clear();
  ml::append_json(to, std::vector<std::string>{});
  CHECK(to == "[]");
}
