// What recipients are sorted by: their address, or a number given to each.
//
// A key policy of Sorter (sorter.hpp) tells the place of a record, compares two places, sorts the
// marks of the records that are in memory together, and compares where the sources of a merge
// stand. Ties always go by the order of input.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stage/sort_octets.hpp"
#include "stream/plain_rcpt.hpp"
#include "stream/record.hpp"

namespace ml {

// A record in memory: where it lies, and what most comparisons need.
class Mark {
 public:
  // Records of a load lie below this offset, and it has fewer domains than `most_domains`.
  static constexpr std::uint32_t most_octets = 1U << 24;
  static constexpr std::uint32_t most_domains = 1U << 20;

  Mark() = default;
  // `size`, of the record, and `local`, of its local part, may be too large to be told.
  Mark(std::uint64_t its_first, std::size_t offset, std::size_t size, std::size_t local,
       std::uint32_t domain)
      : first(its_first),
        place_(static_cast<std::uint32_t>(offset) << 8 |
               static_cast<std::uint32_t>(std::min(local, untold_local))),
        rest_(domain << 12 | static_cast<std::uint32_t>(std::min(size, untold_size))) {}

  [[nodiscard]] std::uint32_t offset() const { return place_ >> 8; }
  [[nodiscard]] std::uint32_t domain() const { return rest_ >> 12; }
  void set_domain(std::uint32_t domain) { rest_ = domain << 12 | (rest_ & untold_size); }
  [[nodiscard]] std::optional<std::size_t> size() const {
    const std::size_t size = rest_ & untold_size;
    return size == untold_size ? std::nullopt : std::optional(size);
  }
  [[nodiscard]] std::optional<std::size_t> local() const {
    const std::size_t size = place_ & untold_local;
    return size == untold_local ? std::nullopt : std::optional(size);
  }
  // The order of input.
  [[nodiscard]] bool before(const Mark& other) const { return place_ < other.place_; }

  std::uint64_t first = 0;  // a prefix of the local part, or the number

 private:
  static constexpr std::size_t untold_local = 0xFF;
  static constexpr std::size_t untold_size = 0xFFF;

  std::uint32_t place_ = 0;
  std::uint32_t rest_ = 0;
};

// What a run says of a record in front of it, so that whoever merges need not look for it again.
struct RunMark {
  static constexpr std::uint16_t untold_size = 0xFFFF;
  static constexpr std::uint8_t untold_local = 0xFF;

  std::uint16_t size = untold_size;
  std::uint8_t local = untold_local;  // octets of the local part
  bool same_domain = false;           // as the record before it in the run has
};

// The records in memory, each ended by LF. They do not move while there are marks on them.
class Records {
 public:
  Records() = default;
  Records(const char* octets, std::size_t size) : octets_(octets), size_(size) {}
  // Without its LF; `head` octets at its front are not searched for it.
  [[nodiscard]] std::string_view at(std::size_t offset, std::size_t head) const {
    const char* const begin = octets_ + offset;
    const void* const lf = std::memchr(begin + head, '\n', size_ - offset - head);
    return {begin, static_cast<std::size_t>(static_cast<const char*>(lf) - begin)};
  }
  // The record of a mark.
  [[nodiscard]] std::string_view at(const Mark& mark, std::size_t head) const {
    const auto size = mark.size();
    return size ? std::string_view(octets_ + mark.offset(), *size)
                : at(std::size_t{mark.offset()}, head);
  }
  // It will be looked at soon.
  void fetch(std::size_t offset) const { __builtin_prefetch(octets_ + offset); }

 private:
  const char* octets_ = nullptr;
  std::size_t size_ = 0;
};

// -1, 0 or 1, without a branch.
[[nodiscard]] inline int order_of(std::uint64_t a, std::uint64_t b) {
  return static_cast<int>(a > b) - static_cast<int>(a < b);
}

// From -3 to 3: the first number counts for more.
[[nodiscard]] inline int order_of(const std::array<std::uint64_t, 2>& a,
                                  const std::array<std::uint64_t, 2>& b) {
  return 2 * order_of(a[0], b[0]) + order_of(a[1], b[1]);
}

// Less than, equal to or greater than 0: the order of append_key (mail/address.hpp), read off the
// addresses themselves. Capitals are folded; a text without @ is a local part without domain.
[[nodiscard]] int compare_domains(std::string_view a, std::string_view b);
[[nodiscard]] int compare_locals(std::string_view a, std::string_view b);

// Numbers for the domains met, and their ranks. The views given must outlive clear().
class Domains {
 public:
  Domains();
  [[nodiscard]] std::uint32_t number(std::string_view domain);
  // By number, the rank of each domain in the order of compare_domains.
  [[nodiscard]] std::vector<std::uint32_t> ranks() const;
  [[nodiscard]] std::size_t size() const { return domains_.size(); }
  [[nodiscard]] std::size_t memory() const { return memory_; }
  void clear();

 private:
  struct Domain {
    std::string_view text;
    std::uint64_t hash;
  };
  [[nodiscard]] std::uint64_t hash(std::string_view text) const;
  void grow();

