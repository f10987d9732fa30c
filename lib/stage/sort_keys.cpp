#include "stage/sort_keys.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>

#include "base/digest.hpp"
#include "base/octets.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t address_at = 5;  // behind "rcpt" and its TAB

unsigned char folded(char c) {
  return static_cast<unsigned char>(to_lower(c));
}

constexpr std::size_t word = sizeof(std::uint64_t);

// So that numbers compare as octets do.
std::uint64_t big_endian(std::uint64_t value) {
  return std::endian::native == std::endian::little ? __builtin_bswap64(value) : value;
}

// ASCII capitals folded, octet by octet.
std::uint64_t folded(std::uint64_t octets) {
  constexpr std::uint64_t each = 0x0101010101010101U;
  const std::uint64_t low = octets & (each * 0x7f);
  const std::uint64_t from_a = low + each * (0x80 - 'A');
  const std::uint64_t behind_z = low + each * (0x7f - 'Z');
  const std::uint64_t capitals = from_a & ~behind_z & ~octets & (each * 0x80);
  return octets | capitals >> 2;
}

// The octets of `text` from `from` on, folded, as one number; a short rest is filled up with NUL.
std::uint64_t eight_octets(std::string_view text, std::size_t from) {
  if (from >= text.size()) return 0;
  const std::size_t held = text.size() - from;
  std::uint64_t value = 0;
  if (held >= word) {
    std::memcpy(&value, text.data() + from, word);
    return folded(big_endian(value));
  }
  for (std::size_t i = 0; i < held; ++i) {
    value |= static_cast<std::uint64_t>(folded(text[from + i])) << (8 * (word - 1 - i));
  }
  return value;
}

// Takes the last label off a domain; a literal is a label as a whole.
std::string_view take_label(std::string_view& domain) {
  const auto dot = domain.starts_with('[') ? std::string_view::npos : domain.rfind('.');
  const auto label = domain.substr(dot == std::string_view::npos ? 0 : dot + 1);
  domain = domain.substr(0, dot == std::string_view::npos ? 0 : dot);
  return label;
}

// The first 16 octets of a domain's key.
std::array<std::uint64_t, 2> first_of_key(std::string_view domain) {
  std::array<char, 16> key{};
  std::size_t filled = 0;
  while (!domain.empty() && filled < key.size()) {
    const auto label = take_label(domain);
    const std::size_t length = std::min(label.size(), key.size() - filled);
    std::copy_n(label.begin(), length, key.begin() + static_cast<std::ptrdiff_t>(filled));
    filled += length;
    if (!domain.empty() && filled < key.size()) key[filled++] = '\x01';
  }
  const std::string_view text(key.data(), key.size());
  return {eight_octets(text, 0), eight_octets(text, word)};
}

__extension__ using Wide = unsigned __int128;

std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

int compare_locals(std::string_view a, std::string_view b) {
  const std::size_t shorter = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < shorter; ++i) {
    if (a[i] != b[i] && folded(a[i]) != folded(b[i])) return folded(a[i]) < folded(b[i]) ? -1 : 1;
  }
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

int compare_domains(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  while (!a.empty() && !b.empty()) {
    const int order = compare_locals(take_label(a), take_label(b));
    if (order != 0) return order;
  }
  return a.empty() ? (b.empty() ? 0 : -1) : 1;
}

Domains::Domains() : secret_(random_number() | 1) {}

std::size_t Domains::memory() const {
  return domains_.size() * (sizeof(Domain) + 32) + slots_.size() * sizeof slots_.front();
}

void Domains::clear() {
  domains_.clear();
  slots_.clear();
  last_ = 0;
}

// Setting bit 5 folds capitals (and a few signs, which costs nothing but a collision).
std::uint64_t Domains::hash(std::string_view text) const {
  constexpr std::uint64_t fold = 0x2020202020202020U;
  std::uint64_t value = text.size() ^ secret_;
  const auto mix = [&](const char* from, std::size_t length) {
    std::uint64_t octets = 0;
    std::memcpy(&octets, from, length);
    value = mixed(value ^ (octets | fold), secret_ ^ 0x9E3779B97F4A7C15U);
  };
  if (text.empty()) return value;
  if (text.size() < word) {
    mix(text.data(), text.size());
    return value;
  }
  for (std::size_t at = 0; at + word < text.size(); at += word) mix(text.data() + at, word);
  mix(text.data() + text.size() - word, word);
  return value;
}

