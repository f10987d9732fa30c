// Lines out of a descriptor, fast: large blocks, memchr, no copy and no allocation a line.
//
//   Lines lines(0, "standard input", 1 << 20);
//   for (;;) {
//     auto line = lines.next();
//     if (!line) return fail(line);              // reading failed
//     if (line->kind == Line::Kind::none) break; // the end of the input
//     use(line->text);                           // valid until the next call
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/memory.hpp"
#include "base/result.hpp"

namespace ml {

struct Line {
  enum class Kind {
    whole,     // ended by LF, which is not part of `text`
    cut,       // the input ended before its LF
    too_long,  // over the limit: `text` is its first octets, the rest was read and dropped
    none,      // the end of the input; `text` is empty
  };
  Kind kind = Kind::none;
  std::string_view text;
};

class Lines {
 public:
  // Reads from `fd`, which stays the caller's. `limit`: the longest line handed out, in octets;
  // memory grows to twice the longest line met, and not past the limit and 128 KiB.
  Lines(int fd, std::string name, std::size_t limit);

  // `first` is what the caller has already read from `fd`; it is given out before the rest.
  Lines(int fd, std::string name, std::size_t limit, std::string_view first);

  // The text lives until the next call.
  [[nodiscard]] Result<Line> next();

  // The same without a detour for nearly every line: a whole one that waits in memory. False:
  // next() knows.
  [[nodiscard]] bool take(std::string_view& line) {
    if (!ready()) return false;
    return take_found(scanned_, line);
  }

  // The same for a caller who has found in pending() that a line of `size` octets and its LF stand
  // at its front.
  [[nodiscard]] bool take_found(std::size_t size, std::string_view& line) {
    if (size > limit_) return false;
    line = {block_.get() + begin_, size};
    begin_ += size + 1;
    scanned_ = 0;
    ++number_;
    return true;
  }

  // The number of the line last given out, from 1.
  [[nodiscard]] std::uint64_t number() const { return number_; }

  // True when a further whole line waits in memory: next() would not read, so cannot block.
  [[nodiscard]] bool ready() {
    const char* const begin = block_.get() + begin_;
    const void* const lf = std::memchr(begin + scanned_, '\n', end_ - begin_ - scanned_);
    scanned_ = lf ? static_cast<std::size_t>(static_cast<const char*>(lf) - begin) : end_ - begin_;
    return lf != nullptr;
  }

  // For who waits until the descriptor can be read, and must not wait in next(), where half a line
  // stands: reads once. True: next() has something to give, and does not read.
  [[nodiscard]] bool read_once();
  // What it has said, as it is now.
  [[nodiscard]] bool gives() { return ended_ || ready() || scanned_ > limit_; }

  // What was read and not yet given out; for callers that go on by octets.
  [[nodiscard]] std::string_view pending() const { return {block_.get() + begin_, end_ - begin_}; }

 private:
  [[nodiscard]] Result<bool> fill();  // false at the end of the input
  [[nodiscard]] Result<Line> skip_rest();

  int fd_;
  std::string name_;
  std::size_t limit_;
  Memory block_;
  std::size_t size_;
  std::size_t begin_ = 0;    // first octet not yet given out
  std::size_t scanned_ = 0;  // octets from begin_ known to hold no LF
  std::size_t end_ = 0;
  std::uint64_t number_ = 0;
  std::optional<Result<bool>> ended_;  // as read_once() met it
};

}  // namespace ml
