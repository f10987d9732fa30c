// The octets that wait to be written to a relay, in their order: own ones, which are copied in, and
// foreign ones, a message's, which are only pointed at; gathered for one writev(2).
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
    put_views(view_of(texts)...);
  }
  void put_foreign(std::string_view text);
  // What is not yet written up to this position is ours from now on.
  void keep(std::uint64_t position);
  // What is not yet written never will be.
  void forget();

  // What is to be written, at most `room.size()` pieces; valid until anything but wrote() is called.
  [[nodiscard]] std::size_t gather(std::span<iovec> room) const;
  void wrote(std::size_t octets);

  [[nodiscard]] bool empty() const { return segments_.empty(); }
  [[nodiscard]] std::uint64_t queued() const { return queued_; }
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  struct Segment {
    const char* foreign = nullptr;  // or nullptr: at `offset` in own_
    std::size_t offset = 0;
    std::size_t size = 0;
  };

  static constexpr std::string_view view_of(std::string_view text) { return text; }
  template <std::size_t Size>
  static constexpr std::string_view view_of(const char (&literal)[Size]) {
    return {literal, Size - 1};
  }

  template <class... Views>
  void put_views(const Views&... views) {
    const std::size_t offset = own_.size();
    const std::size_t size = (views.size() + ...);
    // libstdc++ 12 hands the capacity in where it should be the size.
    own_.resize_and_overwrite(offset + size, [&](char* room, std::size_t /*size*/) {
      char* at = room + offset;
      ((at += views.copy(at, views.size())), ...);
      return offset + size;
    });
    add_own(offset, size);
  }
  void add_own(std::size_t offset, std::size_t size);

  std::string own_;
  std::vector<Segment> segments_;
  std::size_t first_ = 0;       // segment not yet written
  std::size_t first_done_ = 0;  // octets of it that were
  std::uint64_t queued_ = 0;    // octets put, ever
  std::uint64_t written_ = 0;
};

}  // namespace ml
