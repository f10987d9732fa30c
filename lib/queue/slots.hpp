// Outcomes of recipients in mapped, preallocated files: what survives a kill at the cost of a
// store to memory.
//
// A segment is a file of up to 4 MiB: 174,762 slots of 24 octets. It grows with what is asked of
// it, a message to one person costs a page. Its space is allocated before a slot of it is handed
// out, so that an outcome can always be recorded; a kill loses nothing that was stored, a power cut
// loses what was not yet synced.
//
//   octets 0-15   keyed 128-bit hash of the address
//   octets 16-19  seconds since the journal was begun, at the last change of state
//   octet  20     state: a letter of outcome.hpp, 0: the slot was never used
//   octets 21-23  check over the hash, so that a torn or foreign page counts as no record
//
// The state is stored last, in one aligned word: a slot is there whole or not at all.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace ml {

using AddressHash = std::array<std::uint64_t, 2>;

struct Slot {
  AddressHash hash;
  std::uint32_t seconds;
  std::uint32_t state_and_check;

  // The state's letter; 0 for a slot that was never used or whose check does not hold.
  [[nodiscard]] char state() const;
  void change(std::uint32_t at, char state);
};
static_assert(sizeof(Slot) == 24);

inline constexpr std::size_t segment_size = std::size_t{4} << 20;
inline constexpr std::size_t slots_a_segment = segment_size / sizeof(Slot);

// A slot's place in its journal: segment * slots_a_segment + index.
using SlotNumber = std::uint32_t;

// "slots.0003" below a journal's directory, and how many of them there are.
[[nodiscard]] std::string segment_path(const std::string& directory, std::uint32_t segment);
[[nodiscard]] std::uint32_t count_segments(const std::string& directory);

// One segment, mapped for reading and writing as long as this lives.
class Segment {
 public:
  // Makes `path`, or opens what is there.
  [[nodiscard]] static Result<Segment> open(const std::string& path);
  // From then on the first `count` slots may be used. No space, or a file-size limit below 4 MiB,
  // is 75.
  [[nodiscard]] Result<> make_room(std::size_t count);
  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&& other) noexcept;
  ~Segment();

  // Those there is room for.
  [[nodiscard]] std::span<Slot> slots() { return {slots_, room_}; }
  [[nodiscard]] const Fd& fd() const { return fd_; }
  // To be called before the file is synced: fdatasync writes back what was stored through the
  // mapping too. The kernel takes pages from our map as it writes them, each with a word to every
  // processor; so they are taken all at once, and those that are needed again come back.
  void unmap_pages();

 private:
  Segment(Fd fd, Slot* slots, std::string path)
      : fd_(std::move(fd)), slots_(slots), path_(std::move(path)) {}

  Fd fd_;
  Slot* slots_ = nullptr;
  std::size_t room_ = 0;
  std::string path_;
};

// The slots that a segment's file holds, into `slots`; gives their number.
[[nodiscard]] Result<std::size_t> read_slots(const std::string& path, std::span<Slot> slots);

}  // namespace ml
