// What an earlier run recorded of each recipient, in flat memory whatever their number.
//
// A retry mostly brings the same recipients in the same order, so the recorded slots are walked
// along with the stream through a window of 65,536. The first recipient that the window cannot
// answer for makes an index: all slots sorted by hash in unlinked files of at most 24 MiB, asked
// by a few reads a recipient. The whole hash decides, never its position and never a part of it:
// a false hit would lose a recipient.
//
//   auto recall = Recall::open(directory, 3);
//   auto found = recall->find(hash);          // *found: nothing recorded, or slot and state
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "queue/slots.hpp"

namespace ml {

class Recall {
 public:
  static constexpr std::size_t default_window = 65'536;

  struct Found {
    SlotNumber number;
    char state;
  };

  // Nothing recorded.
  Recall() = default;
  // `directory` holds the segments 0 to `segments` - 1 (segment_path).
  [[nodiscard]] static Result<Recall> open(std::string directory, std::uint32_t segments,
                                           std::size_t window = default_window);

  // What was recorded for this address when open() was called, once. An address recorded twice,
  // because the stream had it twice, is found twice, with either record.
  [[nodiscard]] Result<std::optional<Found>> find(const AddressHash& hash);

  [[nodiscard]] std::uint64_t recorded() const { return recorded_; }
  // Everybody recorded was found: nobody else will be.
  [[nodiscard]] bool all_met() const { return unmet_ == 0; }
  // Whether find() has given this one out.
  [[nodiscard]] bool is_met(SlotNumber number) const { return found_[number]; }
  // How many slots are in use, the unused ones in the middle counted: where new ones go.
  [[nodiscard]] SlotNumber used() const { return used_; }

 private:
  struct HashOfHash {
    std::size_t operator()(const AddressHash& hash) const { return hash[0]; }
  };
  struct Entry {
    AddressHash hash;
    SlotNumber number;
    std::uint32_t state;
  };
  static constexpr std::size_t buckets = 4096;
  static constexpr std::size_t block_entries = 64;
  // Entries of the index in a row.
  struct Block {
    std::array<Entry, block_entries> room;
    std::uint64_t begin = 0;
    std::size_t count = 0;
    [[nodiscard]] std::span<const Entry> entries() const { return {room.data(), count}; }
  };
  struct Index {
    std::vector<Fd> files;
    std::vector<std::uint64_t> begins;  // of each bucket, in entries; one more for the end
  };

  [[nodiscard]] Result<> load_segment(std::uint32_t segment);
  [[nodiscard]] Result<> fill_window();
  [[nodiscard]] Result<> make_index();
  [[nodiscard]] Result<> scatter();
  [[nodiscard]] Result<> sort_bucket(std::size_t bucket);
  enum class Way { read, write };
  [[nodiscard]] Result<> transfer_entries(Way way, std::uint64_t at, std::span<Entry> entries);
  [[nodiscard]] Result<> read_block(Block& block, std::uint64_t begin, std::uint64_t end);
  [[nodiscard]] Result<std::uint64_t> place_of(const AddressHash& hash, Block& block);
  [[nodiscard]] Result<std::optional<Found>> look_up(const AddressHash& hash);
  void note_found(SlotNumber number);

  std::string directory_;
  std::uint32_t segments_ = 0;
  std::size_t window_size_ = default_window;
  std::uint64_t recorded_ = 0;
  std::uint64_t unmet_ = 0;  // recorded and not yet found
  SlotNumber used_ = 0;
  SlotNumber next_ = 0;  // the first slot that is not yet in the window
  std::vector<Slot> segment_;
  std::uint32_t loaded_ = UINT32_MAX;
  std::unordered_multimap<AddressHash, Found, HashOfHash> window_;
  std::vector<bool> found_;  // by slot: a bit for each is flat enough
  std::optional<Index> index_;
};

}  // namespace ml
