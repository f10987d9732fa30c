#include "smtp/outgoing.hpp"

#include <algorithm>
#include <utility>

namespace ml {
namespace {

// What is shorter is copied sooner than it is gathered.
constexpr std::size_t shortest_foreign = 256;

}  // namespace

void Outgoing::grow(std::size_t size) {
  own_.resize(std::max(own_size_ + size, 2 * own_.size()));
}

// What was put since the last segment is one.
void Outgoing::close() {
  if (own_size_ == closed_) return;
  segments_.emplace_back(nullptr, closed_, own_size_ - closed_);
  closed_ = own_size_;
}

void Outgoing::put_foreign(std::string_view text) {
  if (text.size() <= shortest_foreign) return put(text);
  close();
  segments_.emplace_back(text.data(), std::size_t{0}, text.size());
  queued_ += text.size();
}

void Outgoing::keep(std::uint64_t position) {
  close();
  std::uint64_t at = written_ - first_done_;
  for (std::size_t i = first_; i < segments_.size() && at < position; ++i) {
    Segment& segment = segments_[i];
    at += segment.size;
    if (segment.foreign == nullptr) continue;
    const char* const octets = std::exchange(segment.foreign, nullptr);
    segment.offset = own_size_;
    if (own_.size() - own_size_ < segment.size) grow(segment.size);
    std::memcpy(own_.data() + own_size_, octets, segment.size);
    closed_ = own_size_ += segment.size;
  }
}

void Outgoing::forget() {
  segments_.clear();
  own_size_ = closed_ = 0;
  first_ = first_done_ = 0;
}

std::size_t Outgoing::gather(std::span<iovec> room) {
  close();
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
  if (first_ == segments_.size() && own_size_ == closed_) forget();
}

}  // namespace ml
