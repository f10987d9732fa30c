#include "mail/feedback.hpp"

#include <array>
#include <string>

#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/mentions.hpp"

namespace ml {
namespace {

std::string value_of(std::string_view block, std::string_view name) {
  const auto field = find_field(block, name);
  return field ? unfolded(field->value) : std::string();
}

std::string complainer(std::string_view text, std::string_view returned) {
  for (const std::string_view name :
       {"Original-Rcpt-To", "Removal-Recipient", "X-Original-Rcpt-To"}) {
    const std::string value = value_of(text, name);
    const auto mentions = mentions_in(value);
    if (!mentions.empty()) return std::string(mentions.front().address);
  }
  for (const std::string_view name : {"X-HmXmrOriginalRecipient", "To"}) {
    const std::string value = value_of(returned, name);
    const auto mentions = mentions_in(value);
    if (mentions.size() == 1) return std::string(mentions.front().address);
  }
  return {};
}

}  // namespace

std::optional<Report> text_to_complaint(std::string_view text, std::string_view returned) {
  const std::string kind = lower(value_of(text, "Feedback-Type"));
  if (kind == "auth-failure" || kind == "virus" || kind == "not-spam") return std::nullopt;
  Report report;
  report.final_recipient = complainer(text, returned);
  report.action = Action::complained;
  report.diagnostic = kind.empty() ? "complaint" : kind;
  return report;
}

}  // namespace ml
