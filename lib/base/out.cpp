#include "base/out.hpp"

#include <fcntl.h>

#include <utility>

#include "base/fd.hpp"

namespace ml {

Out::Out(int fd, std::string name) : fd_(fd), name_(std::move(name)) {
  buffer_.reserve(flush_at + (flush_at >> 2));
}

// Where much is to be written, a wider pipe lets both its ends work at once. More than this would
// eat what a user may have of such room.
void Out::widen() {
  constexpr int width = 256 << 10;
  if (!wide_) fcntl(fd_, F_SETPIPE_SZ, width);  // no pipe, or no more for this user: as it is
  wide_ = true;
}

void Out::drain() {
  if (buffer_.size() >= flush_at) widen();
  if (state_) state_ = write_all(fd_, buffer_, name_);
  buffer_.clear();
}

// From where it stands.
void Out::put_large(std::string_view text) {
  drain();
  widen();
  if (state_) state_ = write_all(fd_, text, name_);
}

Result<> Out::flush() {
  drain();
  return state_;
}

}  // namespace ml
