#include "mail/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <expected>

#include <idn2.h>

#include "base/octets.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

// What is wrong, without the address; the doors below put it into a whole line.
template <class T = void>
using Checked = std::expected<T, std::string_view>;
using Wrong = std::unexpected<std::string_view>;

// A domain of U-labels may be longer than its A-labels: 254 octets of output need no more.
constexpr std::size_t longest_input = 4 * longest_address;

enum : std::uint8_t { atext = 1, host = 2 };

constexpr std::array<std::uint8_t, 256> classes = [] {
  std::array<std::uint8_t, 256> table{};
  for (const char c : std::string_view("!#$%&'*+-/=?^_`{|}~"))
    table[static_cast<unsigned char>(c)] = atext;
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = atext | host;
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = atext | host;
  for (unsigned c = 'A'; c <= 'Z'; ++c) table[c] = atext;
  table['-'] |= host;
  return table;
}();

bool is(char c, std::uint8_t kind) {
  return (classes[static_cast<unsigned char>(c)] & kind) != 0;
}
bool is_octet8(char c) {
  return static_cast<unsigned char>(c) >= 0x80;
}

// C0, DEL, and C1 as UTF-8 spells it, which terminals obey as well.
bool has_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_control(text[i])) return true;
    if (text[i] == '\xC2' && i + 1 < text.size() &&
        static_cast<unsigned char>(text[i + 1]) < 0xA0) {
      return true;
    }
  }
  return false;
}

Checked<> check_label(std::string_view label) {
  if (label.empty()) return Wrong("its domain has an empty label");
  if (label.size() > 63) return Wrong("a label of its domain is over 63 octets");
  if (label.front() == '-' || label.back() == '-') {
    return Wrong("a label of its domain begins or ends with a hyphen");
  }
  return {};
}

// Lower-case letters, digits, hyphens: RFC 1123 2.1 and RFC 5321 4.1.2. No underscore: such names
// exist in the DNS, but no standard lets them take mail, and relays answer 501 or 553 to them,
// which would look like a fault of ours. A last label of digits is an IPv4 address or nothing.
Checked<> check_host_name(std::string_view name) {
  if (name.empty()) return Wrong("its domain is empty");
  if (name.size() > longest_domain) return Wrong("its domain is over 255 octets");
  for (const char c : name) {
    if (c == '_') return Wrong("its domain has an underscore");
    if (c != '.' && !is(c, host)) return Wrong("its domain has a character that no host name has");
  }
  for (;;) {
    const auto dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (auto checked = check_label(label); !checked) return checked;
    if (dot == std::string_view::npos) {
      if (!std::ranges::all_of(label, is_digit)) return {};
      return Wrong("its domain ends in a number; an address literal needs brackets: [192.0.2.1]");
    }
    name.remove_prefix(dot + 1);
  }
}

bool has_a_label(std::string_view lowered) {
  return lowered.starts_with("xn--") || lowered.find(".xn--") != std::string_view::npos;
}

// check_host_name() without a reason, in one pass; A-labels are for libidn2 to verify.
bool is_plain_host(std::string_view name) {
  if (name.empty() || name.size() > longest_domain) return false;
  std::size_t start = 0;
  bool digits = true;  // the label so far
  for (std::size_t i = 0; i <= name.size(); ++i) {
    if (i < name.size() && name[i] != '.') {
      if (!is(name[i], host)) return false;
      digits = digits && is_digit(name[i]);
      continue;
    }
    const std::string_view label = name.substr(start, i - start);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-')
      return false;
    if (label.starts_with("xn--")) return false;
    if (i == name.size()) return !digits;
    start = i + 1;
    digits = true;
  }
  return false;
}

