#include "mail/address.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "base/text.hpp"

using namespace ml;

namespace {

std::string canonical(std::string_view text) {
  const auto address = text_to_address(text);
  return address ? address_to_text(*address) : "refused";
}

// The reason alone.
std::string why(std::string_view text) {
  const auto address = text_to_address(text);
  if (address) return "accepted";
  CHECK(address.error().status == Status::retry);
  const auto colon = address.error().text.rfind("address: ");
  return address.error().text.substr(colon + 9);
}

// Addresses of every shape, from a fixed seed.
class Maker {
 public:
  std::string address() { return local() + '@' + domain(); }

  std::string local() {
    static constexpr std::string_view plain = "abcXYZ019!#$%&'*+-/=?^_`{|}~";
    static constexpr std::string_view odd = "ab.. \"\\@<>()[],;:A";
    std::string text;
    switch (pick(4)) {
      case 0:
        for (unsigned n = 1 + pick(12); n > 0; --n) text += odd[pick(odd.size())];
        return quoted(text);
      case 1:
        for (unsigned n = 1 + pick(5); n > 0; --n) text += pick(2) == 0 ? "\xC3\xA9" : "e";
        return text;
      default:
        for (unsigned n = 1 + pick(20); n > 0; --n) text += plain[pick(plain.size())];
        if (pick(3) == 0) text += "." + std::string(1, plain[pick(plain.size())]);
        return text;
    }
  }

  std::string domain() {
    static const std::vector<std::string> labels{"a",
                                                 "example",
                                                 "b-c",
                                                 "x1",
                                                 "1",
                                                 "EU",
                                                 "zz",
                                                 "a-",
                                                 "xn--bcher-kva",
                                                 "b\xC3\xBC"
                                                 "cher"};
    static const std::vector<std::string> literals{"[192.0.2.1]", "[IPv6:2001:DB8::1]",
                                                   "[ipv6:::ffff:192.0.2.1]"};
    if (pick(8) == 0) return literals[pick(literals.size())];
    std::string text;
    for (unsigned n = 1 + pick(3); n > 0; --n) text += labels[pick(labels.size())] + ".";
    return text + "org";
  }

 private:
  std::size_t pick_index(std::size_t below) { return random_() % below; }
  unsigned pick(std::size_t below) { return static_cast<unsigned>(pick_index(below)); }

  static std::string quoted(const std::string& content) {
    std::string text = "\"";
    for (const char c : content) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    return text + '"';
  }

  std::mt19937 random_{42};
};

// The order that the key promises, written the slow way.
std::vector<std::string> reversed_labels(const Address& address) {
  if (address.domain.starts_with('[')) return {address.domain};
  std::vector<std::string> labels;
  for (const auto label : split(address.domain, '.')) labels.emplace_back(label);
  std::ranges::reverse(labels);
  return labels;
}

}  // namespace

TEST_CASE("address: a plain mailbox is taken as it is") {
  CHECK(canonical("ann@example.org") == "ann@example.org");
  CHECK(canonical("Ann.B+tag=x@example.org") == "Ann.B+tag=x@example.org");
  CHECK(canonical("!#$%&'*+-/=?^_`{|}~@example.org") == "!#$%&'*+-/=?^_`{|}~@example.org");
  CHECK(canonical("root@localhost") == "root@localhost");
}

TEST_CASE("address: the domain is folded and the local part keeps its case") {
  CHECK(canonical("Ann@Example.ORG") == "Ann@example.org");
  CHECK(canonical("ann@example.org.") == "ann@example.org");
}

TEST_CASE("address: U-labels become A-labels and A-labels are verified") {
  CHECK(canonical("ann@B\xC3\xBC"
                  "cher.example") == "ann@xn--bcher-kva.example");
  CHECK(canonical("ann@XN--Bcher-KVA.example") == "ann@xn--bcher-kva.example");
  CHECK(canonical("ann@stra\xC3\x9F"
                  "e.de") == "ann@xn--strae-oqa.de");                      // nontransitional
  CHECK(canonical("ann@u\xCC\x88.de") == "ann@xn--tda.de");                // normalised
  CHECK(canonical("ann@\xE3\x81\x82\xE3\x80\x82jp") == "ann@xn--l8j.jp");  // ideographic stop
  CHECK(why("ann@xn--abc.example").find("IDNA 2008") != std::string::npos);
  CHECK(why("ann@xn--n3h.net").find("IDNA 2008") != std::string::npos);
  CHECK(why("ann@\xE2\x98\x83.net").find("IDNA 2008") != std::string::npos);
  CHECK(why("ann@a_b.\xC3\xBC.x") == "its domain has an underscore");
  CHECK(why("ann@\xC2\xAD.x") == "its domain has an empty label");  // a lone soft hyphen
}

