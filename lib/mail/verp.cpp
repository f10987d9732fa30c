#include "mail/verp.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace ml {
namespace {

constexpr std::string_view label = "mlpipe verp 1";
constexpr std::string_view role = "bounces";
constexpr unsigned day_digits = 2;
constexpr unsigned tag_digits = 6;
constexpr unsigned mac_digits = 10;
constexpr std::size_t fixed_size = 1 + day_digits + tag_digits + mac_digits;
constexpr std::size_t list_handle_size = 6;
constexpr std::size_t handle_size = 13;
constexpr std::uint64_t mac_mask = (std::uint64_t{1} << (5 * mac_digits)) - 1;
constexpr std::uint16_t days = 1024;

// The longest wrapped address worth looking at.
constexpr std::size_t longest_text = 1000;

// Octets that a readable tail carries as they are; of two dots running only the first.
constexpr std::array<bool, 256> plain = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyz0123456789._+-")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

bool is_plain(char c) {
  return plain[static_cast<unsigned char>(c)];
}

void append_octet(std::string& to, char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(c);
  to.push_back('=');
  to.push_back(digits[value >> 4]);
  to.push_back(digits[value & 15]);
}

// True if it is the same in a tail, and folded, as nearly every local part is. A dot-string.
bool is_readable(std::string_view local) {
  bool all = true;
  for (const char c : local) all = is_plain(c) && all;
  return all;
}

void append_readable(std::string& to, std::string_view local, std::string_view domain) {
  char before = 0;
  for (const char c : local) {
    if (is_plain(c) && !(c == '.' && before == '.')) {
      to.push_back(c);
    } else {
      append_octet(to, c);
    }
    before = c;
  }
  to.push_back('=');
  to.append(domain);
}

std::optional<unsigned> hex_value(char c) {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

std::optional<std::string> unescaped_local(std::string_view text) {
  std::string local;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      if (!is_plain(text[i])) return std::nullopt;
      local.push_back(text[i]);
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const auto high = hex_value(text[i + 1]);
    const auto low = hex_value(text[i + 2]);
    if (!high || !low) return std::nullopt;
    local.push_back(static_cast<char>(*high << 4 | *low));
    i += 2;
  }
  return local;
}

bool is_sound(std::string_view recipient) {
  return is_utf8(recipient) && std::ranges::none_of(recipient, is_control);
}

bool is_host_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_alnum(c) || c == '-' || c == '.' || c == '_';
  });
}

bool is_list_local(std::string_view text) {
  return !text.empty() && text.size() <= longest_verp_list && is_alnum(text.front()) &&
         std::ranges::all_of(text, [](char c) { return is_plain(c) && c != '+'; });
}

void append_folded(std::string& to, std::string_view text) {
  for (const char c : text) to.push_back(to_lower(c));
}

void fold_recipient(std::string& to, std::string_view local, std::string_view domain) {
  to.clear();
  append_folded(to, local);
  to.push_back('@');
  to.append(domain);
}

// K DD T
std::string stamp(char generation, std::uint16_t day, std::uint32_t tag) {
  std::string text(1, generation);
  append_base32(text, day, day_digits);
  append_base32(text, tag, tag_digits);
  return text;
}

SipKey message_key(const VerpKeys& keys, std::string_view list, std::string_view stamped) {
  std::string text(label);
  text.push_back('\0');
  text.append(list).push_back('\0');
  text.append(stamped);
  SipKey key{};
  const auto words = siphash128(keys.mac, text);
  for (unsigned i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::uint8_t>(words[i / 8] >> (8 * (i % 8)));
  }
  return key;
}

std::uint64_t mac_of(const SipKey& key, std::string_view recipient) {
  return siphash(key, recipient) & mac_mask;
}

// A local part with every wrapper off: prvs=TAG=local (BATV), btv1==TAG==local (Barracuda).
std::string_view unwrapped(std::string_view local) {
  for (;;) {
    const bool batv = local.starts_with("prvs=");
    const bool barracuda = local.starts_with("btv1==");
    if (!batv && !barracuda) return local;
    const std::string_view after = local.substr(batv ? 5 : 6);
    const std::string_view closing = batv ? "=" : "==";
    const auto end = after.find(closing);
    if (end == std::string_view::npos) return local;
    local = after.substr(end + closing.size());
  }
}