// U-labels to A-labels, A-labels verified. libidn2's own ASCII rules stay off: they drop an
// underscore silently instead of refusing it. What comes out is checked by check_host_name().
Checked<std::string> to_a_labels(const std::string& name) {
  std::uint8_t* found = nullptr;
  const int status = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(name.c_str()), &found,
                                    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  if (status != IDN2_OK) {
    if (status == IDN2_TOO_BIG_DOMAIN) return Wrong("its domain is over 255 octets");
    if (status == IDN2_TOO_BIG_LABEL || status == IDN2_PUNYCODE_BIG_OUTPUT)
      return Wrong("a label of its domain is over 63 octets");
    return Wrong("its domain is no valid international domain name (IDNA 2008)");
  }
  std::string result(reinterpret_cast<const char*>(found));
  idn2_free(found);
  return result;
}

// RFC 5321 4.1.3, in one spelling for each address.
Checked<std::string> check_literal(std::string_view text) {
  if (!text.ends_with(']')) return Wrong("its address literal lacks its closing bracket");
  const std::string inner(text.substr(1, text.size() - 2));
  std::array<char, INET6_ADDRSTRLEN> spelled{};
  if (begins_nocase(inner, "IPv6:")) {
    in6_addr six{};
    if (inet_pton(AF_INET6, inner.c_str() + 5, &six) != 1) {
      return Wrong("its address literal is no IPv6 address");
    }
    inet_ntop(AF_INET6, &six, spelled.data(), spelled.size());
    return "[IPv6:" + std::string(spelled.data()) + "]";
  }
  in_addr four{};
  if (inet_pton(AF_INET, inner.c_str(), &four) != 1) {
    return Wrong("its address literal is neither [192.0.2.1] nor [IPv6:2001:db8::1]");
  }
  return "[" + inner + "]";
}

Checked<std::string> check_domain(std::string_view text) {
  if (text.starts_with('[')) return check_literal(text);
  if (text.ends_with('.')) text.remove_suffix(1);
  std::string name = lower(text);
  if (!is_ascii(name) || has_a_label(name)) {
    auto a_labels = to_a_labels(name);
    if (!a_labels) return a_labels;
    name = std::move(*a_labels);
    if (name.ends_with('.')) name.pop_back();  // from an ideographic full stop
  }
  if (auto checked = check_host_name(name); !checked) return Wrong(checked.error());
  return name;
}

// The length of the quoted string that `text` begins with, both quotes counted.
Checked<std::size_t> quoted_length(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\') ++i;
  }
  return Wrong("its quoted local part lacks its closing quote");
}

bool can_be_unquoted(std::string_view content) {
  char before = '.';
  for (const char c : content) {
    if (c == '.' ? before == '.' : !is(c, atext) && !is_octet8(c)) return false;
    before = c;
  }
  return before != '.';
}

// One spelling for each local part: no quotes where none are needed, no escape that is idle.
std::string quoted_to_local(std::string_view quoted) {
  std::string content;
  const std::string_view inner = quoted.substr(1, quoted.size() - 2);
  for (std::size_t i = 0; i < inner.size(); ++i) {
    if (inner[i] == '\\') ++i;
    content.push_back(inner[i]);
  }
  if (can_be_unquoted(content)) return content;
  std::string result = "\"";
  for (const char c : content) {
    if (c == '"' || c == '\\') result.push_back('\\');
    result.push_back(c);
  }
  return result + '"';
}

Checked<> check_dot_string(std::string_view local) {
  if (local.empty()) return Wrong("nothing stands before its @");
  if (local.front() == '.') return Wrong("its local part begins with a dot");
  if (local.back() == '.') return Wrong("its local part ends with a dot");
  if (local.find("..") != std::string_view::npos) {
    return Wrong("its local part has two dots running and is not quoted");
  }
  for (const char c : local) {
    if (c == ' ') return Wrong("it has a space outside of quotes");
    if (c == '"') return Wrong("its local part is quoted in part only");
    if (c != '.' && !is(c, atext) && !is_octet8(c)) {
      return Wrong("its local part has a character that must be quoted");
    }
  }
  return {};
}