std::uint32_t Domains::number(std::string_view domain) {
  if (!domains_.empty() && domains_[last_].text == domain) return last_;
  if (domains_.size() * 2 >= slots_.size()) grow();
  const std::uint64_t its_hash = hash(domain);
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = its_hash & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const Domain& known = domains_[slots_[slot] - 1];
    if (known.hash == its_hash && (known.text == domain || same_nocase(known.text, domain))) {
      return last_ = slots_[slot] - 1;
    }
  }
  domains_.push_back({domain, its_hash});
  slots_[slot] = static_cast<std::uint32_t>(domains_.size());
  return last_ = slots_[slot] - 1;
}

void Domains::grow() {
  slots_.assign(std::max<std::size_t>(64, slots_.size() * 2), 0);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < domains_.size(); ++i) {
    std::size_t slot = domains_[i].hash & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<std::uint32_t>(i + 1);
  }
}

std::vector<std::uint32_t> Domains::ranks() const {
  struct Ranked {
    std::array<std::uint64_t, 2> first;
    std::uint32_t number;
  };
  std::vector<Ranked> order(domains_.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = {first_of_key(domains_[i].text), i};
  std::ranges::sort(order, [this](const Ranked& a, const Ranked& b) {
    if (a.first != b.first) return a.first < b.first;
    return compare_domains(domains_[a.number].text, domains_[b.number].text) < 0;
  });
  std::vector<std::uint32_t> ranks(order.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) ranks[order[i].number] = i;
  return ranks;
}

namespace {

// Where the last @ of the address and its end are, in a record; nowhere: the end.
struct Borders {
  std::size_t at = 0;
  std::size_t end = 0;
};

Borders find_borders(std::string_view record) {
  std::size_t at = std::string_view::npos;
  std::size_t from = std::min(address_at, record.size());
  if (record.size() >= sizeof(Octets16)) {
    while (from < record.size()) {
      const std::size_t place = std::min(from, record.size() - sizeof(Octets16));
      const Octets16 octets = load_octets(record.data() + place);
      const std::uint32_t tabs = bits_of(octets == '\t') >> (from - place);
      std::uint32_t ats = bits_of(octets == '@') >> (from - place);
      if (tabs != 0) ats &= (tabs & -tabs) - 1;
      if (ats != 0) at = from + 31 - static_cast<std::size_t>(std::countl_zero(ats));
      if (tabs != 0) {
        from += static_cast<std::size_t>(std::countr_zero(tabs));
        return {std::min(at, from), from};
      }
      from = place + sizeof(Octets16);
    }
  }
  for (; from < record.size() && record[from] != '\t'; ++from) {
    if (record[from] == '@') at = from;
  }
  return {std::min(at, from), from};
}

// By local parts whose first octets are in `first`.
template <class Place>
int compare_from(const Place& a, const Place& b) {
  if (a.first != b.first) return a.first < b.first ? -1 : 1;
  if (a.local.size() <= word || b.local.size() <= word) {
    return a.local.size() < b.local.size() ? -1 : a.local.size() > b.local.size() ? 1 : 0;
  }
  return compare_locals(a.local.substr(word), b.local.substr(word));
}

}  // namespace

ByDomain::Place ByDomain::place(std::string_view record) const {
  const auto [at, end] = find_borders(record);
  const std::size_t begin = std::min(address_at, record.size());
  Place place;
  place.local = record.substr(begin, at - begin);
  if (at < end) place.domain = record.substr(at + 1, end - at - 1);
  if (within_ == Within::local) {
    // What stands behind a short local part is cut off again.
    const std::size_t held = place.local.size();
    place.first = eight_octets(record, begin);
    if (held < word) place.first &= held == 0 ? 0 : ~std::uint64_t{0} << (8 * (word - held));
  }
  return place;
}

int ByDomain::compare(const Place& a, const Place& b) const {
  if (const int order = compare_domains(a.domain, b.domain); order != 0) return order;
  if (within_ == Within::input) return 0;
  return compare_from(a, b);
}

void ByDomain::stand(Standing& standing, std::string_view record) const {
  const Place its = place(record);
  standing.local = its.local;
  standing.first = its.first;
  if (standing.domain == its.domain) return;
  standing.domain = its.domain;
  standing.first_of_domain = first_of_key(its.domain);
}

int ByDomain::compare(const Standing& a, const Standing& b) const {
  if (a.first_of_domain != b.first_of_domain) {
    return a.first_of_domain < b.first_of_domain ? -1 : 1;
  }
  // A key is as long as its domain: a short one has been looked at as a whole.
  constexpr std::size_t seen = 2 * word;
  if (a.domain.size() > seen || b.domain.size() > seen) {
    if (const int order = compare_domains(a.domain, b.domain); order != 0) return order;
  }
  if (within_ == Within::input) return 0;
  return compare_from(a, b);
}

Mark ByDomain::mark(const Place& place, std::size_t offset, std::size_t size) {
  return {place.first, offset, size, place.local.size(), domains_.number(place.domain)};
}

// Moves each mark into the part of its domain, then sorts the parts.
std::span<Mark> ByDomain::sort(std::span<Mark> marks, std::span<Mark> spare,
                               const Records& records) const {
  const auto ranks = domains_.ranks();
  std::vector<std::uint32_t> ends(ranks.size() + 1);
  for (Mark& mark : marks) {
    mark.set_domain(ranks[mark.domain()]);
    ++ends[mark.domain() + 1];
  }
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  for (const Mark& mark : marks) spare[ends[mark.domain()]++] = mark;  // begins become ends
  std::uint32_t begin = 0;
  for (const std::uint32_t end : ends) {
    sort_part(spare.subspan(begin, end - begin), records, 0);
    begin = end;
  }
  return spare;
}

// Marks of one domain whose local parts agree in their first `known` octets and have those behind
// in `first`. Where they agree in these too, the next eight decide.
void ByDomain::sort_part(std::span<Mark> part, const Records& records, std::size_t known) const {
  constexpr std::size_t deepest = 256;  // no local part that is sent to goes on so long
  const auto local_of = [&](const Mark& mark) {
    const auto record = records.at(mark, head);
    const auto size = mark.local();
    return size ? record.substr(std::min(address_at, record.size()), *size) : place(record).local;
  };
  std::ranges::sort(part, [&](const Mark& a, const Mark& b) {
    if (a.first != b.first) return a.first < b.first;
    if (known >= deepest) {
      const int order = compare_locals(local_of(a), local_of(b));
      if (order != 0) return order < 0;
    }
    return a.before(b);
  });
  if (known >= deepest) return;
  for (std::size_t begin = 0; begin < part.size();) {
    const std::uint64_t first = part[begin].first;
    std::size_t end = begin + 1;
    while (end < part.size() && part[end].first == first) ++end;
    const bool ends_here = (first & 0xFF) == 0;  // NUL stands in no local part
    if (end - begin > 1 && !ends_here) {
      const auto same = part.subspan(begin, end - begin);
      for (std::size_t i = 0; i < same.size(); ++i) {
        if (i + 8 < same.size()) records.fetch(same[i + 8].offset());
        same[i].first = eight_octets(local_of(same[i]), known + word);
      }
      sort_part(same, records, known + word);
    }
    begin = end;
  }
}

ByNumber::Place ByNumber::place(std::string_view record) const {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < head; ++i) value = value << 8 | static_cast<unsigned char>(record[i]);
  return {value};
}

std::span<Mark> ByNumber::sort(std::span<Mark> marks, std::span<Mark>, const Records&) const {
  std::ranges::sort(marks, [](const Mark& a, const Mark& b) {
    return a.first != b.first ? a.first < b.first : a.before(b);
  });
  return marks;
}

}  // namespace ml
