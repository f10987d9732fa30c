// The envelope sender of a message that a mail server hands to a program.
//
// Every server says it in another place, and some of the places lie: Postfix local(8) puts `_` for
// each octet of $SENDER that a shell might notice. So the first of these that is there decides:
// option, exact environment, Return-Path, filtered environment, `From ` line.
//
//   SenderSources sources{.environment = "ann@example.org", .return_path = "<ann@example.org>"};
//   auto sender = envelope_sender(sources);        // **sender == "ann@example.org"
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ml {

enum class Exactness { exact, filtered };

// Each as it stood, nothing where it was not there.
struct SenderSources {
  std::optional<std::string> option = {};
  std::optional<std::string> environment = {};  // $SENDER
  Exactness exactness = Exactness::exact;       // of the environment
  std::optional<std::string> return_path = {};
  std::optional<std::string> from_line = {};
};

inline constexpr std::string_view null_sender = "<>";

// The sender in our spelling, null_sender, or nothing where nobody says it. An option that is no
// address is 65 (`5.1.7 ...`); of the others, what is none is as if it were not there.
[[nodiscard]] Result<std::optional<std::string>> envelope_sender(const SenderSources& sources);

// The null sender is written as nothing, as <>, or as MAILER-DAEMON without an @.
[[nodiscard]] bool is_null_sender(std::string_view text);

}  // namespace ml