Checked<> check_whole(std::string_view text) {
  if (text.empty()) return Wrong("it is empty");
  if (text.size() > longest_input) return Wrong("it is over 254 octets");
  if (has_control(text)) return Wrong("it has a control character");
  if (!is_utf8(text)) return Wrong("it is not UTF-8");
  if (text.front() == ' ' || text.back() == ' ') return Wrong("a space stands before or behind it");
  if (text.front() == '<' || text.back() == '>') return Wrong("angle brackets are no part of it");
  if (text.front() == '@') return Wrong("nothing stands before its @");
  return {};
}

Checked<Address> check_address(std::string_view text) {
  if (auto checked = check_whole(text); !checked) return Wrong(checked.error());
  std::size_t at = text.find('@');
  Address address;
  if (text.front() == '"') {
    const auto length = quoted_length(text);
    if (!length) return Wrong(length.error());
    at = *length;
    if (at < text.size() && text[at] != '@') return Wrong("its local part is quoted in part only");
    address.local = quoted_to_local(text.substr(0, at));
  } else {
    address.local = text.substr(0, at);
    if (auto checked = check_dot_string(address.local); !checked) return Wrong(checked.error());
  }
  if (at >= text.size()) return Wrong("it has no @");
  const std::string_view domain = text.substr(at + 1);
  if (domain.empty()) return Wrong("nothing stands behind its @");
  if (domain.find('@') != std::string_view::npos) return Wrong("it has more than one @");
  if (domain.find(' ') != std::string_view::npos) return Wrong("it has a space outside of quotes");
  if (address.local.size() > longest_local) return Wrong("its local part is over 64 octets");
  auto checked = check_domain(domain);
  if (!checked) return Wrong(checked.error());
  address.domain = std::move(*checked);
  if (address.local.size() + 1 + address.domain.size() > longest_address) {
    return Wrong("it is over 254 octets");
  }
  return address;
}

}  // namespace

namespace {

std::size_t lowest(std::uint64_t bits) {
  return static_cast<std::size_t>(std::countr_zero(bits));
}

// Calls with each sixteen octets of a text of 1 to 64, and where they stand in it; the last ones
// may have been there before. A text shorter than that is filled up with dots.
template <class Look>
void look_at(std::string_view text, Look look) {
  if (text.size() < 16) {
    std::array<char, 16> filled;
    filled.fill('.');
    text.copy(filled.data(), filled.size());
    return look(0, load_octets(filled.data()));
  }
  for (std::size_t place = 0; place + 16 < text.size(); place += 16) {
    look(place, load_octets(text.data() + place));
  }
  look(text.size() - 16, load_octets(text.data() + text.size() - 16));
}

// Those of a text of 1 to 64 octets, a bit for each, the first the lowest.
std::uint64_t bits_below(std::size_t size) {
  return ~std::uint64_t{0} >> (64 - size);
}

bool are_atext(std::string_view text, std::uint64_t places) {
  for (; places != 0; places &= places - 1) {
    if (!is(text[lowest(places)], atext)) return false;
  }
  return true;
}

// plain_at() for a text of 1 to 64 octets. What it says no to may be plain.
std::optional<std::size_t> quick_at(std::string_view text) {
  std::uint64_t ats = 0;
  std::uint64_t dots = 0;
  std::uint64_t all_hyphens = 0;
  std::uint64_t others = 0;  // none of these, no lower-case letter and no digit
  look_at(text, [&](std::size_t place, Octets16 octets) {
    const Octets16 at = octets == '@';
    const Octets16 dot = octets == '.';
    const Octets16 hyphen = octets == '-';
    const Octets16 digit = (octets >= '0') & (octets <= '9');
    const Octets16 letter = (octets >= 'a') & (octets <= 'z');
    ats |= std::uint64_t{bits_of(at)} << place;
    dots |= std::uint64_t{bits_of(dot)} << place;
    all_hyphens |= std::uint64_t{bits_of(hyphen)} << place;
    others |= std::uint64_t{bits_of(~(at | dot | hyphen | digit | letter))} << place;
  });
  const std::uint64_t last = std::uint64_t{1} << (text.size() - 1);
  if (ats == 0 || (ats & (ats - 1)) != 0) return std::nullopt;
  const std::size_t at = lowest(ats);
  const std::uint64_t domain = ~(ats | (ats - 1));
  // Nothing between two of these is empty: neither an atom nor a label.
  const std::uint64_t borders = (ats | dots) & bits_below(text.size());
  if ((borders & (borders << 1 | 1 | last)) != 0) return std::nullopt;
  // No label begins or ends with a hyphen; two of them running may be an A-label.
  const std::uint64_t hyphens = all_hyphens & domain;
  if ((hyphens & (borders << 1 | borders >> 1 | last | hyphens >> 1)) != 0) return std::nullopt;
  if ((others & domain) != 0) return std::nullopt;
  if (is_digit(text.back())) return std::nullopt;  // the last label may be a number
  return are_atext(text, others) ? std::optional(at) : std::nullopt;
}

}  // namespace

