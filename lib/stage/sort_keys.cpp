#include "stage/sort_keys.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t address_at = 5;  // behind "rcpt" and its TAB

unsigned char folded(char c) {
  return static_cast<unsigned char>(to_lower(c));
}

// Big endian, so that numbers compare as octets do; short texts are filled up with NUL.
std::uint64_t first_octets(std::string_view text) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8 | (i < text.size() ? folded(text[i]) : 0);
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
  return {first_octets(text), first_octets(text.substr(8))};
}

__extension__ using Wide = unsigned __int128;

std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

std::string_view Records::at(std::size_t offset, std::size_t head) const {
  const char* const begin = octets_ + offset;
  const void* const lf = std::memchr(begin + head, '\n', size_ - offset - head);
  return {begin, static_cast<std::size_t>(static_cast<const char*>(lf) - begin)};
}

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
  while (!text.empty()) {
    std::uint64_t word = 0;
    const std::size_t length = std::min(text.size(), sizeof word);
    std::memcpy(&word, text.data(), length);
    value = mixed(value ^ (word | fold), secret_ ^ 0x9E3779B97F4A7C15U);
    text.remove_prefix(length);
  }
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

ByDomain::Place ByDomain::place(std::string_view record) const {
  record.remove_prefix(std::min(address_at, record.size()));
  const auto address = record.substr(0, record.find('\t'));
  const auto at = address.rfind('@');
  Place place;
  place.local = address.substr(0, at);
  if (at != std::string_view::npos) place.domain = address.substr(at + 1);
  if (within_ == Within::local) place.first = first_octets(place.local);
  return place;
}

int ByDomain::compare(const Place& a, const Place& b) const {
  if (const int order = compare_domains(a.domain, b.domain); order != 0) return order;
  if (within_ == Within::input) return 0;
  if (a.first != b.first) return a.first < b.first ? -1 : 1;
  return compare_locals(a.local, b.local);
}

Mark ByDomain::mark(const Place& place, std::size_t offset) {
  return {place.first, static_cast<std::uint32_t>(offset), domains_.number(place.domain)};
}

// Moves each mark into the part of its domain, in place, then sorts the parts.
void ByDomain::sort(std::span<Mark> marks, const Records& records) const {
  const auto ranks = domains_.ranks();
  std::vector<std::uint32_t> ends(ranks.size());
  for (Mark& mark : marks) {
    mark.domain = ranks[mark.domain];
    ++ends[mark.domain];
  }
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  std::vector<std::uint32_t> next(ends.size());
  for (std::size_t part = 1; part < next.size(); ++part) next[part] = ends[part - 1];
  for (std::uint32_t part = 0; part < next.size(); ++part) {
    while (next[part] < ends[part]) {
      Mark& here = marks[next[part]];
      if (here.domain == part)
        ++next[part];
      else
        std::swap(here, marks[next[here.domain]++]);
    }
  }
  const auto before = [&](const Mark& a, const Mark& b) {
    if (a.first != b.first) return a.first < b.first;
    if (within_ == Within::local) {
      const int order = compare_locals(place(records.at(a.offset, head)).local,
                                       place(records.at(b.offset, head)).local);
      if (order != 0) return order < 0;
    }
    return a.offset < b.offset;
  };
  std::uint32_t begin = 0;
  for (const std::uint32_t end : ends) {
    std::ranges::sort(marks.subspan(begin, end - begin), before);
    begin = end;
  }
}

ByNumber::Place ByNumber::place(std::string_view record) const {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < head; ++i) value = value << 8 | static_cast<unsigned char>(record[i]);
  return {value};
}

void ByNumber::sort(std::span<Mark> marks, const Records&) const {
  std::ranges::sort(marks, [](const Mark& a, const Mark& b) {
    return a.first != b.first ? a.first < b.first : a.offset < b.offset;
  });
}

}  // namespace ml
