#include "base/digest.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <set>
#include <string>

#include <fmt/format.h>

using namespace ml;

namespace {

std::string hex(const Octets32& octets) {
  std::string text;
  for (const std::uint8_t octet : octets) text += fmt::format("{:02x}", octet);
  return text;
}

std::span<const std::uint8_t> octets_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// The key and the inputs 00, 00 01, 00 01 02, ... of the SipHash paper.
SipKey reference_key() {
  SipKey key{};
  for (std::uint8_t i = 0; i < 16; ++i) key[i] = i;
  return key;
}
std::string counting(int octets) {
  std::string text;
  for (int i = 0; i < octets; ++i) text.push_back(static_cast<char>(i));
  return text;
}

}  // namespace

TEST_CASE("digest: SHA-256 of the examples in FIPS 180-4") {
  CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(sha256(std::string(1'000'000, 'a'))) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("digest: SHA-256 does not see where the pieces were cut") {
  const std::string text = counting(200);
  for (const std::size_t cut : {0U, 1U, 55U, 64U, 65U, 200U}) {
    Sha256 digest;
    digest.add(std::string_view(text).substr(0, cut));
    digest.add(std::string_view(text).substr(cut));
    CHECK(digest.finish() == sha256(text));
  }
}

TEST_CASE("digest: HMAC-SHA-256 of the examples in RFC 4231") {
  CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(hmac_sha256(std::string(131, '\xaa'),
                        "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("digest: SipHash-2-4 of the examples in its paper") {
  CHECK(siphash(reference_key(), "") == 0x726fdb47dd0e0e31U);
  CHECK(siphash(reference_key(), counting(15)) == 0xa129ca6149be45e5U);
}

TEST_CASE("digest: SipHash with 128 bits of the reference vectors") {
  const auto words = siphash128(reference_key(), "");
  CHECK(words[0] == 0xe6a825ba047f81a3U);
  CHECK(words[1] == 0x930255c71472f66dU);
}

TEST_CASE("digest: random octets differ") {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random_number());
  CHECK(seen.size() == 1000);
  std::array<std::uint8_t, 64> room{};
  random_octets(room);
  CHECK(std::set<std::uint8_t>(room.begin(), room.end()).size() > 8);
}

TEST_CASE("digest: secrets are the same only octet by octet and length by length") {
  CHECK(same_secret("", ""));
  CHECK(same_secret("abc", "abc"));
  CHECK_FALSE(same_secret("abc", "abd"));
  CHECK_FALSE(same_secret("abc", "ab"));
}

TEST_CASE("digest: base32 of the examples in RFC 4648 in lower case without padding") {
  CHECK(base32(octets_of("")).empty());
  CHECK(base32(octets_of("f")) == "my");
  CHECK(base32(octets_of("fo")) == "mzxq");
  CHECK(base32(octets_of("foo")) == "mzxw6");
  CHECK(base32(octets_of("foob")) == "mzxw6yq");
  CHECK(base32(octets_of("fooba")) == "mzxw6ytb");
  CHECK(base32(octets_of("foobar")) == "mzxw6ytboi");
}

TEST_CASE("digest: a number survives the way to base32 and back") {
  for (const std::uint64_t value : {0ULL, 1ULL, 31ULL, 32ULL, 0x3fffffffULL, (1ULL << 60) - 1}) {
    std::string text;
    append_base32(text, value, 12);
    CHECK(text.size() == 12);
    CHECK(base32_value(text) == value);
  }
  std::string low;
  append_base32(low, 0xffff, 2);
  CHECK(low == "77");
}

TEST_CASE("digest: base32 takes back nothing but its own alphabet") {
  for (const char* bad : {"", "A", "1", "8", "a=", "a ", "aaaaaaaaaaaaa"}) {
    CAPTURE(bad);
    CHECK_FALSE(base32_value(bad));
  }
}

TEST_CASE("digest: base64 of the examples in RFC 4648 both ways") {
  const std::pair<const char*, const char*> examples[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [octets, text] : examples) {
    CHECK(base64(octets) == text);
    CHECK(base64_decoded(text) == octets);
  }
}

TEST_CASE("digest: every octet survives base64") {
  const std::string all = counting(256) + counting(255);
  CHECK(base64_decoded(base64(all)) == all);
}

TEST_CASE("digest: base64 that is not exact is none") {
  for (const char* bad :
       {"Zg", "Zg=", "Zg===", "Z", "=", "====", "Zm9v\n", " Zm9v", "Zm9v ", "Zh==", "Zm9=", "Zm-_",
        "Zg==Zg==", "Zm9vZ", "Zm9v\xC3\xA4==", "\x80\x80\x80\x80\x80\xc7\x36\x4d"}) {
    CAPTURE(bad);
    CHECK_FALSE(base64_decoded(bad));
  }
}