  std::vector<Domain> domains_;
  std::vector<std::uint32_t> slots_;  // a number + 1; 0: free
  std::size_t memory_ = 0;            // of both
  std::uint64_t secret_;              // so that no list of domains can be made to collide
  std::uint32_t last_ = 0;
};

// By domain, and within a domain by local part or as they came in.
class ByDomain {
 public:
  enum class Within { local, input };
  struct Place {
    std::string_view local;
    std::string_view domain;
    std::uint64_t first = 0;  // the local part's first 8 octets, folded

    // The same in a copy of the line, which now stands at `to`.
    [[nodiscard]] Place moved(const char* from, const char* to) const {
      return {.local = {to + (local.data() - from), local.size()},
              .domain = {to + (domain.data() - from), domain.size()},
              .first = first};
    }
  };
  // Where a source of a merge stands: most of its domain is looked at once for all who have it.
  struct Standing {
    std::array<std::uint64_t, 2> first_of_domain{};  // of its key
    std::array<std::uint64_t, 2> first_of_local{};
    int long_domain = 0;  // 1: it goes on beyond these octets
    std::string_view local;
    std::string domain;
  };

  // Octets at the front of a record, before its line.
  static constexpr std::size_t head = 0;

  explicit ByDomain(Within within) : within_(within) {}
  [[nodiscard]] Place place(std::string_view record) const;
  // Of a line whose fields are known.
  [[nodiscard]] Place place(std::string_view line, const RcptRecord& rcpt) const {
    return place(line, PlainRcpt::address + rcpt.at, PlainRcpt::address + rcpt.address.size());
  }
  [[nodiscard]] int compare(const Place& a, const Place& b) const {
    if (!same_octets(a.domain, b.domain)) {
      if (const int order = compare_domains(a.domain, b.domain); order != 0) return order;
    }
    if (within_ == Within::input) return 0;
    const int order = order_of(a.first, b.first);
    return order != 0 ? order : compare_rest(a, b);
  }

  void stand(Standing& standing, std::string_view record, RunMark told) const;
  // Nobody can foretell how a comparison ends, so that it must not branch.
  [[nodiscard]] int compare(const Standing& a, const Standing& b) const {
    const int domains = order_of(a.first_of_domain, b.first_of_domain);
    const int order = 4 * domains + order_of(a.first_of_local, b.first_of_local);
    const int undecided = static_cast<int>(domains == 0) & (a.long_domain | b.long_domain);
    if ((undecided | static_cast<int>(order == 0)) != 0) return compare_rest(a, b);
    return order;
  }

  [[nodiscard]] Mark mark(const Place& place, std::size_t offset, std::size_t size);
  // As many marks as `marks` has, which are in reverse order of input, in order: these, or those of
  // `spare`, which is as large.
  [[nodiscard]] std::span<Mark> sort(std::span<Mark> marks, std::span<Mark> spare,
                                     const Records& records) const;
  // Of what is kept beside the marks.
  [[nodiscard]] std::size_t memory() const { return domains_.memory(); }
  void clear() { domains_.clear(); }

 private:
  // Of a record whose address has its last @ at `at` and ends at `end`.
  [[nodiscard]] Place place(std::string_view record, std::size_t at, std::size_t end) const {
    const std::size_t begin = std::min(PlainRcpt::address, record.size());
    const std::size_t domain = std::min(at + 1, end);
    return {.local = {record.data() + begin, at - begin},
            .domain = {record.data() + domain, end - domain},
            .first = within_ == Within::local ? first_of_local(record, begin, at - begin) : 0};
  }
  // The first octets of the local part of `size` octets that begins at `begin`.
  [[nodiscard]] static std::uint64_t first_of_local(std::string_view record, std::size_t begin,
                                                    std::size_t size) {
    const std::uint64_t octets = eight_octets(record, begin);
    if (size >= octets_in_word) return octets;
    const std::size_t others = octets_in_word - size;  // of what is behind it
    return size == 0 ? 0 : octets & ~std::uint64_t{0} << (8 * others);
  }
  // By local parts that agree in their first octets.
  [[nodiscard]] static int compare_rest(const Place& a, const Place& b);
  void sort_part(std::span<Mark> part, const Records& records, std::size_t known) const;
  void stand_at_local(Standing& standing, std::string_view local) const;
  [[nodiscard]] int compare_rest(const Standing& a, const Standing& b) const;

  Within within_;
  Domains domains_;
};

// By a number of 8 octets, big endian, in front of each line.
class ByNumber {
 public:
  struct Place {
    std::uint64_t first = 0;

    [[nodiscard]] Place moved(const char*, const char*) const { return *this; }
  };
  using Standing = Place;
  static constexpr std::size_t head = 8;

  [[nodiscard]] Place place(std::string_view record) const;
  [[nodiscard]] int compare(const Place& a, const Place& b) const {
    return order_of(a.first, b.first);
  }
  void stand(Standing& standing, std::string_view record, RunMark) const {
    standing = place(record);
  }
  [[nodiscard]] Mark mark(const Place& place, std::size_t offset, std::size_t size) const {
    return {place.first, offset, size, 0, 0};
  }
  [[nodiscard]] std::span<Mark> sort(std::span<Mark> marks, std::span<Mark> spare,
                                     const Records& records) const;
  [[nodiscard]] std::size_t memory() const { return 0; }
  void clear() {}
};

}  // namespace ml
