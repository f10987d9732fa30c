#include "stage/sort_keys.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <ranges>

#include "base/digest.hpp"
#include "base/octets.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t address_at = PlainRcpt::address;

constexpr std::size_t word = octets_in_word;

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
  if (same_octets(a, b)) return 0;
  while (!a.empty() && !b.empty()) {
    const int order = compare_locals(take_label(a), take_label(b));
    if (order != 0) return order;
  }
  return a.empty() ? (b.empty() ? 0 : -1) : 1;
}

Domains::Domains() : secret_(random_number() | 1) {}

void Domains::clear() {
  domains_.clear();
  slots_.clear();
  memory_ = 0;
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
  if (!domains_.empty() && same_octets(domains_[last_].text, domain)) return last_;
  if (domains_.size() * 2 >= slots_.size()) grow();
  const std::uint64_t its_hash = hash(domain);
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = its_hash & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const Domain& known = domains_[slots_[slot] - 1];
    if (known.hash == its_hash &&
        (same_octets(known.text, domain) || same_nocase(known.text, domain))) {
      return last_ = slots_[slot] - 1;
    }
  }
  domains_.push_back({domain, its_hash});
  memory_ += sizeof(Domain) + 32;  // and of its rank
  slots_[slot] = static_cast<std::uint32_t>(domains_.size());
  return last_ = slots_[slot] - 1;
}

void Domains::grow() {
  const std::size_t wanted = std::max<std::size_t>(64, slots_.size() * 2);
  memory_ += (wanted - slots_.size()) * sizeof slots_.front();
  slots_.assign(wanted, 0);
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

constexpr std::size_t most_classes = 32;

// In the order of octets, finest where local parts mostly begin: a class for each two or three
// digits and for each letter.
constexpr auto class_of_octet = [] {
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t octet = 0; octet < classes.size(); ++octet) {
    classes[octet] =
        octet < '0'    ? 0
        : octet < 'a'  ? static_cast<std::uint8_t>(1 + std::min<std::size_t>((octet - '0') / 3, 3))
        : octet <= 'z' ? static_cast<std::uint8_t>(5 + (octet - 'a'))
                       : 31;
  }
  return classes;
}();

}  // namespace

ByDomain::Place ByDomain::place(std::string_view record) const {
  const auto [at, end] = find_borders(record);
  return place(record, at, end);
}

int ByDomain::compare_rest(const Place& a, const Place& b) {
  const std::size_t shorter = std::min(a.local.size(), b.local.size());
  for (std::size_t from = word; from < shorter; from += word) {
    const int order = order_of(eight_octets(a.local, from), eight_octets(b.local, from));
    if (order != 0) return order;
  }
  return order_of(a.local.size(), b.local.size());
}

void ByDomain::stand_at_local(Standing& standing, std::string_view local) const {
  standing.local = local;
  if (within_ == Within::input) return;
  standing.first_of_local = {eight_octets(local, 0), eight_octets(local, word)};
}

void ByDomain::stand(Standing& standing, std::string_view record, RunMark told) const {
  if (told.same_domain && told.local != RunMark::untold_local) {
    const std::size_t begin = std::min(address_at, record.size());
    stand_at_local(standing, record.substr(begin, told.local));
    return;
  }
  const Place its = place(record);
  stand_at_local(standing, its.local);
  if (standing.domain == its.domain) return;
  standing.domain = its.domain;
  standing.first_of_domain = first_of_key(its.domain);
  // A key is as long as its domain: a short one has been looked at as a whole.
  standing.long_domain = its.domain.size() > sizeof standing.first_of_domain ? 1 : 0;
}

// By those that agree in the first octets of their domains.
int ByDomain::compare_rest(const Standing& a, const Standing& b) const {
  if (const int order = compare_domains(a.domain, b.domain); order != 0) return order;
  if (within_ == Within::input) return 0;
  return compare_locals(a.local, b.local);
}

Mark ByDomain::mark(const Place& place, std::size_t offset, std::size_t size) {
  return {place.first, offset, size, place.local.size(), domains_.number(place.domain)};
}

// Moves each mark into the part of its domain and, where these are large, of its local part's first
// octet, then sorts the parts.
std::span<Mark> ByDomain::sort(std::span<Mark> marks, std::span<Mark> spare,
                               const Records& records) const {
  const auto ranks = domains_.ranks();
  const bool large = within_ == Within::local && marks.size() >= ranks.size() * 16;
  const std::size_t classes = large ? most_classes : 1;
  const auto part_of = [&](const Mark& mark) {
    return mark.domain() * classes + (large ? class_of_octet[mark.first >> 56] : 0);
  };
  std::vector<std::uint32_t> ends(ranks.size() * classes + 1);
  for (Mark& mark : marks) {
    mark.set_domain(ranks[mark.domain()]);
    ++ends[part_of(mark) + 1];
  }
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  // The last of input stands in front. Begins become ends.
  for (const Mark& mark : marks | std::views::reverse) spare[ends[part_of(mark)]++] = mark;
  if (within_ == Within::input) return spare;
  std::uint32_t begin = 0;
  for (const std::uint32_t end : ends) {
    if (end - begin > 1) sort_part(spare.subspan(begin, end - begin), records, 0);
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