// Takes K DD T M off the front of `text`.
bool take_fixed(std::string_view& text, VerpAddress& verp) {
  if (text.size() < fixed_size) return false;
  const auto field = [&](std::size_t at, std::size_t size) {
    return base32_value(text.substr(at, size));
  };
  const auto day = field(1, day_digits);
  const auto tag = field(1 + day_digits, tag_digits);
  const auto mac = field(1 + day_digits + tag_digits, mac_digits);
  if (!field(0, 1) || !day || !tag || !mac) return false;
  verp.generation = text.front();
  verp.day = static_cast<std::uint16_t>(*day);
  verp.tag = static_cast<std::uint32_t>(*tag);
  verp.mac = *mac;
  text.remove_prefix(fixed_size);
  return true;
}

bool take_readable(std::string_view tail, VerpAddress& verp) {
  const auto split = tail.rfind('=');
  const auto local = unescaped_local(tail.substr(0, split));
  const std::string_view domain = tail.substr(split + 1);
  if (!local || local->empty() || !is_sound(*local) || !is_host_name(domain)) return false;
  verp.recipient = *local + '@' + std::string(domain);
  return true;
}

bool take_handle(std::string_view tail, VerpAddress& verp) {
  if (tail.size() != handle_size || !base32_value(tail.substr(0, 12)) ||
      !base32_value(tail.substr(12))) {
    return false;
  }
  verp.handle = tail;
  return true;
}

// What XVERP has appended is plain text: taken where it looks like an address, else left out.
void take_appended(std::string_view tail, VerpAddress& verp) {
  const auto split = tail.rfind('=');
  if (split == std::string_view::npos || split == 0) return;
  const std::string_view local = tail.substr(0, split);
  const std::string_view domain = tail.substr(split + 1);
  if (!is_sound(local) || !is_host_name(domain)) return;
  verp.recipient = std::string(local) + '@' + std::string(domain);
}

// Takes the list and the `+` behind it off the front of a local part.
bool take_list(std::string_view& local, VerpAddress& verp) {
  const auto plus = local.find('+');
  if (plus == std::string_view::npos) return false;
  std::string_view name = local.substr(0, plus);
  local.remove_prefix(plus + 1);
  if (name == role) {
    if (local.size() < list_handle_size) return false;
    verp.list_handle = local.substr(0, list_handle_size);
    local.remove_prefix(list_handle_size);
    return base32_value(verp.list_handle).has_value();
  }
  if (!name.ends_with(role)) return false;
  name.remove_suffix(role.size());
  if (!name.ends_with('-')) return false;
  name.remove_suffix(1);
  verp.list_local = name;
  return is_list_local(name);
}

}  // namespace

std::uint32_t message_tag(std::string_view id) {
  const Octets32 hash = sha256(id);
  std::uint32_t tag = 0;
  for (unsigned i = 0; i < 4; ++i) tag = tag << 8 | hash[i];
  return tag >> 2;
}

std::string tag_to_text(std::uint32_t tag) {
  std::string text;
  append_base32(text, tag, tag_digits);
  return text;
}

std::string canonical_recipient(std::string_view local, std::string_view domain) {
  std::string text;
  fold_recipient(text, local, domain);
  return text;
}

std::string verp_handle(const VerpKeys& keys, std::string_view recipient, unsigned attempt) {
  std::string text(recipient);
  text.push_back('\0');
  text += fmt::to_string(attempt);
  const auto words = siphash128(keys.handle, text);
  std::string handle;
  append_base32(handle, words[0], 12);
  append_base32(handle, words[1], 1);
  return handle;
}

std::string list_handle(std::string_view list, unsigned attempt) {
  std::string text("mlpipe list handle");
  text.push_back('\0');
  text.append(list).push_back('\0');
  text += fmt::to_string(attempt);
  return tag_to_text(message_tag(text));
}

std::string list_handle_row(std::string_view handle) {
  return std::string(role) += handle;  // 13 characters, as every row of that table
}

std::string row_to_list_handle(std::string_view row) {
  return std::string(row.substr(role.size()));
}

