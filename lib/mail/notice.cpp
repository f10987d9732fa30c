#include "mail/notice.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "base/text.hpp"
#include "mail/charset.hpp"
#include "mail/header.hpp"
#include "mail/html_text.hpp"
#include "mail/mentions.hpp"
#include "mail/message.hpp"
#include "mail/rfc2047.hpp"
#include "mail/verp.hpp"

namespace ml {
namespace {

// Local parts that mail servers write from, and words of their display names.
constexpr std::array daemons = std::to_array<std::string_view>({
    "mailer-daemon",
    "postmaster",
    "mail-daemon",
    "mailerdaemon",
    "mdaemon",
    "mailer_daemon",
    "mail.daemon",
    "mailsystem",
    "mail.delivery.system",
});
constexpr std::array daemon_words = std::to_array<std::string_view>({
    "mailer-daemon",
    "mail delivery system",
    "mail delivery subsystem",
    "mailer daemon",
    "mail deliver system",
    "system administrator",
    "mail system",
    "postmaster",
    "microsoft outlook",
    "mail administrator",
    "interscan",
});

constexpr std::array failing_subjects = std::to_array<std::string_view>({
    "undeliver",          "returned mail",       "mail returned",
    "delivery fail",      "delivery failure",    "failure notice",
    "failure delivery",   "failed delivery",     "failed mail",
    "mail failure",       "delivery status",     "mail delivery",
    "delivery notif",     "delivery problem",    "delivery error",
    "non-deliver",        "nondeliver",          "not deliver",
    "couldn't be deliv",  "could not be deliv",  "mail error",
    "mail system error",  "error sending",       "permanent delivery",
    "returned to sender", "returning message",   "unzustellbar",
    "nicht zugestellt",   "non remis",           "no se puede entregar",
    "non recapitabile",   "onbestelbaar",        "message status",
    "user unknown",       "unknown user",        "mail rejected",
    "rejected mail",      "loop alert",          "message rejected",
    "bounced mail",       "delivery has failed", "frozen",
    "配信できません",     "配信に失敗",          "送信できません",
    "エラーメール",
});

// How lines begin that announce the returned message, behind whatever rules them off; lower case.
constexpr std::array cuts = std::to_array<std::string_view>({
    "original message",
    "original mail",
    "original e-mail",
    "original headers",
    "the original message follows",
    "the original message headers",
    "this is a copy of",
    "below this line is a copy",
    "below this line is the original",
    "below the next line is a copy",
    "below is a copy",
    "below is the original",
    "enclosed is a copy",
    "included is a copy",
    "attached is a copy",
    "a copy of the message",
    "a copy of your message",
    "copy of your message",
    "copy of the original",
    "copy of message",
    "the header of the original",
    "the headers of the original",
    "the body of the message",
    "your original message",
    "your message follows",
    "your message begins",
    "message follows",
    "message headers follow",
    "message header follow",
    "message text follows",
    "message header:",
    "message contents follow",
    "header of the original",
    "headers of the original",
    "start of returned message",
    "returned message",
    "returned mail follows",
    "here is your returned mail",
    "unsent message",
    "undelivered message",
    "undeliverable message",
    "failed message",
    "retransmission follows",
    "old message",
    "the following is a copy",
    "first few lines of",
    "no message was collected",
});

constexpr std::array<std::string_view, 12> message_fields{
    "Received", "Return-Path",  "Message-ID",     "From",
    "To",       "Subject",      "Date",           "MIME-Version",
    "Reply-To", "Delivered-To", "DKIM-Signature", "Content-Type"};

bool contains(std::string_view text, std::string_view words) {
  return text.find(words) != std::string_view::npos;
}

std::string_view line_at(std::string_view text, std::size_t at) {
  return text.substr(at, text.find('\n', at) - at);
}

bool announces_message(std::string_view line) {
  constexpr std::string_view rules = " \t-=*_>#~|+:.";
  const std::size_t ruled = std::min(line.find_first_not_of(rules), line.size());
  const std::string_view words = line.substr(ruled);
  const bool fits =
      std::ranges::any_of(cuts, [&](auto each) { return begins_nocase(words, each); });
  if (!fits) return false;
  // A sentence may begin with the same words: only a line that is ruled off, or ends with them.
  const bool is_ruled = line.substr(0, ruled).find_first_not_of(" \t") != std::string_view::npos;
  const std::string_view whole = trim(words);
  return is_ruled || (whole.size() < 90 && (whole.ends_with(':') || whole.ends_with('.') ||
                                            whole.ends_with('-') || whole.size() < 26));
}

bool begins_field(std::string_view line) {
  const auto field = first_field(line);
  return field && std::ranges::any_of(message_fields,
                                      [&](auto name) { return same_nocase(field->name, name); });
}

// Three known fields among the lines from `at` on, with nothing else between: a header.
bool begins_header(std::string_view text, std::size_t at) {
  const std::string_view first = line_at(text, at);
  const bool tracks = begins_nocase(first, "received:") || begins_nocase(first, "return-path:") ||
                      begins_nocase(first, "message-id:") || begins_nocase(first, "from:") ||
                      begins_nocase(first, "x-") || begins_nocase(first, "date:") ||
                      begins_nocase(first, "dkim-signature:");
  if (!tracks) return false;
  std::size_t known = 0;
  std::size_t seen = 0;
  for (const Field& field : Fields(text.substr(at, 4096))) {
    if (++seen > 20) break;
    if (begins_field(field.raw)) ++known;
  }
  return known >= 3;
}

// Where the returned message or its announcement begins.
std::size_t cut_at(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view line = line_at(text, at);
    if (announces_message(line) || begins_header(text, at)) return at;
    at += line.size() + 1;
  }
  return text.size();
}

// The header block in what was cut off; servers may indent it or quote it.
std::string header_in(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view line = line_at(text, at);
    const std::size_t indent = std::min(line.find_first_not_of(" \t>|"), line.size());
    if (begins_field(line.substr(indent))) {
      if (indent == 0) return std::string(split_message(text.substr(at)).head);
      std::string block;
      for (std::size_t i = at; i < text.size(); i += line_at(text, i).size() + 1) {
        const std::string_view each = line_at(text, i);
        if (trim(each).empty()) break;
        block.append(each.substr(std::min(indent, each.size()))).push_back('\n');
      }
      return std::string(split_message(block).head);
    }
    at += line.size() + 1;
  }
  return {};
}

