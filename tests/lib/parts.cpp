#include "mail/parts.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ml;

namespace {

// Each leaf as TYPE[head|separator|body], sealed ones with a !.
std::string shown(std::string_view message) {
  const auto leaves = message_to_leaves(message);
  if (!leaves) return leaves.error().text;
  std::string text;
  for (const Leaf& leaf : *leaves) {
    text += leaf.type.name + (leaf.seal == Seal::sealed ? "!" : "");
    text.append("[").append(leaf.head).append("|").append(leaf.separator).append("|");
    text.append(leaf.body).append("]");
  }
  return text;
}

const std::string mixed = "Content-Type: multipart/mixed; boundary=b\n";
const std::string html = "Content-Type: text/html\n";

}  // namespace

TEST_CASE("parts: a plain message is one part") {
  CHECK(shown("A: b\n\nbody\n") == "text/plain[A: b\n|\n|body\n]");
  CHECK(shown("A: b\n") == "text/plain[A: b\n||]");
  CHECK(shown("") == "text/plain[||]");
  CHECK(shown("no head\n") == "text/plain[||no head\n]");
  CHECK(shown("Content-Type: Text/HTML; charset=x\n\n--b\n") ==
        "text/html[Content-Type: Text/HTML; charset=x\n|\n|--b\n]");
}

TEST_CASE("parts: preamble and epilogue are none and a boundary's LF is not the body's") {
  CHECK(shown(mixed + "\npreamble\n--b\n\none\n--b\n" + html + "\ntwo\n\n--b--\nepilogue\n") ==
        "text/plain[|\n|one]text/html[" + html + "|\n|two\n]");
}

TEST_CASE("parts: multiparts in multiparts") {
  const std::string inner = "Content-Type: multipart/alternative; boundary=\"c d\"\n";
  CHECK(shown(mixed + "\n--b\n" + inner + "\n--c d\n\none\n--c d\n" + html +
              "\ntwo\n--c d--\n--b\n\nthree\n--b--\n") ==
        "text/plain[|\n|one]text/html[" + html + "|\n|two]text/plain[|\n|three]");
  // The inner one is never closed: the outer boundary ends it.
  CHECK(shown(mixed + "\n--b\n" + inner + "\n--c d\n\none\n--b--\n") == "text/plain[|\n|one]");
}

TEST_CASE("parts: a part may lack its blank line or its body or its end") {
  CHECK(shown(mixed + "\n--b\njust text\n--b--\n") == "text/plain[||just text]");
  CHECK(shown(mixed + "\n--b\n" + html + "--b\n\n--b--\n") ==
        "text/html[" + html + "||]text/plain[|\n|]");
  CHECK(shown(mixed + "\n--b\n\nopen end\n") == "text/plain[|\n|open end\n]");
  CHECK(shown(mixed + "--b\n\none\n--b--\n") == "text/plain[|\n|one]");
  CHECK(shown(mixed + "\n--b\n" + html) == "text/html[" + html + "||]");
  CHECK(shown(mixed + "\nno boundary\n").empty());
}

TEST_CASE("parts: a boundary line may have blanks behind it and nothing else") {
  CHECK(shown(mixed + "\n--b \t\n\none\n--bc\n--b-\n--b-- \n") ==
        "text/plain[|\n|one\n--bc\n--b-]");
}

TEST_CASE("parts: what is signed or encrypted is sealed and so is what lies in it") {
  CHECK(shown("Content-Type: multipart/signed; boundary=s\n\n--s\n" + mixed +
              "\n--b\n\none\n--b--\n--s\n" + html + "\nx\n--s--\n") ==
        "text/plain![|\n|one]text/html![" + html + "|\n|x]");
}

TEST_CASE("parts: an attached message is one part") {
  CHECK(shown("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\ny\n--b--\n") ==
        "message/rfc822[|\n|Subject: x\n\ny]");
}

TEST_CASE("parts: nesting beyond the bound is the message's fault") {
  std::string message;
  for (int i = 0; i < 40; ++i) {
    const std::string b = "b" + std::to_string(i);
    message += "Content-Type: multipart/mixed; boundary=" + b + "\n\n--" + b + "\n";
  }
  CHECK(shown(message) == "5.6.0 its parts are nested deeper than 30");
}

TEST_CASE("parts: a content type keeps its parameters both ways") {
  const ContentType type = text_to_content_type(
      " Text/Plain (c) ; Charset=\"utf-8\" ; junk ; format=flowed; name=\"a \\\"b\\\";c\"");
  CHECK(type.name == "text/plain");
  CHECK(type.parameter("charset") == "utf-8");
  CHECK(type.parameter("name") == "a \"b\";c");
  CHECK(content_type_to_text(type) ==
        "text/plain; charset=utf-8; format=flowed; name=\"a \\\"b\\\";c\"");
  CHECK(text_to_content_type("").name == "text/plain");
  CHECK(text_to_content_type("(((").name == "text/plain");
}
