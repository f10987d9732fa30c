#include "stage/sorter.hpp"

namespace ml {

RunReader::RunReader(Spill& spill, Run run, std::size_t block, std::size_t head)
    : spill_(&spill), run_(run), head_(head), size_(block) {
  if (const auto held = spill.in_memory(run.begin, run.end)) {
    at_ = held->data();
    end_ = at_ + held->size();
    run_.begin = run_.end;
  }
}

Result<bool> RunReader::next() {
  for (;;) {
    if (take()) return true;
    if (run_.begin == run_.end) return false;
    if (auto filled = fill(); !filled) return fail(filled);
  }
}

Result<> RunReader::fill() {
  const auto held = static_cast<std::size_t>(end_ - at_);
  const bool too_long = held == size_;  // for the block
  if (too_long) size_ *= 2;
  if (!block_ || too_long) {
    auto larger = std::make_unique_for_overwrite<char[]>(size_);
    if (held > 0) std::memcpy(larger.get(), at_, held);
    block_ = std::move(larger);
  } else {
    std::memmove(block_.get(), at_, held);
  }
  const std::size_t more = std::min<std::uint64_t>(size_ - held, run_.end - run_.begin);
  at_ = end_ = block_.get();
  if (auto got = spill_->read(run_.begin, {block_.get() + held, more}); !got) return fail(got);
  run_.begin += more;
  end_ += held + more;
  return {};
}

}  // namespace ml
