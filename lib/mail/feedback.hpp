// Feedback reports, RFC 5965: somebody who took our message for spam said so.
//
//   const auto complaint = text_to_complaint(part.text, returned_header);
//   complaint->action == Action::complained; complaint->address();     // ann@c.org
#pragma once

#include <optional>
#include <string_view>

#include "mail/dsn.hpp"

namespace ml {

// `text` is the body of a message/feedback-report part, `returned` the header of the message that
// it is about. The one who complained: Original-Rcpt-To, or else Removal-Recipient, or else the
// only recipient of the message; empty where that is kept back, as RFC 6590 has it: then only the
// signed sender of the message tells. Nothing where the report is not of a complaint but of
// authentication (RFC 6591) or of a virus.
[[nodiscard]] std::optional<Report> text_to_complaint(std::string_view text,
                                                      std::string_view returned);

}  // namespace ml
