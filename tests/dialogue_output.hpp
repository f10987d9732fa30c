// What a dialogue writes, for tests of dialogues.
//
//   CHECK(flush(dialogue) == "QUIT\r\n");
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "smtp/dialogue.hpp"

// All that waits, as a relay whose connection takes everything would get it.
inline std::string flush(ml::Dialogue& dialogue) {
  std::string wrote;
  std::array<iovec, 8> room{};
  while (dialogue.has_output()) {
    const std::size_t before = wrote.size();
    const std::size_t count = dialogue.gather(room);
    for (std::size_t i = 0; i < count; ++i) {
      wrote.append(static_cast<const char*>(room[i].iov_base), room[i].iov_len);
    }
    dialogue.wrote(wrote.size() - before);
  }
  return wrote;
}
