#include "stage/sorter.hpp"

namespace ml {

Result<bool> RunReader::next() {
  if (!block_) block_ = std::make_unique_for_overwrite<char[]>(size_);
  for (;;) {
    const char* const begin = block_.get() + begin_;
    const std::size_t held = end_ - begin_;
    const void* const lf = held > head_ ? std::memchr(begin + head_, '\n', held - head_) : nullptr;
    if (lf) {
      record_ = {begin, static_cast<std::size_t>(static_cast<const char*>(lf) - begin)};
      begin_ += record_.size() + 1;
      return true;
    }
    if (run_.begin == run_.end) return false;
    if (auto filled = fill(); !filled) return fail(filled);
  }
}

Result<> RunReader::fill() {
  const std::size_t held = end_ - begin_;
  if (held == size_) {
    auto larger = std::make_unique_for_overwrite<char[]>(size_ * 2);
    std::memcpy(larger.get(), block_.get() + begin_, held);
    block_ = std::move(larger);
    size_ *= 2;
  } else if (begin_ > 0) {
    std::memmove(block_.get(), block_.get() + begin_, held);
  }
  begin_ = 0;
  end_ = held;
  const std::size_t more = std::min<std::uint64_t>(size_ - held, run_.end - run_.begin);
  if (auto got = spill_->read(run_.begin, {block_.get() + held, more}); !got) return fail(got);
  run_.begin += more;
  end_ += more;
  return {};
}

}  // namespace ml
