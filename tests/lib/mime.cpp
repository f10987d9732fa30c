#include "mail/mime.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

using namespace ml;

namespace {

std::string multipart(const std::string& boundary, const std::vector<std::string>& parts) {
  std::string text = "Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\n\n";
  for (const auto& part : parts) text += "--" + boundary + "\n" + part + "\n";
  return text + "--" + boundary + "--\n";
}

// TYPE:TEXT of each leaf.
std::vector<std::string> leaves(const std::string& message) {
  std::vector<std::string> found;
  for (const auto& part : text_to_parts(tamed_text(message)))
    found.push_back(part.type + ":" + part.text);
  return found;
}

using Leaves = std::vector<std::string>;

template <class Call>
double seconds(Call&& call) {
  const auto begin = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += text;
  return result;
}

}  // namespace

TEST_CASE("mime: a message without structure is one plain leaf") {
  CHECK(leaves("Subject: x\n\nHello.\n") == Leaves{"text/plain:Hello.\n"});
}

TEST_CASE("mime: parts come in their order with their types in lower case") {
  CHECK(leaves(multipart("b", {"Content-Type: TEXT/Html; charset=x\n\n<p>",
                               "Content-Type: message/delivery-status (it)\n\nA: b"})) ==
        Leaves{"text/html:<p>", "message/delivery-status:A: b"});
}

TEST_CASE("mime: line ends of every kind give the same leaves") {
  const std::string lf = multipart("b", {"Content-Type: text/x\n\none\ntwo", "\nthree"});
  std::string crlf;
  std::string cr;
  for (const char c : lf) {
    crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
    cr += c == '\n' ? '\r' : c;
  }
  CHECK(leaves(crlf) == leaves(lf));
  CHECK(leaves(cr) == leaves(lf));
  CHECK(leaves(lf) == Leaves{"text/x:one\ntwo", "text/plain:three"});
}

TEST_CASE("mime: a message in a message knows how deep it lies") {
  const std::string inner = multipart("i", {"Content-Type: text/a\n\nx"});
  const auto parts = text_to_parts(
      multipart("o", {"Content-Type: text/b\n\ny", "Content-Type: message/rfc822\n\n" + inner}));
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].messages == 0);
  CHECK(parts[1].type == "text/rfc822-headers");
  CHECK(parts[1].text.starts_with("Content-Type: multipart/mixed"));
  CHECK(parts[2].messages == 1);
  CHECK(parts[2].type == "text/a");
  CHECK(parts[2].depth > parts[0].depth);
}

TEST_CASE("mime: transfer encodings are undone") {
  CHECK(leaves(multipart("b", {"Content-Transfer-Encoding: Quoted-Printable\n\na=3Db=\nc",
                               "Content-Transfer-Encoding: base64\n\naGVsbG8N\nCg=="})) ==
        Leaves{"text/plain:a=bc", "text/plain:hello\n"});
}

TEST_CASE("mime: a leading From line goes and NULs go") {
  CHECK(tamed_text(std::string("From x\nA: b\n\nc\0d", 16)) == "A: b\n\ncd");
  CHECK(tamed_text("From x").empty());
  CHECK(tamed_text("").empty());
}

TEST_CASE("mime: sixty thousand nested multiparts are one text and cost no time") {
  std::string text;
  for (int i = 0; i < 60'000; ++i) {
    const std::string b = std::to_string(i);
    text += "Content-Type: multipart/mixed; boundary=" + b + "\n\n--" + b + "\n";
  }
  CHECK(seconds([&] { CHECK(leaves(text) == Leaves{"text/plain:" + text}); }) < 5);
}

TEST_CASE("mime: what is beyond the library is taken apart all the same") {
  std::vector<std::string> parts(most_content_types + 1, "Content-Type: text/x\n\ny");
  CHECK(leaves(multipart("b", parts)).size() == parts.size());
  const std::string returned = "Content-Type: message/rfc822\n\nTo: ann@c.org\n\nz";
  parts.push_back(returned);
  const auto all = leaves(multipart("b", parts));
  REQUIRE(all.size() == parts.size() + 1);
  CHECK(all[parts.size() - 1] == "text/rfc822-headers:To: ann@c.org\n");
  CHECK(all.back() == "text/plain:z");
}

TEST_CASE("mime: the deepest nesting that is taken costs no time either") {
  std::string text;
  for (std::size_t i = 0; i + 1 < most_content_types; ++i) {
    text += "Content-Type: multipart/mixed; boundary=x" + std::to_string(i) + "\n\n--x" +
            std::to_string(i) + "\n";
  }
  text += "\n" + repeated("--y\n", 500'000);
  CHECK(seconds([&] { static_cast<void>(leaves(text)); }) < 5);
}

TEST_CASE("mime: messages nested in messages cost no time") {
  const std::string text = repeated("Content-Type: message/rfc822\n\n", most_content_types);
  CHECK(seconds([&] { static_cast<void>(leaves(text)); }) < 5);
}

TEST_CASE("mime: one header field of megabytes costs no time and the body is found") {
  const std::string body = "\n\nhello\n";
  const std::string line = "Subject: " + std::string(1'600'000, 'x');
  const std::string folded = "Subject: x" + repeated("\n " + std::string(70, 'y'), 25'000);
  CHECK(seconds([&] {
          CHECK(leaves(line + body) == Leaves{"text/plain:hello\n"});
          CHECK(leaves(folded + body) == Leaves{"text/plain:hello\n"});
        }) < 5);
}

TEST_CASE("mime: a boundary in the middle of a line is none whatever the line ends") {
  const std::string text =
      "Content-Type: multipart/mixed; boundary=B\r\n\n--B\r\n\nh--B\rx\n--B--\r\n";
  CHECK(leaves(text) == Leaves{"text/plain:h--B\nx"});
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    static_cast<void>(leaves(text.substr(0, cut)));
  }
}

TEST_CASE("mime: a recipient that is no address is no trouble") {
  CHECK(leaves("To: undisclosed-recipients:\nCc: ;,<,@\n\nx\n") == Leaves{"text/plain:x\n"});
}

TEST_CASE("mime: a multipart without a boundary or with an empty one ends") {
  static_cast<void>(leaves("Content-Type: multipart/mixed\n\n--\n\nx\n--\n--\n"));
  static_cast<void>(leaves("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n"));
  SUCCEED();
}
