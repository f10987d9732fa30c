// Records in the order of their keys out of records in any order, in bounded memory.
//
// What does not fit waits, in sorted runs, in files without a name (base/spill.hpp).
// Of records with the same key the one added last counts. Records that come in order already are
// written through and never sorted.
//
//   SortedRecords records(directory, std::size_t{64} << 20);
//   records.add("key", "value");
//   records.rewind();                       // after the last add; again for another round
//   for (auto more = records.next(); more && *more; more = records.next()) use(records.key());
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/spill.hpp"

namespace ml {

// Some octets of a key, that are compared as one number.
__extension__ using KeyOctets = unsigned __int128;

class SortedRecords {
 public:
  // `directory` takes the files, if any are needed. `memory`: octets, for runs and for merging.
  SortedRecords(std::string directory, std::size_t memory);

  [[nodiscard]] Result<> add(std::string_view key, std::string_view value);

  // Before the first record, of all that were added. Nothing may be added any more.
  [[nodiscard]] Result<> rewind();
  // The next one; false behind the last. Its views live until the next call.
  [[nodiscard]] Result<bool> next();
  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] std::string_view value() const { return value_; }

  [[nodiscard]] std::uint64_t added() const { return added_; }

 private:
  // A stretch of the spill that is in order, and what of it is in memory.
  struct Run {
    std::uint64_t next = 0;  // in the spill
    std::uint64_t end = 0;
    std::string buffer;
    std::size_t at = 0;    // in the buffer: the record that the run stands on
    std::string_view key;  // its key
  };
  // A record in memory, and the octets of its key that are being compared.
  struct Item {
    KeyOctets octets = 0;
    std::size_t start = 0;  // in data_
  };
  struct Stretch {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };

  [[nodiscard]] Result<> spill();
  void sort_memory();
  void sort_items(std::span<Item> items, std::size_t depth);
  [[nodiscard]] std::string_view last_key() const;
  [[nodiscard]] Result<bool> fill(Run& run);     // false: the run is at its end
  [[nodiscard]] Result<bool> advance(Run& run);  // to its next record
  [[nodiscard]] Result<bool> next_of_memory();
  [[nodiscard]] Result<bool> next_of_one();
  [[nodiscard]] Result<bool> next_of_runs();
  [[nodiscard]] bool is_before(std::size_t a, std::size_t b) const;
  void sink(std::size_t place);  // the heap's order, where only the run at `place` may break it

  std::size_t memory_;
  Spill spill_;
  std::vector<Stretch> stretches_;

  std::string data_;                // records, one behind the other
  std::size_t count_ = 0;           // of them
  std::size_t last_start_ = 0;      // of the last one
  std::vector<std::size_t> order_;  // where each begins, if they had to be sorted
  std::string last_spilt_;          // key
  bool run_in_order_ = true;        // data_ is in order, no key twice
  bool all_in_order_ = true;        // and so is everything that was ever added
  std::uint64_t added_ = 0;

  std::vector<Run> runs_;
  std::vector<std::size_t> heap_;  // of runs; the one with the smallest key in front
  std::size_t next_ = 0;           // in order_, or else in data_; of one run: how many were given
  std::string merged_;             // the current record of a merge
  std::string_view key_;
  std::string_view value_;
};

}  // namespace ml
