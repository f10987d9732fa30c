// The octets that wait to be written to a relay, in their order: own ones, which are copied in, and
// foreign ones, a message's, which are only pointed at where they are many; gathered for one
// writev(2).
//
//   Outgoing out;
//   out.put("RCPT TO:<", address, ">\r\n");        // copied
//   out.put_foreign(body);                          // must live until it is written, or kept
//   out.wrote(writev(socket, room, out.gather(room)));
//
// Positions count the octets ever put: what was put before queued() said N is out once written()
// is N.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ml {

class Outgoing {
 public:
  // What the texts say, one behind the other.
  template <class... Texts>
  void put(const Texts&... texts) {
    const std::size_t size = (size_of(texts) + ...);
    if (own_.size() - own_size_ < size) grow(size);
    char* at = own_.data() + own_size_;
    ((at = copied(at, texts)), ...);
    own_size_ += size;
    queued_ += size;
  }
  void put_foreign(std::string_view text);
  // What is not yet written up to this position is ours from now on.
  void keep(std::uint64_t position);
  // What is not yet written never will be.
  void forget();

  // What is to be written, at most `room.size()` pieces; valid until anything but wrote() is
  // called.
  [[nodiscard]] std::size_t gather(std::span<iovec> room);
  void wrote(std::size_t octets);

  [[nodiscard]] bool empty() const { return segments_.empty() && own_size_ == closed_; }
  [[nodiscard]] std::uint64_t queued() const { return queued_; }
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  struct Segment {
    const char* foreign = nullptr;  // or nullptr: at `offset` in own_
    std::size_t offset = 0;
    std::size_t size = 0;
  };

  // Literals have sizes that the compiler knows.
  template <std::size_t Size>
  static constexpr std::size_t size_of(const char (& /*literal*/)[Size]) {
    return Size - 1;
  }
  static std::size_t size_of(std::string_view text) { return text.size(); }
  template <std::size_t Size>
  static char* copied(char* to, const char (&literal)[Size]) {
    std::memcpy(to, literal, Size - 1);
    return to + Size - 1;
  }
  static char* copied(char* to, std::string_view text) { return to + text.copy(to, text.size()); }

  void grow(std::size_t size);
  void close();

  std::string own_;           // room, of which
  std::size_t own_size_ = 0;  // so much is used,
  std::size_t closed_ = 0;    // and so much belongs to segments
  std::vector<Segment> segments_;
  std::size_t first_ = 0;       // segment not yet written
  std::size_t first_done_ = 0;  // octets of it that were
  std::uint64_t queued_ = 0;    // octets put, ever
  std::uint64_t written_ = 0;
};

}  // namespace ml