bool is_plain_local(std::string_view text) {
  if (text.empty() || text.size() > longest_local) return false;
  std::uint64_t dots = 0;
  std::uint64_t others = 0;  // none of those that most local parts and senders of ours are made of
  look_at(text, [&](std::size_t place, Octets16 octets) {
    const Octets16 dot = octets == '.';
    const Octets16 common = ((octets >= 'a') & (octets <= 'z')) |
                            ((octets >= '0') & (octets <= '9')) | (octets == '=') |
                            (octets == '-') | (octets == '+');
    dots |= std::uint64_t{bits_of(dot)} << place;
    others |= std::uint64_t{bits_of(~(dot | common))} << place;
  });
  const std::uint64_t last = std::uint64_t{1} << (text.size() - 1);
  dots &= bits_below(text.size());
  return (dots & (dots << 1 | 1 | last)) == 0 && are_atext(text, others);
}

std::optional<std::size_t> plain_at(std::string_view text) {
  if (!text.empty() && text.size() <= 64) {
    if (const auto quick = quick_at(text)) return quick;
  }
  const auto at = text.find('@');
  if (at == std::string_view::npos || text.size() > longest_address ||
      !is_plain_local(text.substr(0, at)) || !is_plain_host(text.substr(at + 1))) {
    return std::nullopt;
  }
  return at;
}

Result<Address> text_to_address(std::string_view text) {
  if (const auto at = plain_at(text)) {
    return Address{std::string(text.substr(0, *at)), std::string(text.substr(*at + 1))};
  }
  auto checked = check_address(text);
  if (!checked) return retry("'{}' is no mail address: {}", printable(text, 320), checked.error());
  return std::move(*checked);
}

std::string address_to_text(const Address& address) {
  return address.local + '@' + address.domain;
}

bool needs_smtputf8(const Address& address) {
  return !is_ascii(address.local);
}

Result<std::string> text_to_domain(std::string_view text) {
  auto checked = check_whole(text);
  auto domain = checked ? check_domain(text) : Checked<std::string>(Wrong(checked.error()));
  if (!domain) return retry("'{}' is no mail domain: {}", printable(text, 320), domain.error());
  return std::move(*domain);
}

void append_key(std::string& key, std::string_view local, std::string_view domain) {
  const std::size_t before = key.size();
  const std::size_t after = before + domain.size() + 1 + local.size();
  const bool literal = domain.starts_with('[');
  key.resize_and_overwrite(after, [&](char* text, std::size_t) {
    char* to = text + before;
    const char* const begin = domain.data();
    for (const char* end = begin + domain.size();;) {
      const char* label = literal ? begin : end;
      while (label != begin && label[-1] != '.') --label;
      to = std::copy(label, end, to);
      if (label == begin) break;
      *to++ = '\x01';
      end = label - 1;
    }
    *to++ = '\0';
    std::transform(local.begin(), local.end(), to, to_lower);
    return after;  // g++ 12 hands in a size that may be larger than what was asked for
  });
}

std::string address_key(const Address& address) {
  std::string key;
  append_key(key, address.local, address.domain);
  return key;
}

}  // namespace ml
