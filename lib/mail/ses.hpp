// Notifications of Amazon SES: a bounce, a complaint or a delay as JSON, alone in a mail, or in a
// string of the envelope that SNS puts around it.
//
//   text_to_ses_reports(R"({"bounce":{"bouncedRecipients":[{"emailAddress":"ann@c.org",...)")
//
// Read without a parser of JSON behind it: recipients are the objects of arrays with known names,
// and every other text is passed over. Bounded by the text.
#pragma once

#include <string_view>
#include <vector>

#include "mail/dsn.hpp"

namespace ml {

// Nobody where it is no such notification. A recipient without a status has 5.0.0, or 4.0.0 where
// the bounce is called transient.
[[nodiscard]] std::vector<Report> text_to_ses_reports(std::string_view text);

}  // namespace ml