TEST_CASE("address: reserved hyphens that are no A-label pass") {
  CHECK(canonical("ann@r3---sn-x.example") == "ann@r3---sn-x.example");
}

TEST_CASE("address: a local part beyond ASCII is kept octet for octet and needs SMTPUTF8") {
  const auto address = text_to_address("Andr\xC3\xA9@example.org");
  REQUIRE(address);
  CHECK(address->local == "Andr\xC3\xA9");
  CHECK(needs_smtputf8(*address));
  CHECK_FALSE(
      needs_smtputf8(*text_to_address("ann@b\xC3\xBC"
                                      "cher.example")));
}

TEST_CASE("address: quotes stay only where they are needed") {
  CHECK(canonical("\"ann\"@x.org") == "ann@x.org");
  CHECK(canonical("\"a\\n\\n\"@x.org") == "ann@x.org");
  CHECK(canonical("\"a b\"@x.org") == "\"a b\"@x.org");
  CHECK(canonical("\"a\\ b\"@x.org") == "\"a b\"@x.org");
  CHECK(canonical("\"a..b\"@x.org") == "\"a..b\"@x.org");
  CHECK(canonical("\"a@b\"@x.org") == "\"a@b\"@x.org");
  CHECK(canonical("\"a\\\"b\\\\\"@x.org") == "\"a\\\"b\\\\\"@x.org");
  CHECK(canonical("\"\"@x.org") == "\"\"@x.org");
  CHECK(canonical("\".a\"@x.org") == "\".a\"@x.org");
}

TEST_CASE("address: literals have one spelling each") {
  CHECK(canonical("ann@[192.0.2.1]") == "ann@[192.0.2.1]");
  CHECK(canonical("ann@[ipv6:2001:DB8:0:0:0:0:0:1]") == "ann@[IPv6:2001:db8::1]");
  CHECK(why("ann@[192.0.2.1") == "its address literal lacks its closing bracket");
  CHECK(why("ann@[") == "its address literal lacks its closing bracket");
  CHECK(why("ann@[IPv6:2001:db8::g]") == "its address literal is no IPv6 address");
  CHECK(why("ann@[192.0.2.256]").starts_with("its address literal is neither"));
  CHECK(why("ann@[x400:hello]").starts_with("its address literal is neither"));
  CHECK(why("ann@192.0.2.1").find("needs brackets") != std::string::npos);
}

TEST_CASE("address: each refusal says what is wrong") {
  CHECK(why("") == "it is empty");
  CHECK(why("ann") == "it has no @");
  CHECK(why("\"ann\"") == "it has no @");
  CHECK(why("@example.org") == "nothing stands before its @");
  CHECK(why("@relay.example,@b.example:ann@example.org") == "nothing stands before its @");
  CHECK(why("ann@") == "nothing stands behind its @");
  CHECK(why("ann@b@c") == "it has more than one @");
  CHECK(why("<ann@example.org>") == "angle brackets are no part of it");
  CHECK(why("Ann <ann@example.org>") == "angle brackets are no part of it");
  CHECK(why(" ann@example.org") == "a space stands before or behind it");
  CHECK(why("ann@example.org ") == "a space stands before or behind it");
  CHECK(why("a nn@example.org") == "it has a space outside of quotes");
  CHECK(why("ann@exam ple.org") == "it has a space outside of quotes");
  CHECK(why(".ann@x.org") == "its local part begins with a dot");
  CHECK(why("ann.@x.org") == "its local part ends with a dot");
  CHECK(why("a..b@x.org") == "its local part has two dots running and is not quoted");
  CHECK(why("a,b@x.org") == "its local part has a character that must be quoted");
  CHECK(why("\"ann@x.org") == "its quoted local part lacks its closing quote");
  CHECK(why("\"ann\\\"@x.org") == "its quoted local part lacks its closing quote");
  CHECK(why("\"a\"b@x.org") == "its local part is quoted in part only");
  CHECK(why("a\"b\"@x.org") == "its local part is quoted in part only");
  CHECK(why("ann@.x.org") == "its domain has an empty label");
  CHECK(why("ann@x..org") == "its domain has an empty label");
  CHECK(why("ann@x.org..") == "its domain has an empty label");
  CHECK(why("ann@.") == "its domain is empty");
  CHECK(why("ann@-x.org") == "a label of its domain begins or ends with a hyphen");
  CHECK(why("ann@x-.org") == "a label of its domain begins or ends with a hyphen");
  CHECK(why("ann@foo_bar.org") == "its domain has an underscore");
  CHECK(why("ann@x!y.org") == "its domain has a character that no host name has");
  CHECK(why("ann@x.123").find("ends in a number") != std::string::npos);
}