std::string part_to_utf8(const MimePart& part) {
  const std::string_view octets = std::string_view(part.text).substr(0, longest_notice);
  if (is_ascii(octets) && !contains(octets, "\x1b")) return std::string(octets);
  if (!part.charset.empty()) {
    if (auto text = charset_to_utf8(part.charset, octets)) return *text;
  }
  return clean_utf8(octets);
}

std::string field_text(std::string_view head, std::string_view name) {
  const auto field = find_field(head, name);
  return field ? lower(decode_words(field->value)) : std::string();
}

std::string first_mention(std::string_view text) {
  const auto found = mentions_in(text);
  return found.empty() ? std::string() : lower(found.front().address);
}

bool is_daemon(const Notice& notice, std::string_view from) {
  const std::string_view local = std::string_view(notice.from).substr(0, notice.from.find('@'));
  const auto is_local = [&](auto each) { return local == each; };
  if (!notice.from.empty() && std::ranges::any_of(daemons, is_local)) return true;
  return std::ranges::any_of(daemon_words, [&](auto each) { return contains(from, each); });
}

// "news-bounces+ann=c.org@x.org", "news-return-12-ann=c.org@x.org": as many list managers make
// their bounce addresses. Ours too, whose signature nobody has looked at here.
std::string verp_recipient(std::string_view address) {
  if (const auto ours = text_to_verp(address)) return ours->recipient;
  const std::string low = lower(address.substr(0, address.rfind('@')));
  if (!contains(low, "bounce") && !contains(low, "return")) return {};
  const auto equals = low.rfind('=');
  if (equals == std::string::npos) return {};
  const auto plus = low.rfind('+', equals);
  std::size_t begin = plus == std::string::npos ? 0 : plus + 1;
  for (std::size_t at = begin; begin == 0 && at < equals; ++at) {
    const auto digits = std::min(low.find_first_not_of("0123456789", at + 1), low.size());
    if (low[at] == '-' && digits > at + 1 && digits < equals && low[digits] == '-') {
      begin = digits + 1;
    }
  }
  if (begin == 0) return {};
  return first_mention(low.substr(begin, equals - begin) + '@' + low.substr(equals + 1));
}

