#include "base/digest.hpp"

#include <endian.h>
#include <sodium.h>

#include <array>
#include <cstring>
#include <new>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz234567";

// The two digits of each ten bits.
constexpr auto pairs = [] {
  std::array<std::array<char, 2>, 1024> table{};
  for (unsigned value = 0; value < 1024; ++value) {
    table[value] = {alphabet[value >> 5], alphabet[value & 31]};
  }
  return table;
}();

static_assert(sizeof(crypto_hash_sha256_state) <= 128);

const unsigned char* octets_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Sha256::Sha256() {
  crypto_hash_sha256_init(new (state_.data()) crypto_hash_sha256_state);
}

void Sha256::add(std::string_view text) {
  crypto_hash_sha256_update(reinterpret_cast<crypto_hash_sha256_state*>(state_.data()),
                            octets_of(text), text.size());
}

Octets32 Sha256::finish() {
  Octets32 result{};
  crypto_hash_sha256_final(reinterpret_cast<crypto_hash_sha256_state*>(state_.data()),
                           result.data());
  return result;
}

Octets32 sha256(std::string_view text) {
  Octets32 result{};
  crypto_hash_sha256(result.data(), octets_of(text), text.size());
  return result;
}

Octets32 hmac_sha256(std::string_view key, std::string_view text) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, octets_of(key), key.size());
  crypto_auth_hmacsha256_update(&state, octets_of(text), text.size());
  Octets32 result{};
  crypto_auth_hmacsha256_final(&state, result.data());
  return result;
}

std::uint64_t siphash(const SipKey& key, std::string_view text) {
  std::array<unsigned char, crypto_shorthash_BYTES> out{};
  crypto_shorthash(out.data(), octets_of(text), text.size(), key.data());
  std::uint64_t value = 0;
  std::memcpy(&value, out.data(), out.size());
  return le64toh(value);
}

std::array<std::uint64_t, 2> siphash128(const SipKey& key, std::string_view text) {
  std::array<unsigned char, crypto_shorthash_siphashx24_BYTES> out{};
  crypto_shorthash_siphashx24(out.data(), octets_of(text), text.size(), key.data());
  std::array<std::uint64_t, 2> words{};
  std::memcpy(words.data(), out.data(), out.size());
  for (std::uint64_t& word : words) word = le64toh(word);
  return words;
}

void random_octets(std::span<std::uint8_t> room) {
  randombytes_buf(room.data(), room.size());
}

std::uint64_t random_number() {
  std::uint64_t value = 0;
  randombytes_buf(&value, sizeof value);
  return value;
}

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string base32(std::span<const std::uint8_t> octets) {
  std::string text;
  unsigned held = 0;
  unsigned bits = 0;
  for (const std::uint8_t octet : octets) {
    held = (held << 8) | octet;
    bits += 8;
    for (; bits >= 5; bits -= 5) text.push_back(alphabet[(held >> (bits - 5)) & 31]);
    held &= 31;
  }
  if (bits > 0) text.push_back(alphabet[(held << (5 - bits)) & 31]);
  return text;
}

void append_base32(std::string& to, std::uint64_t value, unsigned count) {
  to.resize(to.size() + count);
  base32_digits(to.data() + to.size() - count, value, count);
}

char* base32_digits(char* to, std::uint64_t value, unsigned count) {
  unsigned at = count;
  for (; at >= 2; value >>= 10) {
    at -= 2;
    std::memcpy(to + at, pairs[value & 1023].data(), 2);
  }
  if (at == 1) *to = alphabet[value & 31];
  return to + count;
}

std::optional<std::uint64_t> base32_value(std::string_view text) {
  if (text.empty() || text.size() > 12) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const auto digit = alphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    value = (value << 5) | digit;
  }
  return value;
}

std::string base64(std::string_view octets) {
  std::string text;
  append_base64(text, octets);
  return text;
}

// libsodium hides from clocks what it encodes, at five times the price; mail is no secret to us.
void append_base64(std::string& to, std::string_view octets) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t whole = octets.size() / 3 * 3;
  const auto octet = [&](std::size_t i) -> unsigned {
    return i < octets.size() ? static_cast<unsigned char>(octets[i]) : 0U;
  };
  std::size_t at = to.size();
  to.resize(at + (octets.size() + 2) / 3 * 4, '=');
  const auto put = [&](unsigned bits, unsigned count) {
    for (unsigned shift = 18; count > 0; shift -= 6, --count) {
      to[at++] = digits[(bits >> shift) & 63];
    }
  };
  for (std::size_t i = 0; i < whole; i += 3) {
    put(octet(i) << 16 | octet(i + 1) << 8 | octet(i + 2), 4);
  }
  if (whole < octets.size()) {
    put(octet(whole) << 16 | octet(whole + 1) << 8,
        static_cast<unsigned>(octets.size() - whole) + 1);
  }
}

// libsodium takes some octets above 0x7f for digits.
std::optional<std::string> base64_decoded(std::string_view text) {
  if (!is_ascii(text)) return std::nullopt;
  std::string octets(text.size() / 4 * 3, '\0');
  std::size_t length = 0;
  const char* end = nullptr;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(octets.data()), octets.size(), text.data(),
                        text.size(), nullptr, &length, &end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
      end != text.data() + text.size()) {
    return std::nullopt;
  }
  octets.resize(length);
  return octets;
}

}  // namespace ml
