// What a report blames: the class of a trouble, from its status and from the words of the server.
//
//   bounce_class(report)             BounceClass::mailbox
//   quoted_status("(#5.1.1)")        "5.1.1"
//
// A status that says something decides (RFC 3463 and its registry). One that says little, x.0.0,
// x.3.0, x.7.1 and their like, is given by servers for every trouble: there the words decide, and
// only if they say nothing the status.
#pragma once

#include <string>
#include <string_view>

#include "mail/dsn.hpp"

namespace ml {

enum class BounceClass {
  mailbox,  // no such mailbox, or one that takes no mail
  domain,   // no such domain, or one that takes no mail
  full,
  size,
  policy,    // the message or its sender was not wanted
  spam,      // it, or the host that sends it, passes for spam
  auth,      // SPF, DKIM or DMARC
  greylist,  // to be tried again
  relay,     // the servers and the way between them
  delayed,
  auto_reply,
  complaint,
  success,  // delivered, relayed, expanded
  unknown,
};
[[nodiscard]] std::string_view bounce_class_to_text(BounceClass kind);
[[nodiscard]] BounceClass bounce_class(const Report& report);

// What the words of a server's answer speak of; unknown where they say nothing.
[[nodiscard]] BounceClass text_to_class(std::string_view text);

// The status that counts: the report's own, or where that says nothing (x.0.0, or absent) the
// one that the diagnostic quotes. A failure without either is 5.0.0, or 4.0.0 if the diagnostic
// begins with such a code; anything else without either is empty.
[[nodiscard]] std::string telling_status(const Report& report);

// The first enhanced status that stands as a word of its own, "550 5.1.1 ..." or "(#5.1.1)"; empty
// where there is none.
[[nodiscard]] std::string quoted_status(std::string_view text);

// The first SMTP reply code for a failure, 400 to 559, that stands as a word of its own; 0: none.
[[nodiscard]] unsigned quoted_code(std::string_view text);

// True if it is the recipient's own, lasting fault: failed, and mailbox, domain or full. Of a
// mailbox that a server gave up with 4.y.z only where it was full (4.2.2, or the words), or the
// words say that it is missing: 4.2.0 and 4.2.1 are said of one that is busy, too.
[[nodiscard]] bool counts_against_recipient(const Report& report);

}  // namespace ml