std::string named_by_bounce_address(std::string_view head) {
  for (const std::string_view name : {"X-Original-To", "Delivered-To", "Envelope-To", "To"}) {
    for (const Field& field : Fields(head)) {
      if (!same_nocase(field.name, name)) continue;
      for (const Mention& mention : mentions_in(field.value)) {
        if (auto recipient = verp_recipient(mention.address); !recipient.empty()) return recipient;
      }
    }
  }
  return {};
}

// By a person, who has the message before them.
bool is_answer(std::string_view head, std::string_view subject) {
  constexpr std::array<std::string_view, 6> marks{"re:", "aw:", "sv:", "antw:", "fwd:", "fw:"};
  const bool is_marked =
      std::ranges::any_of(marks, [&](auto each) { return subject.starts_with(each); });
  return is_marked && find_field(head, "In-Reply-To") && !find_field(head, "Auto-Submitted");
}

// The plain text; where there is none, the HTML as text.
std::string words_of(std::span<const MimePart> parts, std::string& returned) {
  std::string plain;
  std::string html;
  const unsigned outermost = parts.empty() ? 0 : parts.front().messages;
  for (const MimePart& part : parts) {
    if (returned.empty() && part.messages <= outermost + 1 && part.type == "text/rfc822-headers") {
      returned = part.text;
    }
    if (part.messages != outermost || part.type == "text/rfc822-headers") continue;
    // A part that has a message's own fields is one that somebody forgot to wrap.
    if (part.depth > 0 && returned.empty() && find_field(part.head, "Received")) {
      returned = part.head;
      continue;
    }
    // A multipart whose boundary is missing is as good as text.
    if (!part.type.starts_with("text") && !part.type.starts_with("multipart/")) continue;
    std::string& to = part.type == "text/html" ? html : plain;
    if (to.size() < longest_notice) to.append(part_to_utf8(part)).append("\n\n");
  }
  if (!trim(plain).empty()) return plain;
  return html_to_text(html);
}

}  // namespace

Notice message_to_notice(std::string_view message, std::span<const MimePart> parts) {
  Notice notice;
  const std::string_view head = split_message(message).head;
  const std::string from = field_text(head, "From");
  const std::string subject = field_text(head, "Subject");
  notice.from = first_mention(from);
  notice.to = first_mention(field_text(head, "To"));
  notice.verp = named_by_bounce_address(head);
  notice.envelope = "from: " + from + "\nsubject: " + subject + "\n";
  for (const std::string_view name : {"X-Mailer", "X-MLServer"}) {
    const std::string value = field_text(head, name);
    if (!value.empty()) notice.envelope += lower(name) + ": " + value + "\n";
  }
  notice.from_daemon = is_daemon(notice, from);
  notice.subject_fails =
      std::ranges::any_of(failing_subjects, [&](auto each) { return contains(subject, each); });
  notice.is_answer = is_answer(head, subject);
  notice.text = words_of(parts, notice.returned);
  const std::size_t cut = cut_at(notice.text);
  if (notice.returned.empty())
    notice.returned = header_in(std::string_view(notice.text).substr(cut));
  notice.text.resize(std::min(cut, longest_notice));
  return notice;
}

bool is_auto_reply(std::string_view head, const Notice& notice) {
  constexpr std::array<std::string_view, 5> fields{"X-Autoreply", "X-Autorespond",
                                                   "X-AutoReply-From", "X-Auto-Response-From",
                                                   "X-Autoresponder"};
  constexpr std::array subjects = std::to_array<std::string_view>({
      "out of office",
      "out of the office",
      "auto:",
      "automatic reply",
      "auto reply",
      "autoreply",
      "auto-reply",
      "auto response",
      "autoresponse",
      "vacation",
      "away from",
      "automatische antwort",
      "abwesenheit",
      "absence",
      "absent",
      "réponse automatique",
      "respuesta automática",
      "risposta automatica",
      "resposta automática",
      "ausente",
      "fuori ufficio",
      "自動",
  });
  if (notice.from_daemon) return false;
  const std::string submitted = field_text(head, "Auto-Submitted");
  const std::string precedence = field_text(head, "Precedence");
  const std::string subject = field_text(head, "Subject");
  if (submitted.starts_with("auto-replied") || submitted.starts_with("auto-generated")) return true;
  if (precedence == "auto_reply") return true;
  if (std::ranges::any_of(fields, [&](auto name) { return find_field(head, name).has_value(); })) {
    return true;
  }
  return std::ranges::any_of(subjects, [&](auto each) { return subject.starts_with(each); });
}

}  // namespace ml
