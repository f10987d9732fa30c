#include "base/lines.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/fd.hpp"

namespace ml {
namespace {

constexpr std::size_t block_size = std::size_t{128} << 10;
constexpr std::size_t largest_kept = std::size_t{4} << 20;
constexpr std::size_t most_read = std::size_t{1} << 20;

}  // namespace

Lines::Lines(int fd, std::string name, std::size_t limit)
    : Lines(fd, std::move(name), limit, std::string_view()) {}

Lines::Lines(int fd, std::string name, std::size_t limit, std::string_view first)
    : fd_(fd),
      name_(std::move(name)),
      limit_(limit),
      size_(std::max(block_size, first.size())),
      end_(first.size()) {
  resize(block_, size_);
  if (!first.empty()) std::memcpy(block_.get(), first.data(), first.size());
}

Result<Line> Lines::next() {
  for (;;) {
    std::string_view line;
    if (take(line)) return Line{Line::Kind::whole, line};
    if (scanned_ > limit_) return skip_rest();
    const std::size_t held = scanned_;
    auto more = ended_ ? *ended_ : fill();
    if (!more) return fail(more);
    if (*more) continue;
    if (held == 0) return Line{};
    const char* const start = block_.get() + begin_;
    begin_ = end_;
    scanned_ = 0;
    ++number_;
    return Line{Line::Kind::cut, {start, held}};
  }
}

bool Lines::read_once() {
  if (!ended_) {
    auto more = fill();
    if (!more || !*more) ended_ = std::move(more);
  }
  return gives();
}

// Reads on to the line's LF, keeping only its first octets.
Result<Line> Lines::skip_rest() {
  const std::string_view head = pending().substr(0, std::min<std::size_t>(limit_, 80));
  std::memmove(block_.get(), head.data(), head.size());
  const std::size_t kept = head.size();
  std::string_view rest = pending();
  ++number_;
  scanned_ = 0;
  for (;;) {
    if (const auto lf = rest.find('\n'); lf != std::string_view::npos) {
      begin_ = static_cast<std::size_t>(rest.data() - block_.get()) + lf + 1;
      return Line{Line::Kind::too_long, {block_.get(), kept}};
    }
    auto got = read_some(fd_, std::span(block_.get() + kept, size_ - kept), name_);
    if (!got) return fail(got);
    begin_ = kept;
    end_ = kept + *got;
    if (*got == 0) return Line{Line::Kind::too_long, {block_.get(), kept}};
    rest = pending();
  }
}

Result<bool> Lines::fill() {
  const std::size_t held = end_ - begin_;
  if (begin_ > 0) std::memmove(block_.get(), block_.get() + begin_, held);
  const bool is_long_one_gone = size_ > largest_kept && held <= block_size / 2;
  if (held == size_ || is_long_one_gone) {
    size_ = is_long_one_gone ? block_size : std::min(size_ * 2, limit_ + block_size);
    resize(block_, size_);
  }
  begin_ = 0;
  end_ = held;
  const std::size_t room = std::min(size_ - end_, most_read);
  auto got = read_some(fd_, std::span(block_.get() + end_, room), name_);
  if (!got) return fail(got);
  end_ += *got;
  return *got > 0;
}

}  // namespace ml
