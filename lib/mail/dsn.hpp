// Delivery reports, RFC 3464: what became of each recipient.
//
// Pure over text: text_to_reports() takes the body of a message/delivery-status part, or any text
// at all, in which it finds the same groups of fields.
//
//   for (const Report& report : text_to_reports(part.text)) {
//     report.address();  report.action;  report.status;      // ann@c.org, failed, 5.1.1
//   }
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ml {

enum class Action {
  failed,
  delayed,
  delivered,
  relayed,
  expanded,
  replied,     // not of RFC 3464: a vacation or another answer that no person wrote
  complained,  // not of RFC 3464: a feedback report, RFC 5965
  unknown
};
[[nodiscard]] std::string_view action_to_text(Action action);

// One recipient's group of fields. Foreign text: sound UTF-8 or not, controls or not.
struct Report {
  std::string final_recipient;     // without its type; empty: not given
  std::string original_recipient;  // the same
  Action action = Action::unknown;
  std::string status;      // "5.1.1" (RFC 3463), or empty
  std::string diagnostic;  // without its type: "550 5.1.1 unknown user", or empty

  // The address as the sender knew it, or else as the last server did.
  [[nodiscard]] const std::string& address() const {
    return original_recipient.empty() ? final_recipient : original_recipient;
  }
};

// The groups that name a recipient, in their order, at most 1,000. A group without an action is
// given the one that its status speaks of.
[[nodiscard]] std::vector<Report> text_to_reports(std::string_view text);

// "5.1.1" out of a text that begins with it (enhanced_code.hpp); nothing for anything else.
[[nodiscard]] std::optional<std::string> leading_status(std::string_view text);

// RFC 3461 4: "ann+2Btag" -> "ann+tag". Nothing where the text is not xtext by the letter: a `+`
// before anything but two capital hexadecimal digits, or an octet that would have to be one.
[[nodiscard]] std::optional<std::string> xtext_to_text(std::string_view text);

// RFC 6533 3: "j\x{F6}rg" -> UTF-8. Nothing where an escape is broken.
[[nodiscard]] std::optional<std::string> utf8_xtext_to_text(std::string_view text);

}  // namespace ml
