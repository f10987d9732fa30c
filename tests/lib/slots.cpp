#include "mail/slots.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/mailboxes.hpp"
#include "mail/message.hpp"
#include "mail/rfc2047.hpp"
#include "mail/transfer.hpp"
#include "smtp/wire.hpp"

using namespace ml;

namespace {

const std::string nonce = "k7w2nonce4f";
const std::string from = "From: ann@example.org\n";
const std::string html = from + "Content-Type: text/html; charset=utf-8\n\n";

using Person = std::map<std::string, std::string>;

std::string joined(const Filled& filled) {
  std::string text;
  for (const auto piece : filled.pieces) text += piece;
  return text;
}

std::string filled_text(std::string_view marked, const Person& person) {
  const auto slotted = marked_to_slotted(marked, nonce);
  REQUIRE(slotted);
  std::vector<std::optional<std::string_view>> values;
  for (const auto& key : slotted->keys()) {
    const auto found = person.find(key);
    values.push_back(found == person.end() ? std::optional<std::string_view>() : found->second);
  }
  Filled filled;
  const auto done = slotted->fill(values, filled);
  if (!done) {
    CHECK(done.error().status == Status::retry);
    return "left: " + done.error().text;
  }
  return joined(filled);
}

// The copy of one person, or why there is none.
std::string copy(const std::string& message, const Person& person) {
  const auto marked = mark_slots(message, nonce);
  if (!marked) {
    CHECK(marked.error().status == Status::rejected);
    CHECK(marked.error().text.starts_with("5.6.0 "));
    return "refused: " + marked.error().text;
  }
  return filled_text(marked->message, person);
}

// Its body, the encoding undone.
std::string body(const std::string& message, const Person& person) {
  const std::string text = copy(message, person);
  if (text.starts_with("left: ") || text.starts_with("refused: ")) return text;
  return quoted_printable_to_octets(split_message(text).body);
}

std::string field(const std::string& message, std::string_view name, const Person& person) {
  const std::string text = copy(message, person);
  if (text.starts_with("left: ") || text.starts_with("refused: ")) return text;
  const auto found = find_field(split_message(text).head, name);
  return found ? std::string(found->value) : "missing";
}

bool refuses(const std::string& message, std::string_view why) {
  const std::string text = copy(message, {{"name", "Bob"}});
  UNSCOPED_INFO(text);
  return text.starts_with("refused: ") && text.find(why) != std::string::npos;
}

bool lines_are_short(std::string_view text) {
  for (const auto line : split(text, '\n')) {
    if (line.size() > 998) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("slots: a message without any is not changed by an octet") {
  for (const std::string& message :
       {from + "\nHello\n", from, std::string("\n"), from + "Subject:  x{{\n y\n\nbody }} {{ x",
        from + "Content-Type: text/html\n\n<style>a{{x}b}</style>\n"}) {
    const auto marked = mark_slots(message, nonce);
    REQUIRE(marked);
    CHECK(marked->message == message);
    CHECK(marked->keys.empty());
    CHECK(filled_text(marked->message, {}) == message);
  }
}

TEST_CASE("slots: the keys are told once each and whether each place has a default") {
  const auto marked =
      mark_slots(from + "Subject: {{name}}\n\n{{name|you}} {{a.b-c_1|}} {{x}}\n", nonce);
  REQUIRE(marked);
  REQUIRE(marked->keys.size() == 3);
  CHECK((marked->keys[0].key == "name" && !marked->keys[0].has_default));
  CHECK((marked->keys[1].key == "a.b-c_1" && marked->keys[1].has_default));
  CHECK((marked->keys[2].key == "x" && !marked->keys[2].has_default));
}

TEST_CASE("slots: text is filled in and the rest stays as it reads") {
  const std::string message = from + "\nDear {{name}},\n\nyour code = {{code}}.\n{{name}}\n";
  CHECK(body(message, {{"name", "Bob"}, {"code", "7"}}) == "Dear Bob,\n\nyour code = 7.\nBob\n");
}

TEST_CASE("slots: a part with slots says that it is quoted-printable in UTF-8") {
  const std::string text = copy(from + "\n{{name}}\n", {{"name", "Zo\xC3\xAB"}});
  CHECK(text == from +
                    "Content-Type: text/plain; charset=utf-8\n"
                    "Content-Transfer-Encoding: quoted-printable\nMIME-Version: 1.0\n\n"
                    "Zo=C3=AB=\n\n");
  CHECK(copy("mime-version: 1.0\nContent-Type: Text/Plain; charset=us-ascii; format=flowed\n"
             "content-transfer-encoding: 7bit\n\n{{name}}",
             {{"name", "B"}}) ==
        "mime-version: 1.0\nContent-Type: text/plain; charset=utf-8; format=flowed\n"
        "content-transfer-encoding: quoted-printable\n\nB=\n");
  CHECK(field(html + "{{name}}", "Content-Type", {{"name", "B"}}) == " text/html; charset=utf-8");
}

TEST_CASE("slots: other charsets and encodings become UTF-8 with the values") {
  CHECK(body(from + "Content-Type: text/plain; charset=iso-8859-1\n\ncaf\xE9 {{name}}\n",
             {{"name", "Zo\xC3\xAB"}}) == "caf\xC3\xA9 Zo\xC3\xAB\n");
  CHECK(body(from + "Content-Type: text/plain; charset=utf-8\n"
                    "Content-Transfer-Encoding: quoted-printable\n\nA=3D{{na=\nme}} caf=C3=A9\n",
             {{"name", "Bob"}}) == "A=Bob caf\xC3\xA9\n");
  CHECK(body(from + "Content-Type: text/plain; charset=iso-2022-jp\n\n\x1B$BF|K\\\x1B(B {{name}}\n",
             {{"name", "B"}}) == "\xE6\x97\xA5\xE6\x9C\xAC B\n");
  CHECK(body(from + "\ncaf\xC3\xA9 {{name}}\n", {{"name", "B"}}) == "caf\xC3\xA9 B\n");
}

TEST_CASE("slots: a default stands in where there is no value or an empty one") {
  const std::string message = from + "\nDear {{name|dear\nreader}},\n";
  CHECK(body(message, {{"name", "Bob"}}) == "Dear Bob,\n");
  CHECK(body(message, {}) == "Dear dear reader,\n");
  CHECK(body(message, {{"name", ""}}) == "Dear dear reader,\n");
  CHECK(body(from + "\na{{name|}}b\n", {}) == "ab\n");
}

TEST_CASE("slots: a recipient who lacks a key is left and the key is named") {
  CHECK(body(from + "\n{{name}} {{code}}\n", {{"name", "Bob"}}) == "left: no value for {{code}}");
}

TEST_CASE("slots: braces that are not closed are refused before a letter and text elsewhere") {
  CHECK(refuses(from + "\nDear {{name}, hello\n", "{{name}, hello in part 1"));
  CHECK(refuses("Subject: to {{name\n" + from + "\nHello\n", "is no slot"));
  CHECK(refuses(from + "\n{{name" + std::string(500, 'x') + "}}\n", "is no slot"));
  CHECK(body(from + "\n{{name}} {{{{ {{1 {{ {{\n", {{"name", "Bob"}}) == "Bob {{{{ {{1 {{ {{\n");
  CHECK(mark_slots(from + "X-Made: {{name\n\nHello\n", nonce).value().keys.empty());
}

TEST_CASE("slots: what looks like a mark is text") {
  const std::string message = from + "\n{{otherno/t/name}} {{name}}\n";
  CHECK(refuses(message, "is no slot"));
  const auto marked = mark_slots(from + "\n{{name}} {otherno/t/name}\n", nonce);
  REQUIRE(marked);
  CHECK(filled_text(marked->message, {{"name", "{{" + nonce + "/t/name}} {{name}}"}})
            .find("{{name}}") != std::string::npos);
  CHECK_FALSE(mark_slots(from + "\n{{" + nonce + "/t/name}}\n", nonce));
  CHECK_FALSE(mark_slots(from + "\n", "short"));
  CHECK_FALSE(mark_slots(from + "\n", "has blank in"));
}

TEST_CASE("slots: marks that were damaged on the way are found") {
  for (const std::string mark :
       {"{{k7w2nonce4f/t/name", "{{k7w2nonce4f/z/name}}", "{{k7w2nonce4f/t/Name}}",
        "{{k7w2nonce4f/t/name/0}}", "{{k7w2nonce4f/f/name}}", "{{k7w2nonce4f/}}"}) {
    CAPTURE(mark);
    CHECK_FALSE(marked_to_slotted(from + "\n" + mark + "\n", nonce));
  }
  CHECK_FALSE(marked_to_slotted("Date: {{k7w2nonce4f/f/name}}\n\n", nonce));
}

TEST_CASE("slots: braces that are no slot are refused in text and not mailed to all") {
  CHECK(refuses(from + "\nDear {{Name}},\n", "{{Name}} in part 1 (text/plain) is no slot"));
  CHECK(refuses(from + "\nDear {{Name}},\n", "is no slot: write {{name}}"));
  CHECK(refuses(from + "\nDear {{First Name|Friend}},\n", ": write {{first_name|Friend}}"));
  CHECK(refuses(from + "\nDear {{ name }},\n", "is no slot: write {{name}}"));
  CHECK(refuses(from + "\nDear {{Pr\xC3\xA9nom}},\n", "is no slot; a slot is"));
  CHECK(refuses(from + "\nDear {{{name}}},\n", "is no slot"));
  CHECK(refuses(from + "Subject: {{Name}}\n\n", "in the field Subject is no slot"));
  CHECK(refuses(html + "<p>{{#if x}}", "is no slot"));
  CHECK(copy(html + "<style>p{{#x}}</style><p>{{name}}", {{"name", "B"}}).find("B=\n") !=
        std::string::npos);
}

TEST_CASE("slots: a value in a body cannot end a line or begin one that means something") {
  const std::string message =
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n{{name}}\n--b--\n";
  for (const std::string value :
       {".", "..", ".\n.\nQUIT", "--b--\n--b", "--b", "From x", "a=\nb", "= =20", "\r\n.\r\n"}) {
    CAPTURE(value);
    const std::string text = copy(message, {{"name", value}});
    for (const auto line : split(text, '\n')) {
      CHECK_FALSE(line.starts_with('.'));
      CHECK_FALSE(line.starts_with("From "));
      CHECK(line.find('\r') == std::string_view::npos);
    }
    const auto begin = text.find("\n--b\n", 0);
    CHECK(text.find("\n--b\n", begin + 1) == std::string::npos);
    CHECK(text.find("\n--b--\n") == text.size() - 7);
  }
}

TEST_CASE("slots: a value of a megabyte makes no long line anywhere") {
  const std::string large(1'000'000, 'x');
  const std::string message = "Subject: {{name}}\nTo: {{name}} <ann@example.org>\n" + from +
                              "Content-Type: text/html\n\n<a title=\"{{name}}\">{{name}}\n";
  const std::string text = copy(message, {{"name", large}});
  CHECK(text.size() > 4'000'000);
  CHECK(lines_are_short(text));
}

TEST_CASE("slots: HTML is escaped between tags and in attributes") {
  const std::string message =
      html + "<p title=\"{{name}}\">Dear {{name}}</p><p title='{{name}}'>\n";
  const std::string evil = "<script>\"'&</p>";
  const std::string safe = "&lt;script&gt;&quot;&#39;&amp;&lt;/p&gt;";
  CHECK(body(message, {{"name", evil}}) ==
        "<p title=\"" + safe + "\">Dear " + safe + "</p><p title='" + safe + "'>\n");
}

TEST_CASE("slots: URLs are percent-encoded in HTML and in plain text") {
  const Person person{{"name", "a&b=c \xC3\xA9/\"<>\n"}};
  const std::string encoded = "a%26b%3Dc%20%C3%A9%2F%22%3C%3E%0A";
  CHECK(body(html + "<a href=\"https://x.org/?e={{name}}\">\n", person) ==
        "<a href=\"https://x.org/?e=" + encoded + "\">\n");
  CHECK(body(from + "\nsee https://x.org/{{name}}?{{name}} here\n", person) ==
        "see https://x.org/" + encoded + "?" + encoded + " here\n");
  CHECK(body(html + "<p>https://x.org/{{name}}</p>\n", person) ==
        "<p>https://x.org/" + encoded + "</p>\n");
}

TEST_CASE("slots: a whole URL must be one of the web or of mail") {
  const std::string message = html + "<a href=\"{{link}}&amp;x={{name}}\">\n";
  CHECK(body(message, {{"link", "https://x.org/a?b=c&d='\"<>"}, {"name", "q&"}}) ==
        "<a href=\"https://x.org/a?b=c&amp;d=%27%22%3C%3E&amp;x=q%26\">\n");
  for (const std::string value :
       {"javascript:alert(1)", " https://x.org", "//x.org", "data:text/html,x", "x"}) {
    CHECK(body(message, {{"link", value}, {"name", "q"}})
              .starts_with("left: the value of {{link}} is no http, https or mailto URL"));
  }
}

TEST_CASE("slots: places in HTML where no value is safe are refused") {
  CHECK(refuses(html + "<script>var x = '{{name}}'</script>", "a script"));
  CHECK(refuses(html + "<style>{{name}}</style>", "a script"));
  CHECK(refuses(html + "<p onclick=\"x('{{name}}')\">", "a script"));
  CHECK(refuses(html + "<a href=\"javascript:x('{{name}}')\">", "a script"));
  CHECK(refuses(html + "<p class={{name}}>", "an attribute without quotes"));
  CHECK(refuses(html + "<{{name}}>", "a tag"));
  CHECK(refuses(html + "<p {{name}}=x>", "a tag"));
  CHECK(refuses(html + "<!-- {{name}} -->", "a comment"));
  CHECK(refuses(html + "{{name|<b>you</b>}}", "the default of"));
  CHECK(refuses(html + "<p title=\"{{name|\"}}\">", "the default of"));
  CHECK(body(html + "{{name|d&eacute;sol&eacute;}}\n", {}) == "d&eacute;sol&eacute;\n");
}

TEST_CASE("slots: parts that cannot be filled are refused and named") {
  const auto typed = [](const std::string& head, const std::string& text) {
    return "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhi\n--b\n" + head + "\n" + text +
           "\n--b--\n";
  };
  // "Dear {{name}}"
  CHECK(refuses(typed("Content-Transfer-Encoding: base64\n", "RGVhciB7e25hbWV9fQ=="),
                "a slot stands in part 2 (text/plain), which is base64"));
  CHECK(
      refuses(typed("Content-Transfer-Encoding: x-uuencode\n", "{{name}}"), "encoding is unknown"));
  CHECK(refuses(typed("Content-Type: text/calendar\n", "{{name}}"), "neither text/plain nor"));
  CHECK(refuses(typed("Content-Type: text/plain; charset=x-none\n", "{{name}}\xE9"), "charset"));
  CHECK(refuses(from + "\n{{name}}\xE9\n", "charset"));
  CHECK(refuses(typed("Content-Type: text/html\nContent-Type: text/plain\n", "{{name}}"),
                "says twice"));
  CHECK(refuses(typed("Content-Type: multipart/signed; boundary=s\n", "--s\n\n{{name}}\n--s--"),
                "signed or encrypted"));
  CHECK(refuses(from + "\n-----BEGIN PGP SIGNED MESSAGE-----\n{{name}}\n", "signed or encrypted"));
  CHECK(refuses("DKIM-Signature: v=1\n" + from + "\n{{name}}\n", "DKIM-Signature"));
  CHECK(refuses("DKIM-Signature: v=1\nSubject: {{name}}\n\n", "DKIM-Signature"));
}

TEST_CASE("slots: very many slots or keys are refused and in no time") {
  std::string many;
  std::string keys;
  for (int i = 0; i < 100'000; ++i) {
    many += "{{name}}";
    keys += "{{k" + std::to_string(i) + "}}";
  }
  CHECK(refuses(from + "\n" + many, "more than 10000 slots"));
  CHECK(refuses(from + "\n" + keys, "or more than 200 keys"));
  CHECK(refuses(html + "<a href=\"https://x/" + many, "more than 10000 slots"));
  CHECK(refuses("List-Unsubscribe: <https://x/" + many + ">\n\n", "more than 10000 slots"));
  CHECK(copy(from + "\n" + std::string(10'000'000, '{'), {}).starts_with(from));
}

TEST_CASE("slots: attachments and attached messages and other media are not looked into") {
  const std::string message =
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n{{name}}\n--b\n"
      "Content-Disposition: attachment; filename=x.txt\n\n{{name}} {{No}}\n--b\n"
      "Content-Type: message/rfc822\n\nSubject: {{name}}\n\n{{name}}\n--b\n"
      "Content-Type: application/json\n\n{{name}}\n--b--\n";
  const std::string text = copy(message, {{"name", "Bob"}});
  const auto kept = text.find("--b\nContent-Disposition");
  REQUIRE(kept != std::string::npos);
  CHECK(text.substr(kept) == message.substr(message.find("--b\nContent-Disposition")));
}

TEST_CASE("slots: several parts are filled each in its way") {
  const std::string message =
      from +
      "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\npre\n--b\n\n"
      "Dear {{name}}\n--b\nContent-Type: text/html\n\n<p>{{name}}\n--b--\npost\n";
  CHECK(copy(message, {{"name", "B&B"}}) ==
        from +
            "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\npre\n--b\n"
            "Content-Type: text/plain; charset=utf-8\n"
            "Content-Transfer-Encoding: quoted-printable\n\nDear=20=\nB&B=\n\n--b\n"
            "Content-Type: text/html; charset=utf-8\n"
            "Content-Transfer-Encoding: quoted-printable\n\n<p>=\nB&amp;B=\n\n--b--\npost\n");
}

TEST_CASE("slots: a Subject is encoded and folded with its value") {
  const std::string plain = "Subject: News for {{name}}, today\n" + from + "\n";
  CHECK(field(plain, "Subject", {{"name", "Bob"}}) == " News for Bob, today");
  CHECK(field(plain, "Subject", {{"name", "Zo\xC3\xAB"}}) ==
        " News for =?utf-8?b?Wm/Dqyw=?= today");
  const std::string encoded = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe,_{{name}}?=\n" + from + "\n";
  CHECK(decode_words(field(encoded, "Subject", {{"name", "Zo\xC3\xAB"}})) ==
        "Gr\xC3\xBC\xC3\x9F"
        "e, Zo\xC3\xAB");
  const std::string hidden = "Subject: =?utf-8?b?R3LDvMOfZSwge3tuYW1lfX0=?=\n" + from + "\n";
  CHECK(decode_words(field(hidden, "Subject", {{"name", "B"}})) ==
        "Gr\xC3\xBC\xC3\x9F"
        "e, B");
}

TEST_CASE("slots: no value begins another field") {
  const std::string message =
      "Subject: {{name}}\nTo: {{name}} <{{name|a@x.org}}>\n"
      "List-Unsubscribe: <https://x.org/?{{name}}>\n" +
      from + "\n";
  const std::string evil = "x\r\nBcc: y@x.org\n\nbody";
  CHECK(copy(message, {{"name", evil}}).starts_with("left: "));  // it is no address
  const std::string rest =
      "Subject: {{name}}\nTo: {{name}} <a@x.org>\n"
      "List-Unsubscribe: <https://x.org/?{{name}}>\n" +
      from + "\n";
  const std::string text = copy(rest, {{"name", evil}});
  const MessageParts parts = split_message(text);
  CHECK(parts.body.empty());
  CHECK(count_fields(parts.head, "Bcc") == 0);
  CHECK(find_field(parts.head, "Subject")->value == " x  Bcc: y@x.org  body");
  CHECK(find_field(parts.head, "List-Unsubscribe")->value ==
        " <https://x.org/?x%0D%0ABcc%3A%20y%40x.org%0A%0Abody>");
  const auto to = field_to_mailboxes(find_field(parts.head, "To")->value);
  REQUIRE(to.size() == 1);
  CHECK(to[0].name == "x  Bcc: y@x.org  body");
}

TEST_CASE("slots: a recipient can be named and addressed") {
  const std::string message = "To: \"{{name|dear, reader}}\" <{{address}}>\n" + from + "\n";
  const auto to = [&](const Person& person) {
    const auto found = field_to_mailboxes(field(message, "To", person));
    REQUIRE(found.size() == 1);
    return found[0].name + '|' + address_to_text(found[0].address);
  };
  CHECK(to({{"name", "Bob"}, {"address", "bob@X.org"}}) == "Bob|bob@x.org");
  CHECK(to({{"name", "B. \"B\" <x@y>, \\"}, {"address", "b@x.org"}}) ==
        "B. \"B\" <x@y>, \\|b@x.org");
  CHECK(to({{"name", "Zo\xC3\xAB"}, {"address", "b@x.org"}}) == "Zo\xC3\xAB|b@x.org");
  CHECK(to({{"address", "b@x.org"}}) == "dear, reader|b@x.org");
  CHECK(copy(message, {{"address", "b@x.org>, <c@x.org"}})
            .starts_with("left: the value of {{address}}"));
  CHECK(field("To: {{address}}\n\n", "To", {{"address", "b@x.org"}}) == " <b@x.org>");
  CHECK(refuses("To: {{name}} <a@x.org>, b@x.org\n\n", "need one mailbox"));
  CHECK(refuses("To: {{name}} <>\n\n", "need one mailbox"));
  CHECK(refuses("To: {{name}}@x.org\n\n", "a part of an address"));
}

TEST_CASE("slots: List-Unsubscribe takes values in its URLs and whole URLs") {
  const std::string message =
      "List-Unsubscribe: <https://x.org/u?{{token}}>,\n <mailto:u@x.org?subject={{token}}>\n\n";
  CHECK(field(message, "List-Unsubscribe", {{"token", "a b>"}}) ==
        " <https://x.org/u?a%20b%3E>,\n <mailto:u@x.org?subject=a%20b%3E>");
  const std::string whole = "List-Unsubscribe: <{{link}}>\n\n";
  CHECK(field(whole, "List-Unsubscribe", {{"link", "https://x.org/a?b&c>\n"}}) ==
        " <https://x.org/a?b&c%3E%0A>");
  CHECK(field(whole, "List-Unsubscribe", {{"link", "ftp://x"}}).starts_with("left: "));
  CHECK(field(whole, "List-Unsubscribe", {{"link", "https://x.org/" + std::string(1000, 'x')}})
            .starts_with("left: the values for the field List-Unsubscribe make a line over 998"));
  CHECK(refuses("List-Unsubscribe: {{name}}\n\n", "stands in no <http"));
  CHECK(refuses("List-Unsubscribe: <javascript:{{name}}>\n\n", "stands in no <http"));
}

TEST_CASE("slots: fields with a structure and names of fields and fields of parts take none") {
  for (const std::string name :
       {"Date", "Message-ID", "In-Reply-To", "Content-Type", "List-Id", "Bcc"}) {
    CHECK(refuses(name + ": {{name}}\n\n", "stands in the field " + name));
  }
  CHECK(refuses("X-{{name}}: x\n\n", "name of a field"));
  CHECK(refuses(
      "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-ID: <{{name}}>\n\nx\n--b--\n",
      "the field Content-ID of part 1"));
  CHECK(field("X-Campaign: {{name}} {{No}}\n\n", "X-Campaign", {{"name", "Bob"}}) == " Bob {{No}}");
  const std::string trace = "Received: from {{name}}\nMessage-ID: <{{No}}@x>\n\nhi\n";
  CHECK(copy(trace, {}) == trace);
}

TEST_CASE("slots: wire text gives the same copy as the message does") {
  const std::string message =
      "Subject: {{name}} and a long line of words that has to be folded somewhere in it\n" + from +
      "To: {{name}} <{{address}}>\nList-Unsubscribe: <https://x.org/{{name}}>\n"
      "\n.dots\n{{name}}\n.{{name}}. {{name}}.\n";
  const auto marked = mark_slots(message, nonce);
  REQUIRE(marked);
  for (const std::string name : {"Bob", ".", "Zo\xC3\xAB Zo\xC3\xAB", "two\nlines\n.\n"}) {
    const Person person{{"name", name}, {"address", "bob@x.org"}};
    const std::string copied = filled_text(marked->message, person);
    for (const Dots dots : {Dots::doubled, Dots::plain}) {
      CHECK(filled_text(text_to_wire(marked->message, dots), person) == text_to_wire(copied, dots));
    }
  }
}

TEST_CASE("slots: one object fills one recipient after another") {
  const auto marked = mark_slots("Subject: {{name}}\n\nDear {{name}}\n", nonce);
  REQUIRE(marked);
  const auto slotted = marked_to_slotted(marked->message, nonce);
  REQUIRE(slotted);
  Filled filled;
  std::string before;
  for (const std::string_view name :
       {"Ann", "Bob", "a very long name indeed, longer than the others"}) {
    const std::optional<std::string_view> value = name;
    REQUIRE(slotted->fill({&value, 1}, filled));
    const std::string text = joined(filled);
    CHECK(text.find(name) != std::string::npos);
    CHECK(text != before);
    before = text;
  }
}
