#include "stage/bounce_message.hpp"

#include <array>
#include <utility>

#include "base/fd.hpp"
#include "mail/mime.hpp"

namespace ml {

Result<std::string> read_bounce(int input, std::string begun) {
  std::array<char, std::size_t{64} << 10> room;
  for (;;) {
    auto got = read_some(input, room, "standard input");
    if (!got) return fail(got);
    if (*got == 0) return begun;
    if (begun.size() < longest_mime_text) begun.append(room.data(), *got);
  }
}

}  // namespace ml
