// Room on disk for what does not fit into memory: octets appended once and read anywhere.
//
// The files have no name from the start (O_TMPFILE, else unlinked at once), so that nothing is left
// behind however the process ends. The first `memory` octets go to no file at all. Where the
// process has a file-size limit (Postfix gives its alias pipes 51.2 MB) the room is spread over
// files under 32 MiB. No file is made before the first octet. Every failure is 75 naming the
// directory.
//
//   Spill spill({"/var/tmp"});
//   if (auto kept = spill.append(text); !kept) return fail(kept);
//   if (auto read = spill.read(0, room); !read) return fail(read);
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/memory.hpp"
#include "base/result.hpp"

namespace ml {

class Spill {
 public:
  // The first of `directories` that takes a file is used. `memory`: octets that are kept in memory;
  // only what does not fit there needs a file. `block`: what is gathered before it is written.
  explicit Spill(std::vector<std::string> directories, std::size_t memory = 0,
                 std::size_t block = std::size_t{256} << 10);

  [[nodiscard]] Result<> append(std::string_view text);
  [[nodiscard]] std::uint64_t size() const { return held_ + written_ + pending_.size(); }

  // Fills `room` from position `at`; all of it must lie below size().
  [[nodiscard]] Result<> read(std::uint64_t at, std::span<char> room);

  // As many octets as `room` has, from position `at`: there, or where they are in memory.
  [[nodiscard]] Result<std::string_view> view(std::uint64_t at, std::span<char> room);
  // Those from `begin` to `end` where they are in memory, until the next append() or clear();
  // nothing where some of them are in a file.
  [[nodiscard]] std::optional<std::string_view> in_memory(std::uint64_t begin,
                                                          std::uint64_t end) const;

  // Empty again; the disk gets its room back, the memory stays.
  void clear();

 private:
  void make_memory();
  [[nodiscard]] Result<> write(std::string_view rest);
  [[nodiscard]] Result<> drain();
  [[nodiscard]] Result<> add_file();
  [[nodiscard]] Failure no_room(int code) const;

  std::vector<std::string> directories_;
  std::size_t memory_;
  std::size_t block_;
  Memory in_memory_;         // pages that are never written cost nothing
  std::size_t held_ = 0;     // octets in it; the others are in the files
  std::string directory_;    // the one in use
  std::uint64_t file_size_;  // each file but the last holds exactly this much
  std::vector<Fd> files_;
  std::uint64_t written_ = 0;
  std::string pending_;
};

}  // namespace ml
