#include "base/shell_word.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <string_view>

#include "base/coprocess.hpp"

using namespace ml;

TEST_CASE("shell word: a shell reads back what was meant", "[base]") {
  std::string every;
  for (int c = 1; c < 256; ++c) every.push_back(static_cast<char>(c));
  for (const std::string& text :
       {every, std::string(), std::string("my left"), std::string("o'neil"), std::string("'"),
        std::string("~root"), std::string("#x"), std::string("{a,b}"), std::string("a!b"),
        std::string("*"), std::string("$HOME")}) {
    CAPTURE(text);
    auto shell = Coprocess::start({"sh", "-c", "printf %s " + text_to_shell_word(text)});
    REQUIRE(shell);
    std::string said;
    const auto ended = shell->finish([&](std::string_view piece) { said.append(piece); });
    REQUIRE(ended);
    CHECK(said == text);
  }
}

TEST_CASE("shell word: what needs no quotes has none", "[base]") {
  for (const char* const text : {"smtp://relay.x.org:25", "/var/lib/mlpipe/left/x1", "--home"}) {
    CHECK(text_to_shell_word(text) == text);
  }
}
