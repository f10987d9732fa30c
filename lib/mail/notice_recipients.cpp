#include "mail/notice_recipients.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "mail/diagnosis.hpp"
#include "mail/header.hpp"
#include "mail/mentions.hpp"

namespace ml {
namespace {

constexpr std::size_t most_recipients = 1000;
constexpr std::size_t longest_diagnostic = 1000;

bool says_something(std::string_view text) {
  return !quoted_status(text).empty() || quoted_code(text) != 0 ||
         text_to_class(text) != BounceClass::unknown;
}

// In one line, without the punctuation between it and the address.
std::string flat(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t\n>:;,.\"')]-"), text.size());
  text = text.substr(begin, longest_diagnostic);
  std::string line;
  for (const auto word : words(text)) line.append(line.empty() ? "" : " ").append(word);
  return line;
}

// From the line that names a status or a code.
std::string_view telling_part(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view line = text.substr(at, text.find('\n', at) - at);
    if (!quoted_status(line).empty() || quoted_code(line) != 0) {
      return text.substr(at, text.find("\n\n", at) - at);
    }
    at += line.size() + 1;
  }
  return text;
}

std::string status_of(std::string_view diagnostic, Action action) {
  std::string status = quoted_status(diagnostic);
  if (!status.empty() && !status.starts_with('2')) return status;
  const unsigned code = quoted_code(diagnostic);
  if (code != 0) return code < 500 ? "4.0.0" : "5.0.0";
  return action == Action::delayed ? "4.0.0" : "5.0.0";
}

}  // namespace

void NoticeRecipients::add(std::string_view address, std::size_t place) {
  if (same_nocase(address, notice_.from) || found_.size() >= most_recipients) return;
  for (const Found& found : found_) {
    if (same_nocase(found.address, address)) return;
  }
  found_.push_back({std::string(address), place});
}

void NoticeRecipients::add_behind(std::size_t place) {
  const std::string_view rest = text_.substr(place, 400);
  const auto mentions = mentions_in(rest);
  if (mentions.empty()) return;
  const std::string_view between = rest.substr(0, mentions.front().begin);
  if (between.find_first_not_of(" \t\n<\"':([") != std::string_view::npos) return;
  add(mentions.front().address, place + mentions.front().end);
}

void NoticeRecipients::add_returned() {
  const auto to = find_field(notice_.returned, "To");
  if (!to) return;
  const auto mentions = mentions_in(to->value);
  if (mentions.size() == 1 && !is_bystander(mentions.front().address)) {
    add(mentions.front().address, 0);
  }
}

bool NoticeRecipients::is_bystander(std::string_view address) const {
  const std::string low = lower(address);
  const std::string_view local = std::string_view(low).substr(0, low.find('@'));
  constexpr std::array<std::string_view, 8> desks{"postmaster", "mailer-daemon", "abuse",
                                                  "helpdesk",   "support",       "webmaster",
                                                  "hostmaster", "help"};
  if (std::ranges::find(desks, local) != desks.end()) return true;
  return low == notice_.from || low == notice_.to;
}

// From where a recipient stands to the end of its paragraph, or to the next recipient.
std::string_view NoticeRecipients::said_of(std::size_t which, std::string_view until) const {
  const std::size_t begin = std::min(found_[which].place, text_.size());
  std::size_t end = std::min(text_.find(until, begin), text_.size());
  if (which + 1 < found_.size() && found_[which + 1].place > begin) {
    end = std::min(end, found_[which + 1].place);
  }
  return text_.substr(begin, end - begin);
}

std::string NoticeRecipients::diagnostic_of(std::size_t which, const std::string& of_all) const {
  const std::string_view own = said_of(which, "\n\n");
  if (says_something(own)) return flat(own);
  const std::string_view more = said_of(which, "\n\n\n\n\n\n");
  if (says_something(more)) return flat(more);
  return of_all.empty() ? flat(own) : of_all;
}

std::vector<Report> NoticeRecipients::reports(Action action) const {
  const std::string of_all = says_something(text_) ? flat(telling_part(text_)) : std::string();
  std::vector<Report> reports;
  reports.reserve(found_.size());
  for (std::size_t i = 0; i < found_.size(); ++i) {
    Report report;
    report.final_recipient = found_[i].address;
    report.action = action;
    report.diagnostic = diagnostic_of(i, of_all);
    report.status = status_of(report.diagnostic, action);
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace ml
