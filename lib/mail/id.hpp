// The id of a message: the same for the same post delivered again, another for any other.
//
// 26 base32 characters of SHA-256 over `scope` (the list's posting address, or the sender of an
// ad-hoc send) and, in the order of the message, From, Sender, Reply-To, To, Cc, Date,
// Message-ID, Subject, References, In-Reply-To, Resent-*, MIME-Version and Content-*, unfolded;
// then the body without blank lines at its end. A message without a Message-ID adds its topmost
// Received. Envelope, trace, DKIM, ARC and List-* fields do not count: a server's second attempt
// has others.
//
// Who knows the Message-ID of a post cannot make another post that takes its id.
//
//   message_id_of('r', "news@lists.example.org", message)  ->  "rmq3...", 27 characters
#pragma once

#include <string>
#include <string_view>

namespace ml {

// `prefix`: 'r' for ml-receive, 'x' for ml-expand. `message` has LF line ends.
[[nodiscard]] std::string message_id_of(char prefix, std::string_view scope,
                                        std::string_view message);
// An id that message_id_of() made with one of these prefixes ("rx"): it says which message this is.
[[nodiscard]] bool is_message_id(std::string_view id, std::string_view prefixes);

}  // namespace ml
