#include "base/out.hpp"

#include <utility>

#include "base/fd.hpp"

namespace ml {

Out::Out(int fd, std::string name) : fd_(fd), name_(std::move(name)) {
  buffer_.reserve(flush_at + (flush_at >> 2));
}

void Out::drain() {
  if (state_) state_ = write_all(fd_, buffer_, name_);
  buffer_.clear();
}

Result<> Out::flush() {
  drain();
  return state_;
}

}  // namespace ml
