// The messages of a mailbox, one after another: for working off bounces that have piled up.
//
//   each_of_mbox(fd, "old.mbox", [&](std::string_view which, std::string&& octets) {...});
//
// A message is handed out as far as longest_mime_text octets; what lies behind that is passed over.
// No more than one is ever in memory, and neither kind of mailbox is locked or changed.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ml {

// `which` names the message for a person: its number in an mbox, its path in a Maildir. A failure
// ends the reading and is the caller's.
using BacklogCall = std::function<Result<>(std::string_view which, std::string&& octets)>;

// RFC 4155, with LF or CRLF line ends. A message begins at a line "From SENDER DATE" that is the
// first of all or stands behind an empty one; mboxrd's ">From " lines lose one ">".
[[nodiscard]] Result<> each_of_mbox(int fd, std::string_view name, const BacklogCall& call);

// `new` and `cur` below the directory, in the order of their names, which is that of arrival. A
// file that is gone before it is opened was moved by somebody else and is passed over.
[[nodiscard]] Result<> each_of_maildir(const std::string& directory, const BacklogCall& call);

}  // namespace ml