Verp::Verp(const VerpKeys& keys, std::string_view list, std::string_view list_handle,
           std::string_view id, std::uint16_t day) {
  const auto at = list.rfind('@');
  const std::string stamped =
      stamp(keys.generation, static_cast<std::uint16_t>(day % days), message_tag(id));
  message_key_ = message_key(keys, list, stamped);
  head_ = list_handle.empty() ? std::string(list.substr(0, at)) + '-' : std::string();
  head_.append(role).append("+").append(list_handle).append(stamped);
  at_domain_ = list.substr(at);
}

bool Verp::append_sender(std::string& to, std::string_view local, std::string_view domain) {
  if (!fits(local.size() + 1 + domain.size()) || domain.starts_with('[')) return false;
  tail_.clear();
  append_readable(tail_, local, domain);
  if (!fits(tail_.size())) return false;
  fold_recipient(recipient_, local, domain);
  append_sender_with_handle(to, recipient_, tail_);
  return true;
}

bool Verp::append_sender(std::string& to, std::string_view recipient, std::size_t at) {
  const std::string_view local = recipient.substr(0, at);
  if (!is_readable(local)) return append_sender(to, local, recipient.substr(at + 1));
  if (!fits(recipient.size())) return false;
  const std::size_t tail = to.size() + head_.size() + mac_digits + 1;
  append_sender_with_handle(to, recipient, recipient);
  to[tail + at] = '=';
  return true;
}

// A tail of so many octets leaves the local part within its limit.
bool Verp::fits(std::size_t tail) const {
  return head_.size() + mac_digits + 1 + tail <= longest_local;
}

void Verp::append_sender_with_handle(std::string& to, std::string_view recipient,
                                     std::string_view handle) const {
  const std::size_t before = to.size();
  const std::size_t size =
      before + head_.size() + mac_digits + 1 + handle.size() + at_domain_.size();
  to.resize_and_overwrite(size, [&](char* all, std::size_t) {
    char* end = std::copy(head_.begin(), head_.end(), all + before);
    end = base32_digits(end, mac_of(message_key_, recipient), mac_digits);
    *end++ = '-';
    end = std::copy(handle.begin(), handle.end(), end);
    std::copy(at_domain_.begin(), at_domain_.end(), end);
    return size;
  });
}

void Verp::append_shared_sender(std::string& to) const {
  to.append(head_);
  append_base32(to, mac_of(message_key_, {}), mac_digits);
  to.append(at_domain_);
}

std::uint16_t VerpAddress::age(std::uint16_t today) const {
  return static_cast<std::uint16_t>((today - day) & (days - 1));
}

std::optional<VerpAddress> text_to_verp(std::string_view text) {
  if (text.size() > longest_text) return std::nullopt;
  const std::string folded = lower(text);
  const auto at = folded.rfind('@');
  if (at == std::string::npos) return std::nullopt;
  VerpAddress verp;
  verp.domain = folded.substr(at + 1);
  std::string_view rest = unwrapped(std::string_view(folded).substr(0, at));
  if (!is_host_name(verp.domain) || !take_list(rest, verp) || !take_fixed(rest, verp)) {
    return std::nullopt;
  }
  if (rest.empty() || rest.front() == '+') {
    verp.shared = true;
    if (!rest.empty()) take_appended(rest.substr(1), verp);
    return verp;
  }
  if (rest.front() != '-') return std::nullopt;
  rest.remove_prefix(1);
  const bool readable = rest.find('=') != std::string_view::npos;
  if (!(readable ? take_readable(rest, verp) : take_handle(rest, verp))) return std::nullopt;
  return verp;
}

bool is_ours(const VerpAddress& verp, const VerpKeys& keys, std::string_view list,
             std::string_view recipient) {
  if (keys.generation != verp.generation) return false;
  const SipKey key = message_key(keys, list, stamp(verp.generation, verp.day, verp.tag));
  const auto at = recipient.rfind('@');
  std::string canonical;
  if (!verp.shared) {
    if (at == std::string_view::npos) return false;
    canonical = canonical_recipient(recipient.substr(0, at), recipient.substr(at + 1));
  }
  // One comparison of two words: no octet-by-octet way out that a clock could see.
  return (mac_of(key, canonical) ^ verp.mac) == 0;
}

bool is_fresh(const VerpAddress& verp, std::uint16_t today) {
  const std::uint16_t age = verp.age(today);
  return age <= longest_verp_age || age == days - 1;
}

}  // namespace ml
