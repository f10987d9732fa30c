// A word as a shell's command line has it: as it is where a shell would leave it alone, else
// between quotes. For the commands that we tell people to run.
//
//   text_to_shell_word("news@x.org")      news@x.org
//   text_to_shell_word("my left")         'my left'
//   text_to_shell_word("o'neil")          'o'\''neil'
#pragma once

#include <string>
#include <string_view>

namespace ml {

[[nodiscard]] std::string text_to_shell_word(std::string_view text);

}  // namespace ml
