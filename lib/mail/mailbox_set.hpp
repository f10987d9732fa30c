// Mailboxes met before, so that nobody gets a message twice. Compared as address_key compares.
//
// What is kept of each is a keyed hash of 128 bits: two mailboxes are never taken for one by
// accident (at ten million the odds are below 10^-24), nor by design. Memory: at most 32 octets
// a mailbox, and a few kilobytes.
//
//   MailboxSet seen;
//   if (seen.insert("Ann", "example.org")) ...first time...
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"

namespace ml {

class MailboxSet {
 public:
  MailboxSet();

  // True if it was not there. `domain` as in Address: A-labels in lower case.
  bool insert(std::string_view local, std::string_view domain);
  [[nodiscard]] bool contains(std::string_view local, std::string_view domain);
  [[nodiscard]] std::size_t size() const { return size_; }
  void clear();

 private:
  using Hash = std::array<std::uint64_t, 2>;  // never both 0: that is a free place
  // Small tables that grow one at a time: the set is never there twice.
  struct Shard {
    std::vector<Hash> places;
    std::size_t used = 0;
  };

  [[nodiscard]] Hash hash(std::string_view local, std::string_view domain);
  [[nodiscard]] static Hash& place(Shard& shard, const Hash& hash);
  static void grow(Shard& shard);

  SipKey key_{};
  std::array<Shard, 256> shards_;
  std::size_t size_ = 0;
  std::string text_;
};

}  // namespace ml
