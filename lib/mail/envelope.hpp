// The envelope sender of a message that a mail server hands to a program.
//
// Every server says it in another place, and some of the places lie: Postfix local(8) puts `_` for
// each octet of $SENDER that a shell might notice. So the first of these that is there decides:
// option, exact environment, Return-Path, filtered environment, `From ` line.
//
//   SenderSources sources{.environment = "ann@example.org", .return_path = "<ann@example.org>"};
//   auto sender = envelope_sender(sources);        // **sender == "ann@example.org"
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

// The value of an environment variable; nothing if it is not set.
using Variable = std::function<std::optional<std::string>(const char* name)>;

// Where the mail server says in the environment whom the message is for, likeliest first, each with
// an @: RECIPIENT (Postfix, Exim, OpenSMTPD, qmail), ORIGINAL_RECIPIENT (Postfix, before aliases),
// EXT at HOST (qmail, a domain of a user's), and the address put together from its parts.
[[nodiscard]] std::vector<std::string> environment_recipients(const Variable& variable);
// $SENDER, and how exact it is.
[[nodiscard]] SenderSources environment_sender(const Variable& variable);

// The null sender is written as nothing, as <>, or as MAILER-DAEMON without an @.
[[nodiscard]] bool is_null_sender(std::string_view text);

}  // namespace ml
