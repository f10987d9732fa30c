#include "mail/diagnosis.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"

namespace ml {
namespace {

// The kind of trouble that subject and detail of a status name, RFC 3463 and its registry; the
// first row that fits. Detail -1 fits any.
enum class Says { much, little };  // little: servers give it for other troubles as well
struct StatusRow {
  int subject;
  int detail;
  BounceClass kind;
  Says says;
};
constexpr std::array<StatusRow, 32> status_rows{{
    {0, -1, BounceClass::unknown, Says::little},
    {1, 0, BounceClass::mailbox, Says::little},
    {1, 2, BounceClass::domain, Says::much},
    {1, 7, BounceClass::policy, Says::much},  // of the sender's address
    {1, 8, BounceClass::policy, Says::much},
    {1, 9, BounceClass::relay, Says::much},
    {1, 10, BounceClass::domain, Says::much},  // a null MX, RFC 7505
    {1, -1, BounceClass::mailbox, Says::much},
    {2, 0, BounceClass::mailbox, Says::little},
    {2, 2, BounceClass::full, Says::much},
    {2, 3, BounceClass::size, Says::much},
    {2, 4, BounceClass::relay, Says::much},
    {2, -1, BounceClass::mailbox, Says::much},
    {3, 4, BounceClass::size, Says::much},
    {3, -1, BounceClass::relay, Says::little},
    {4, 4, BounceClass::domain, Says::little},  // unable to route: no MX and no address
    {4, 6, BounceClass::relay, Says::much},
    {4, -1, BounceClass::relay, Says::little},
    {5, -1, BounceClass::relay, Says::little},
    {6, -1, BounceClass::policy, Says::little},
    {7, 8, BounceClass::auth, Says::little},  // of the sender's password
    {7, 20, BounceClass::auth, Says::much},
    {7, 21, BounceClass::auth, Says::much},
    {7, 22, BounceClass::auth, Says::much},
    {7, 23, BounceClass::auth, Says::much},
    {7, 24, BounceClass::auth, Says::much},
    {7, 25, BounceClass::policy, Says::much},  // the host has no name
    {7, 26, BounceClass::auth, Says::much},
    {7, 27, BounceClass::policy, Says::much},
    {7, 30, BounceClass::relay, Says::much},  // wants TLS
    {7, -1, BounceClass::policy, Says::little},
    {-1, -1, BounceClass::unknown, Says::little},
}};

// Words of servers, lower case; the first row whose words stand in the text decides, so what is
// said in passing by others ("user unknown ... see our spam policy") stands further down.
// Little: they are said as well of a mailbox that is busy, or of a sender.
struct WordRow {
  std::string_view words;
  BounceClass kind;
  Says says = Says::much;
};
constexpr std::array word_rows = std::to_array<WordRow>({
    {"greylist", BounceClass::greylist},
    {"graylist", BounceClass::greylist},
    {"grey list", BounceClass::greylist},
    {"gray list", BounceClass::greylist},
    {"user unknown", BounceClass::mailbox},
    {"unknown user", BounceClass::mailbox},
    {"no such user", BounceClass::mailbox},
    {"user not found", BounceClass::mailbox},
    {"user does not exist", BounceClass::mailbox},
    {"no such mailbox", BounceClass::mailbox},
    {"no such recipient", BounceClass::mailbox},
    {"no such address", BounceClass::mailbox},
    {"no mailbox here", BounceClass::mailbox},
    {"unknown recipient", BounceClass::mailbox},
    {"recipient unknown", BounceClass::mailbox},
    {"recipient not found", BounceClass::mailbox},
    {"recipnotfound", BounceClass::mailbox},
    {"unknown local part", BounceClass::mailbox},
    {"unknown address", BounceClass::mailbox},
    {"address unknown", BounceClass::mailbox},
    {"not our customer", BounceClass::mailbox},
    {"recipient name is not recognized", BounceClass::mailbox},
    {"not listed in public name", BounceClass::mailbox},
    {"not listed in domino directory", BounceClass::mailbox},
    {"mailbox not found", BounceClass::mailbox},
    {"mailbox does not exist", BounceClass::mailbox},
    {"mailbox disabled", BounceClass::mailbox},
    {"mailbox is disabled", BounceClass::mailbox},
    {"mailbox is inactive", BounceClass::mailbox},
    {"account is disabled", BounceClass::mailbox},
    {"account disabled", BounceClass::mailbox},
    {"account has been disabled", BounceClass::mailbox},
    {"account is inactive", BounceClass::mailbox},
    {"account that you tried to reach does not exist", BounceClass::mailbox},
    {"account that you tried to reach is disabled", BounceClass::mailbox},
    {"account not available", BounceClass::mailbox},
    {"not a valid mailbox", BounceClass::mailbox},
    {"address does not exist", BounceClass::mailbox},
    {"invalid final delivery userid", BounceClass::mailbox},
    {"unrouteable address", BounceClass::mailbox},
    {"doesn't have a", BounceClass::mailbox, Says::little},
    {"mailbox full", BounceClass::full},
    {"mailbox is full", BounceClass::full},
    {"mail box full", BounceClass::full},
    {"mailfolder is full", BounceClass::full},
    {"inbox is full", BounceClass::full},
    {"overquota", BounceClass::full},
    {"over quota", BounceClass::full},
    {"over the quota", BounceClass::full},
    {"over disk quota", BounceClass::full},
    {"quota exceeded", BounceClass::full},
    {"exceeded quota", BounceClass::full},
    {"exceeding their quota", BounceClass::full},
    {"exceeded their quota", BounceClass::full},
    {"exceeded storage", BounceClass::full},
    {"quotaexceeded", BounceClass::full},
    {"exceeded the storage", BounceClass::full},
    {"out of storage", BounceClass::full},
    {"insufficient disk space", BounceClass::full, Says::little},
    {"mailbox exceeds", BounceClass::full},
    {"mailbox size limit", BounceClass::full},
    {"messages in recipient's mailbox exceeded", BounceClass::full},
    {"message size", BounceClass::size},
    {"message too large", BounceClass::size},
    {"message too big", BounceClass::size},
    {"message is too large", BounceClass::size},
    {"message larger than", BounceClass::size},
    {"size limit", BounceClass::size},
    {"exceeds maximum", BounceClass::size},
    {"dmarc", BounceClass::auth},
    {"dkim", BounceClass::auth},
    {"spf ", BounceClass::auth},
    {"spf:", BounceClass::auth},
    {"spf)", BounceClass::auth},
    {"sender policy framework", BounceClass::auth},
    {"spam", BounceClass::spam},
    {"blacklist", BounceClass::spam},
    {"black list", BounceClass::spam},
    {"blocklist", BounceClass::spam},
    {"block list", BounceClass::spam},
    {"dnsbl", BounceClass::spam},
    {"reputation", BounceClass::spam},
    {"unsolicited", BounceClass::spam},
    {"junk mail", BounceClass::spam},
    {"virus", BounceClass::policy},
    {"host unknown", BounceClass::domain},
    {"unknown host", BounceClass::domain},
    {"host not found", BounceClass::domain},
    {"domain not found", BounceClass::domain},
    {"no such domain", BounceClass::domain},
    {"unknown domain", BounceClass::domain},
    {"invalid domain", BounceClass::domain},
    {"domain does not exist", BounceClass::domain},
    {"domain name not found", BounceClass::domain},
    {"unrouteable mail domain", BounceClass::domain},
    {"nxdomain", BounceClass::domain},
    {"find any host named", BounceClass::domain},
    {"find a mail exchanger", BounceClass::domain},
    {"null mx", BounceClass::domain},
    {"does not accept mail", BounceClass::domain},
    {"relay", BounceClass::relay},
    {"timed out", BounceClass::relay},
    {"timeout", BounceClass::relay},
    {"connection refused", BounceClass::relay},
    {"network error", BounceClass::relay},
    {"unable to connect", BounceClass::relay},
    {"smtp connection", BounceClass::relay},
    {"loop", BounceClass::relay},
    {"too many hops", BounceClass::relay},
    {"does not exist", BounceClass::mailbox, Says::little},
    {"mailbox unavailable", BounceClass::mailbox, Says::little},
    {"invalid recipient", BounceClass::mailbox, Says::little},
    {"recipient address rejected", BounceClass::mailbox, Says::little},
    {"recipient rejected", BounceClass::mailbox, Says::little},
    {"policy", BounceClass::policy},
    {"access denied", BounceClass::policy},
    {"blocked", BounceClass::policy},
    {"banned", BounceClass::policy},
    {"not permitted", BounceClass::policy},
    {"not authorized", BounceClass::policy},
    {"content", BounceClass::policy},
});

const StatusRow& status_row(std::string_view status) {
  const auto fields = split(status, '.');
  const int subject = fields.size() == 3 ? number<int>(fields[1]).value_or(0) : 0;
  const int detail = fields.size() == 3 ? number<int>(fields[2]).value_or(0) : 0;
  return *std::ranges::find_if(status_rows, [&](const StatusRow& row) {
    return row.subject < 0 || (row.subject == subject && (row.detail == detail || row.detail < 0));
  });
}

// The row of the words in the text; null where there is none.
const WordRow* word_row(std::string_view text) {
  const std::string low = lower(text);
  const auto row = std::ranges::find_if(
      word_rows, [&](const WordRow& each) { return low.find(each.words) != std::string::npos; });
  return row == word_rows.end() ? nullptr : &*row;
}

// A deferral, given up, that speaks of a full or missing mailbox; not of one that is busy, locked
// or sent too much at a time, of which servers say 4.2.0 and 4.2.1.
bool deferred_for_lasting_fault(const Report& report, std::string_view status) {
  if (status.ends_with(".2.2")) return true;
  const WordRow* const row = word_row(report.diagnostic);
  return row != nullptr && row->says == Says::much &&
         (row->kind == BounceClass::mailbox || row->kind == BounceClass::full);
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  const bool before = begin == 0 || (!is_alnum(text[begin - 1]) && text[begin - 1] != '.' &&
                                     text[begin - 1] != '-' && text[begin - 1] != '@');
  const bool behind =
      end == text.size() || (!is_alnum(text[end]) && text[end] != '.' && text[end] != '@');
  return before && behind;
}

}  // namespace

std::string_view bounce_class_to_text(BounceClass kind) {
  switch (kind) {
    case BounceClass::mailbox: return "mailbox";
    case BounceClass::domain: return "domain";
    case BounceClass::full: return "full";
    case BounceClass::size: return "size";
    case BounceClass::policy: return "policy";
    case BounceClass::spam: return "spam";
    case BounceClass::auth: return "auth";
    case BounceClass::greylist: return "greylist";
    case BounceClass::relay: return "relay";
    case BounceClass::delayed: return "delayed";
    case BounceClass::auto_reply: return "auto-reply";
    case BounceClass::complaint: return "complaint";
    case BounceClass::success: return "success";
    case BounceClass::unknown: break;
  }
  return "unknown";
}

BounceClass text_to_class(std::string_view text) {
  const WordRow* const row = word_row(text);
  return row == nullptr ? BounceClass::unknown : row->kind;
}

BounceClass bounce_class(const Report& report) {
  switch (report.action) {
    case Action::delivered:
    case Action::relayed:
    case Action::expanded: return BounceClass::success;
    case Action::delayed: return BounceClass::delayed;
    case Action::replied: return BounceClass::auto_reply;
    case Action::complained: return BounceClass::complaint;
    case Action::failed:
    case Action::unknown: break;
  }
  const StatusRow& row = status_row(telling_status(report));
  if (row.says == Says::much) return row.kind;
  const BounceClass said = text_to_class(report.diagnostic);
  return said == BounceClass::unknown ? row.kind : said;
}

std::string telling_status(const Report& report) {
  const bool says_nothing = report.status.empty() || report.status.ends_with(".0.0");
  if (!says_nothing) return report.status;
  std::string quoted = quoted_status(report.diagnostic);
  if (!quoted.empty()) return quoted;
  if (!report.status.empty() || report.action != Action::failed) return report.status;
  const unsigned code = quoted_code(report.diagnostic);
  return code != 0 && code < 500 ? "4.0.0" : "5.0.0";
}

std::string quoted_status(std::string_view text) {
  for (std::size_t i = 0; (i = text.find_first_of("245", i)) != std::string_view::npos; ++i) {
    const char before = i == 0 ? ' ' : text[i - 1];
    if (is_alnum(before) || before == '.') continue;
    if (auto status = leading_status(text.substr(i))) return *status;
  }
  return {};
}

unsigned quoted_code(std::string_view text) {
  for (std::size_t i = 0; (i = text.find_first_of("45", i)) != std::string_view::npos; ++i) {
    const std::string_view digits = text.substr(i, 3);
    const auto code = digits.size() == 3 ? number<unsigned>(digits) : std::nullopt;
    if (code && *code < 560 && (*code < 460 || *code >= 500) && stands_alone(text, i, i + 3)) {
      return *code;
    }
  }
  return 0;
}

// Who says "failed" will not try again; a 4.y.z is what the last attempt met.
bool counts_against_recipient(const Report& report) {
  if (report.action != Action::failed) return false;
  const BounceClass kind = bounce_class(report);
  if (kind == BounceClass::domain) return true;
  if (kind != BounceClass::mailbox && kind != BounceClass::full) return false;
  const std::string status = telling_status(report);
  return !status.starts_with('4') || deferred_for_lasting_fault(report, status);
}

}  // namespace ml