TEST_CASE("address: nothing that could end a line or a string passes") {
  using namespace std::string_literals;
  CHECK(why("ann@x.org\r\nRCPT TO:<b@x.org>") == "it has a control character");
  CHECK(why("ann@x.org\n") == "it has a control character");
  CHECK(why("\"a\nb\"@x.org") == "it has a control character");
  CHECK(why("\"a\\\nb\"@x.org") == "it has a control character");
  CHECK(why("ann\0@x.org"s) == "it has a control character");
  CHECK(why("ann@x.org\0.net"s) == "it has a control character");
  CHECK(why("a\tb@x.org") == "it has a control character");
  CHECK(why("a\x7F@x.org") == "it has a control character");
  CHECK(why("a\xC2\x9B@x.org") == "it has a control character");
  CHECK(why("a\xFF@x.org") == "it is not UTF-8");
  CHECK(why("a\xC0\x80@x.org") == "it is not UTF-8");
}

TEST_CASE("address: the error names the address without its controls") {
  CHECK(text_to_address("a\nb@x.org").error().text ==
        "'a\\x0ab@x.org' is no mail address: it has a control character");
}

TEST_CASE("address: each limit holds to the octet") {
  const std::string local(64, 'a');
  CHECK(canonical(local + "@x.org") == local + "@x.org");
  CHECK(why(local + "a@x.org") == "its local part is over 64 octets");
  const std::string label(63, 'b');
  CHECK(canonical("a@" + label + ".org") == "a@" + label + ".org");
  CHECK(why("a@b" + label + ".org") == "a label of its domain is over 63 octets");
  const std::string name = label + '.' + label + '.' + label + '.';  // 192 octets
  const std::string longest = "a@" + name + std::string(60, 'c');
  CHECK(longest.size() == longest_address);
  CHECK(canonical(longest) == longest);
  CHECK(plain_at(longest) == 1);
  CHECK(why("a" + longest) == "it is over 254 octets");
  CHECK_FALSE(plain_at("a" + longest));
  CHECK(why("a@" + name + label + ".dd") == "its domain is over 255 octets");
  CHECK(why("a@" + std::string(100'000, 'd')) == "it is over 254 octets");
  std::string u_label = "a@";
  for (int i = 0; i < 80; ++i) u_label += "\xC3\xBC";
  CHECK(why(u_label + ".org") == "a label of its domain is over 63 octets");
}

TEST_CASE("address: the quick look finds the @ of what needs no work and of nothing else") {
  CHECK(plain_at("ann@example.org") == 3);
  CHECK(plain_at("Ann.B@x1.example.org") == 5);
  for (const std::string_view text : {"",
                                      "@",
                                      "ann",
                                      "ann@",
                                      "@x.org",
                                      "ann@X.org",
                                      "ann@x.org.",
                                      "ann@.org",
                                      "ann@x..org",
                                      ".ann@x.org",
                                      "ann.@x.org",
                                      "a..b@x.org",
                                      "\"ann\"@x.org",
                                      "ann@[192.0.2.1]",
                                      "ann@1.2.3.4",
                                      "ann@xn--bcher-kva.example",
                                      "ann@a.xn--p1ai",
                                      "ann@-x.org",
                                      "ann@x-.org",
                                      "ann@a_b.org",
                                      "ann@x.org\n",
                                      "ann @x.org",
                                      "ann@b@x.org",
                                      "\xC3\xA9@x.org"}) {
    CHECK_FALSE(plain_at(text));
  }
}

// What plain_at() promises, written the slow way.
bool is_slowly_plain(const std::string& text) {
  const auto sides = split(text, '@');
  if (sides.size() != 2 || sides[0].size() > 64 || text.size() > 254) return false;
  const auto all_of = [](std::string_view part, std::string_view allowed) {
    return !part.empty() && part.find_first_not_of(allowed) == part.npos;
  };
  const std::string_view host = "abcdefghijklmnopqrstuvwxyz0123456789-";
  const std::string atext = std::string(host) + "ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+/=?^_`{|}~";
  for (const auto atom : split(sides[0], '.')) {
    if (!all_of(atom, atext)) return false;
  }
  const auto labels = split(sides[1], '.');
  for (const auto label : labels) {
    if (!all_of(label, host) || label.size() > 63 || label.starts_with('-') ||
        label.ends_with('-') || label.starts_with("xn--")) {
      return false;
    }
  }
  return !all_of(labels.back(), "0123456789");
}

TEST_CASE("address: the quick look agrees with a slow one on near misses of every length") {
  std::mt19937 random(43);
  const auto pick = [&](std::size_t below) { return static_cast<std::size_t>(random() % below); };
  const auto text_of = [&](std::string_view octets, std::size_t most) {
    std::string text;
    for (std::size_t n = pick(most); n > 0; --n) text += octets[pick(octets.size())];
    return text;
  };
  unsigned plain = 0;
  for (int i = 0; i < 400'000; ++i) {
    const std::size_t most = i % 4 == 0 ? 130 : i % 4 == 1 ? 70 : 14;
    std::string text = text_of("abcdefg.", most) + text_of("aZ0-_+.", 3) + '@' +
                       text_of("abcdefgh0-.", most) + text_of("xn-.9a", 6);
    if (pick(4) == 0) text[pick(text.size())] = "@.-Z_ \"\x7f\xC3"[pick(9)];
    INFO(text);
    REQUIRE(plain_at(text).has_value() == is_slowly_plain(text));
    if (plain_at(text)) REQUIRE(*plain_at(text) == text.find('@'));
    const std::string local = text.substr(0, text.find('@'));
    REQUIRE(is_plain_local(local) == is_slowly_plain(local + "@x.org"));
    plain += plain_at(text).has_value();
  }
  CHECK(plain > 20'000);
}

TEST_CASE("address: text to address to text is a fixed point and the quick look agrees") {
  Maker make;
  unsigned good = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = make.address();
    const auto address = text_to_address(text);
    if (plain_at(text)) REQUIRE((address && address_to_text(*address) == text));
    if (!address) continue;
    ++good;
    const std::string spelled = address_to_text(*address);
    const auto again = text_to_address(spelled);
    REQUIRE(again);
    REQUIRE(*again == *address);
    REQUIRE(spelled.size() <= longest_address);
  }
  CHECK(good > 10'000);
}

TEST_CASE("address key: labels reversed then the folded local part") {
  using namespace std::string_literals;
  CHECK(address_key({"Ann", "lists.example.org"}) ==
        "org\x01"
        "example\x01lists\0ann"s);
  CHECK(address_key({"Ann", "localhost"}) == "localhost\0ann"s);
  CHECK(address_key({"Ann", "[192.0.2.1]"}) == "[192.0.2.1]\0ann"s);
  CHECK(address_key({"\xC3\x89", "x.org"}) == "org\x01x\0\xC3\x89"s);
  const Address longest{std::string(64, 'a'), std::string(255, 'b')};
  CHECK(address_key(longest).size() == 320);
}

TEST_CASE("address key: its order is that of the reversed labels and then of the local part") {
  Maker make;
  std::vector<Address> addresses;
  for (int i = 0; i < 2'000; ++i) {
    if (const auto address = text_to_address(make.address())) addresses.push_back(*address);
  }
  for (std::size_t i = 0; i + 1 < addresses.size(); ++i) {
    const Address& a = addresses[i];
    const Address& b = addresses[i + 1];
    const auto left = std::pair(reversed_labels(a), lower(a.local));
    const auto right = std::pair(reversed_labels(b), lower(b.local));
    REQUIRE((address_key(a) < address_key(b)) == (left < right));
  }
}

TEST_CASE("address key: equal keys are the same mailbox and nothing else is") {
  const auto key = [](std::string_view text) { return address_key(*text_to_address(text)); };
  CHECK(key("Ann@Example.org") == key("ann@example.ORG."));
  CHECK(key("\"ann\"@example.org") == key("ann@example.org"));
  CHECK(key("\"a\\ b\"@x.org") == key("\"A b\"@x.org"));
  CHECK(key("ann@b\xC3\xBC"
            "cher.example") == key("ann@xn--bcher-kva.example"));
  CHECK(key("ann@[IPv6:2001:DB8::1]") == key("ann@[ipv6:2001:db8:0::1]"));
  CHECK(key("ann@x.org") != key("ann@y.org"));
  CHECK(key("ann+a@x.org") != key("ann@x.org"));
  CHECK(key("a.nn@x.org") != key("ann@x.org"));
  CHECK(key("\xC3\xA9@x.org") != key("\xC3\x89@x.org"));
}
