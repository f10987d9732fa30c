// Buffered output to a descriptor, with every write checked.
//
// A failed write is remembered: later puts do nothing and flush() reports it, so that a filter
// writes freely and looks once. What is in the buffer at destruction is not written: call flush.
//
//   Out out(1, "standard output");
//   out.put("end\t0\n");
//   if (auto done = out.flush(); !done) return fail(done);
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ml {

class Out {
 public:
  Out(int fd, std::string name);

  void put(std::string_view text) {
    if (text.size() >= flush_at) return put_large(text);
    buffer_.append(text);
    settle();
  }
  void put(char octet) { buffer_.push_back(octet); }

  // With its LF. (What resize_and_overwrite() says is the size may be more in libstdc++ 12.)
  void put_line(std::string_view line) {
    const std::size_t before = buffer_.size();
    const std::size_t size = before + line.size() + 1;
    buffer_.resize_and_overwrite(size, [&](char* all, std::size_t) {
      line.copy(all + before, line.size());
      all[size - 1] = '\n';
      return size;
    });
    settle();
  }

  // Room to append to directly; call settle() after each record put there.
  [[nodiscard]] std::string& buffer() { return buffer_; }
  void settle() {
    if (buffer_.size() >= flush_at) drain();
  }

  [[nodiscard]] bool failed() const { return !state_; }
  [[nodiscard]] Result<> flush();

 private:
  static constexpr std::size_t flush_at = std::size_t{128} << 10;
  void drain();
  void put_large(std::string_view text);
  void widen();

  int fd_;
  std::string name_;
  std::string buffer_;
  Result<> state_;
  bool wide_ = false;
};

}  // namespace ml
