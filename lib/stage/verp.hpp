// ml-verp: a signed sender for each recipient.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {

enum class VerpSender {
  each,    // a sender of its own for each recipient
  shared,  // one for the message, to which a server's XVERP appends the recipient
};

// Gives every rcpt whose sender is `-` the bounce address that names it. A rcpt with a sender of
// its own keeps it, and nothing of a message from the null sender is changed. The list is the
// section's `list=`; without it the message's sender stands as one (news@x.org, or
// news-bounces@x.org), and the home is made if there is none.
//
// Handles are in the store, synced, before a line that carries one leaves; the lines behind it
// wait meanwhile, some megabytes at most, so that many handles share one commit.
[[nodiscard]] Result<Status> verp(Reader& in, Writer& out, const std::optional<std::string>& home,
                                  VerpSender sender);

// `recipient TAB list TAB tag` and LF: who a bounce address was made for, `-` for the recipient
// of a shared one. 65 if it was not made by this home.
[[nodiscard]] Result<std::string> decoded_verp(const std::string& address,
                                               const std::optional<std::string>& home);

}  // namespace ml
