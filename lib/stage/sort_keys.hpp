// What recipients are sorted by: their address, or a number given to each.
//
// A key policy of Sorter (sorter.hpp) tells the place of a record, compares two places, and sorts
// the marks of the records that are in memory together. Ties always go by the order of input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ml {

// A record in memory: where it lies, and what most comparisons need.
struct Mark {
  std::uint64_t first = 0;  // a prefix of the local part, or the number
  std::uint32_t offset = 0;
  std::uint32_t domain = 0;
};

// The records in memory, each ended by LF. They do not move while there are marks on them.
class Records {
 public:
  Records() = default;
  Records(const char* octets, std::size_t size) : octets_(octets), size_(size) {}
  // Without its LF; `head` octets at its front are not searched for it.
  [[nodiscard]] std::string_view at(std::size_t offset, std::size_t head) const;

 private:
  const char* octets_ = nullptr;
  std::size_t size_ = 0;
};

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
  [[nodiscard]] std::size_t memory() const;
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
  };

  // Octets at the front of a record, before its line.
  static constexpr std::size_t head = 0;

  explicit ByDomain(Within within) : within_(within) {}
  [[nodiscard]] Place place(std::string_view record) const;
  [[nodiscard]] int compare(const Place& a, const Place& b) const;

  [[nodiscard]] Mark mark(const Place& place, std::size_t offset);
  void sort(std::span<Mark> marks, const Records& records) const;
  // Of what is kept beside the marks.
  [[nodiscard]] std::size_t memory() const { return domains_.memory(); }
  void clear() { domains_.clear(); }

 private:
  Within within_;
  Domains domains_;
};

// By a number of 8 octets, big endian, in front of each line.
class ByNumber {
 public:
  struct Place {
    std::uint64_t first = 0;
  };
  static constexpr std::size_t head = 8;

  [[nodiscard]] Place place(std::string_view record) const;
  [[nodiscard]] int compare(const Place& a, const Place& b) const {
    return a.first < b.first ? -1 : a.first > b.first ? 1 : 0;
  }
  [[nodiscard]] Mark mark(const Place& place, std::size_t offset) const {
    return {place.first, static_cast<std::uint32_t>(offset), 0};
  }
  void sort(std::span<Mark> marks, const Records& records) const;
  [[nodiscard]] std::size_t memory() const { return 0; }
  void clear() {}
};

}  // namespace ml
