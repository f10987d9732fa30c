// Hashes, secrets and the text forms of octets; the only door to libsodium.
//
//   Sha256 digest;
//   digest.add("From: ann@example.org\n");
//   std::string id = base32(digest.finish()).substr(0, 26);
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ml {

using Octets32 = std::array<std::uint8_t, 32>;

// SHA-256 of what is added, piece after piece. finish() once.
class Sha256 {
 public:
  Sha256();
  void add(std::string_view text);
  [[nodiscard]] Octets32 finish();

 private:
  alignas(8) std::array<unsigned char, 128> state_;
};

[[nodiscard]] Octets32 sha256(std::string_view text);
[[nodiscard]] Octets32 hmac_sha256(std::string_view key, std::string_view text);

// SipHash-2-4 with a 128-bit key: 64 bits out. For MACs and tables on the hot path.
using SipKey = std::array<std::uint8_t, 16>;
[[nodiscard]] std::uint64_t siphash(const SipKey& key, std::string_view text);
// SipHash-2-4 with 128 bits out (siphashx24), as two words.
[[nodiscard]] std::array<std::uint64_t, 2> siphash128(const SipKey& key, std::string_view text);

// From the kernel (getrandom).
void random_octets(std::span<std::uint8_t> room);
[[nodiscard]] std::uint64_t random_number();

// In a time that does not depend on the contents.
[[nodiscard]] bool same_secret(std::string_view a, std::string_view b);

// RFC 4648 base32 in lower case without padding: a-z2-7.
[[nodiscard]] std::string base32(std::span<const std::uint8_t> octets);
// The low `count * 5` bits of `value`, most significant first, as `count` characters.
void append_base32(std::string& to, std::uint64_t value, unsigned count);
// The same to where there is room for them; the end of what was written.
char* base32_digits(char* to, std::uint64_t value, unsigned count);
// The value of at most 12 such characters; nothing if one is not a-z2-7 (capitals are not).
[[nodiscard]] std::optional<std::uint64_t> base32_value(std::string_view text);

// RFC 4648 base64 with padding, in one line.
[[nodiscard]] std::string base64(std::string_view octets);
void append_base64(std::string& to, std::string_view octets);
// Strict: alphabet, padding and length must be right, no blanks.
[[nodiscard]] std::optional<std::string> base64_decoded(std::string_view text);

}  // namespace ml
