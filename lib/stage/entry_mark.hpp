// The mark of an entry that keeps what is left of a message: ml.left= on its message line, the mark
// of the journal that has these recipients as left (queue/journal.hpp). It says that the section is
// to be sent, and to nobody whom the journal has as settled; records of the refused have none.
#pragma once

#include <string>
#include <string_view>

namespace ml {

inline constexpr std::string_view entry_mark = "ml.left";

// A message's line, which may bear the mark of another journal, without it.
[[nodiscard]] std::string without_mark(std::string_view line);

}  // namespace ml
