#include "mail/bounce.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "mail/diagnosis.hpp"
#include "mail/dialects.hpp"
#include "mail/feedback.hpp"
#include "mail/header.hpp"
#include "mail/mentions.hpp"
#include "mail/message.hpp"
#include "mail/mime.hpp"
#include "mail/notice.hpp"
#include "mail/parts.hpp"
#include "mail/ses.hpp"
#include "mail/shapes.hpp"

namespace ml {
namespace {

using Reports = std::vector<Report>;

bool is_delivery_status(std::string_view type) {
  return type == "message/delivery-status" || type == "message/global-delivery-status";
}

bool is_whole(const Report& report) {
  return report.action != Action::unknown && report.address().find('@') != std::string::npos &&
         !report.address().starts_with('@');
}

// What nearly every bounce is: a report whose groups are all in order. Nothing for any other.
Reports orderly_reports(std::string_view message) {
  const auto leaves = message_to_leaves(message);
  if (!leaves) return {};
  for (const Leaf& leaf : *leaves) {
    if (!is_delivery_status(leaf.type.name)) continue;
    const auto encoding = find_field(leaf.head, "Content-Transfer-Encoding");
    if (encoding && !same_nocase(trim(encoding->value), "7bit")) return {};
    auto reports = text_to_reports(leaf.body);
    if (!std::ranges::all_of(reports, is_whole)) return {};
    return reports;
  }
  return {};
}

// The groups of the delivery-status parts, of the outermost report where one lies in another.
Reports reports_in(const std::vector<MimePart>& parts) {
  Reports found;
  unsigned outermost = 0;
  for (const MimePart& part : parts) {
    if (!is_delivery_status(part.type)) continue;
    if (!found.empty() && part.messages > outermost) continue;
    auto reports = text_to_reports(part.text);
    if (reports.empty()) continue;
    if (found.empty() || part.messages < outermost) found.clear();
    outermost = part.messages;
    std::ranges::move(reports, std::back_inserter(found));
  }
  return found;
}

bool claims_report(std::string_view head) {
  const auto type = find_field(head, "Content-Type");
  return type && begins_nocase(unfolded(type->value), "multipart/report");
}

// What is beyond every parser of structure comes as one text.
bool is_unread(std::string_view message, const std::vector<MimePart>& parts) {
  return parts.size() == 1 && parts.front().text.size() == message.size();
}

bool says_what_happened(const Report& report) {
  return report.action != Action::unknown;
}

// A report whose boundaries are broken, or whose fields stand in plain text.
Reports reports_in_text(std::string_view text) {
  auto reports = text_to_reports(text);
  std::erase_if(reports, [](const Report& report) { return !says_what_happened(report); });
  return reports;
}

Reports reports_in_words(const Notice& notice) {
  auto reports = words_to_reports(notice).reports;
  return reports.empty() ? shape_to_reports(notice) : reports;
}

// Some servers put no address into the fields, or only the name of an account: then it is the one
// that the words name.
void repair(Reports& reports, const Notice& notice) {
  const bool whole = std::ranges::all_of(reports, is_whole);
  if (whole) return;
  const auto named = reports_in_words(notice);
  for (Report& report : reports) {
    if (is_whole(report) || named.empty()) continue;
    const std::string& written = report.address();
    const auto same = std::ranges::find_if(named, [&](const Report& each) {
      return !written.empty() && begins_nocase(each.final_recipient, written + "@");
    });
    if (same != named.end()) {
      report.original_recipient = same->final_recipient;
    } else if (reports.size() == 1 && named.size() == 1) {
      report.original_recipient = named.front().final_recipient;
    }
  }
  std::erase_if(reports, [](const Report& report) { return !is_whole(report); });
}

// X-Failed-Recipients of Exim and Google, with what the text says about them. No field after the
// first thousand recipients is looked at.
Reports reports_in_head(std::string_view head, const Notice& notice) {
  constexpr std::string_view name = "X-Failed-Recipients";
  constexpr std::size_t most_recipients = 1000;
  if (!find_field(head, name)) return {};
  const Reports said = reports_in_words(notice);
  Reports reports;
  for (const Field& field : Fields(head)) {
    if (reports.size() >= most_recipients) break;
    if (!same_nocase(field.name, name)) continue;
    for (const Mention& mention : mentions_in(field.value)) {
      const auto same = std::ranges::find_if(said, [&](const Report& each) {
        return same_nocase(each.final_recipient, mention.address);
      });
      Report report;
      if (same != said.end()) report = *same;
      report.final_recipient = mention.address;
      if (report.action == Action::unknown) {
        report.action = Action::failed;
        report.diagnostic = said.empty() ? std::string() : said.front().diagnostic;
        report.status = said.empty() ? "5.0.0" : said.front().status;
      }
      reports.push_back(std::move(report));
    }
  }
  return reports;
}

Reports complaints_in(const std::vector<MimePart>& parts, const Notice& notice) {
  for (const MimePart& part : parts) {
    if (part.type != "message/feedback-report") continue;
    const auto complaint = text_to_complaint(part.text, notice.returned);
    return complaint ? Reports{*complaint} : Reports();
  }
  // Hotmail sends the message alone, with a field of its own for who complained.
  if (find_field(notice.returned, "X-HmXmrOriginalRecipient")) {
    const auto complaint = text_to_complaint({}, notice.returned);
    if (complaint && !complaint->final_recipient.empty()) return {*complaint};
  }
  return {};
}

Reports notified_in(const std::vector<MimePart>& parts) {
  for (const MimePart& part : parts) {
    if (!part.type.starts_with("text/") && part.type != "application/json") continue;
    auto reports = text_to_ses_reports(part.text);
    if (!reports.empty()) return reports;
  }
  return {};
}

bool is_feedback(const std::vector<MimePart>& parts) {
  return std::ranges::any_of(
      parts, [](const MimePart& part) { return part.type == "message/feedback-report"; });
}

bool is_receipt(const std::vector<MimePart>& parts) {
  return std::ranges::any_of(
      parts, [](const MimePart& part) { return part.type == "message/disposition-notification"; });
}

Reports auto_reply(const Notice& notice) {
  if (notice.from.empty()) return {};
  Report report;
  report.final_recipient = notice.from;
  report.action = Action::replied;
  return {report};
}

constexpr unsigned deepest_forward = 3;
Reports reports_of(std::string_view message, unsigned depth);

// Somebody has passed on, as an attachment, the bounce that came to them.
Reports forwarded_reports(std::string_view message, unsigned depth) {
  const auto leaves = message_to_leaves(message);
  if (!leaves || depth >= deepest_forward) return {};
  for (const Leaf& leaf : *leaves) {
    if (leaf.type.name != "message/rfc822") continue;
    const auto encoding = find_field(leaf.head, "Content-Transfer-Encoding");
    const std::string inner =
        tamed_text(decoded_body(leaf.body, encoding ? unfolded(encoding->value) : std::string()));
    return reports_of(inner, depth + 1);
  }
  return {};
}

Reports disorderly_reports(std::string_view message, unsigned depth) {
  const auto parts = text_to_parts(message);
  const std::string_view head = split_message(message).head;
  const Notice notice = message_to_notice(message, parts);
  Reports reports = reports_in(parts);
  if (!reports.empty()) {
    repair(reports, notice);
    if (!reports.empty()) return reports;
  }
  reports = complaints_in(parts, notice);
  if (!reports.empty() || is_feedback(parts)) return reports;
  if (is_receipt(parts)) return auto_reply(notice);
  reports = notified_in(parts);
  if (!reports.empty()) return reports;
  reports = reports_in_head(head, notice);
  if (!reports.empty()) return reports;
  if (notice.from_daemon || notice.subject_fails) reports = reports_in_text(notice.text);
  if (reports.empty() && (claims_report(head) || is_unread(message, parts))) {
    reports = reports_in_text(message);
  }
  if (!reports.empty()) {
    repair(reports, notice);
    return reports;
  }
  // A person who writes about a bounce quotes it.
  if (notice.is_answer && !notice.from_daemon) return {};
  const bool answers = is_auto_reply(head, notice);
  if (answers && !notice.subject_fails) return auto_reply(notice);
  reports = words_to_reports(notice).reports;
  // A report that was passed on by a server that wrote its own words in front of it.
  if (reports.empty() && notice.from_daemon) {
    reports = reports_in_text(message);
    std::erase_if(reports, [](const Report& report) { return !is_whole(report); });
  }
  if (reports.empty()) reports = shape_to_reports(notice);
  if (reports.empty() && answers) return auto_reply(notice);
  if (reports.empty() && !notice.from_daemon && !notice.subject_fails) {
    reports = forwarded_reports(message, depth);
  }
  return reports;
}

Reports reports_of(std::string_view message, unsigned depth) {
  auto reports = orderly_reports(message);
  return reports.empty() ? disorderly_reports(message, depth) : reports;
}

}  // namespace

std::vector<Report> message_to_reports(std::string_view message) {
  return reports_of(message, 0);
}

}  // namespace ml
