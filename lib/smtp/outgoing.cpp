#include "smtp/outgoing.hpp"

#include <utility>

namespace ml {

void Outgoing::add_own(std::size_t offset, std::size_t size) {
  const bool goes_on = !segments_.empty() && segments_.back().foreign == nullptr &&
                       segments_.back().offset + segments_.back().size == offset;
  if (goes_on) {
    segments_.back().size += size;
  } else {
    segments_.push_back({nullptr, offset, size});
  }
  queued_ += size;
}

void Outgoing::put_foreign(std::string_view text) {
  if (text.empty()) return;
  segments_.push_back({text.data(), 0, text.size()});
  queued_ += text.size();
}

void Outgoing::keep(std::uint64_t position) {
  std::uint64_t at = written_ - first_done_;
  for (std::size_t i = first_; i < segments_.size() && at < position; ++i) {
    Segment& segment = segments_[i];
    at += segment.size;
    if (segment.foreign == nullptr) continue;
    const char* const octets = std::exchange(segment.foreign, nullptr);
    segment.offset = own_.size();
    own_.append(octets, segment.size);
  }
}

void Outgoing::forget() {
  segments_.clear();
  own_.clear();
  first_ = first_done_ = 0;
}

std::size_t Outgoing::gather(std::span<iovec> room) const {
  std::size_t count = 0;
  for (std::size_t i = first_; i < segments_.size() && count < room.size(); ++i) {
    const Segment& segment = segments_[i];
    const char* data = segment.foreign ? segment.foreign : own_.data() + segment.offset;
    const std::size_t done = i == first_ ? first_done_ : 0;
    room[count++] = {const_cast<char*>(data) + done, segment.size - done};
  }
  return count;
}

void Outgoing::wrote(std::size_t octets) {
  written_ += octets;
  first_done_ += octets;
  while (first_ < segments_.size() && first_done_ >= segments_[first_].size) {
    first_done_ -= segments_[first_++].size;
  }
  if (first_ == segments_.size()) forget();
}

}  // namespace ml
