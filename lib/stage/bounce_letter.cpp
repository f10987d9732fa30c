#include "stage/bounce_letter.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "mail/charset.hpp"
#include "mail/date.hpp"
#include "mail/header.hpp"
#include "mail/rfc2047.hpp"
#include "mail/transfer.hpp"

namespace ml {

const std::string_view default_probe_text =
    "Subject: Does mail of {{list}} reach you?\n"
    "\n"
    "Mail of the list {{list}} to {{address}}\n"
    "has come back as if it could not be delivered.\n"
    "\n"
    "If you can read this, all is well again, and there is nothing you need do.\n"
    "If this message comes back as well, your subscription rests or ends.\n"
    "\n"
    "Questions go to {{owner}}.\n";

const std::string_view default_notice_text =
    "Subject: Subscribers of {{list}} whose mail comes back\n"
    "\n"
    "Mail of {{list}} to these subscribers came back on several days,\n"
    "and so did a message that asked whether mail reaches them:\n"
    "\n"
    "{{subscribers}}"
    "\n"
    "Who is suspended gets no mail, is asked once more after a while, and comes back\n"
    "with ml-store add --revive. Who is removed is no subscriber any more.\n";

namespace {

constexpr std::size_t largest_text = std::size_t{64} << 10;

// In one pass, so that what fills a slot is never one itself.
std::string filled(std::string_view text, const ListName& list, const LetterSlots& slots) {
  const std::array<std::pair<std::string_view, std::string>, 4> values{
      {{"{{list}}", list.text()},
       {"{{owner}}", list.address(Role::owner)},
       {"{{address}}", slots.address},
       {"{{subscribers}}", slots.subscribers}}};
  std::string result;
  while (!text.empty()) {
    const auto slot = std::ranges::find_if(
        values, [&](const auto& each) { return text.starts_with(each.first); });
    const std::size_t length = slot == values.end() ? 1 : slot->first.size();
    result.append(slot == values.end() ? text.substr(0, 1) : std::string_view(slot->second));
    text.remove_prefix(length);
  }
  return result;
}

void append_body(std::string& head, std::string_view body) {
  const bool plain = is_ascii(body);
  append_field(head, "MIME-Version", "1.0");
  append_field(head, "Content-Type", "text/plain; charset=utf-8");
  append_field(head, "Content-Transfer-Encoding", plain ? "7bit" : "quoted-printable");
  head.push_back('\n');
  if (plain) {
    head.append(body);
  } else {
    QuotedPrintable(head).add(body);
  }
}

}  // namespace

Result<std::string> letter_text(const Home& home, const std::string& file,
                                std::string_view otherwise) {
  if (file.empty()) return std::string(otherwise);
  auto text = read_file(file.starts_with('/') ? file : home.path(file), largest_text);
  if (!text) return fail(text);
  std::erase(*text, '\r');
  std::erase(*text, '\0');
  return clean_utf8(*text);
}

std::string make_letter(std::string_view text, const ListName& list, std::string_view to,
                        const LetterSlots& slots, std::chrono::system_clock::time_point now) {
  constexpr std::string_view label = "Subject:";
  std::string subject = "Mail of {{list}}";
  if (begins_nocase(text, label)) {
    const auto end = std::min(text.find('\n'), text.size());
    subject = trim(text.substr(label.size(), end - label.size()));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (text.starts_with('\n')) text.remove_prefix(1);
  }
  const std::string body = filled(text, list, slots);
  const auto hour = std::chrono::floor<std::chrono::hours>(now);
  const std::string name = base32(sha256(fmt::format("{} {} {} {}", list.text(), to,
                                                     hour.time_since_epoch().count(), body)))
                               .substr(0, 26);
  std::string letter;
  append_field(letter, "From", list.address(Role::owner));
  append_field(letter, "To", to);
  append_field(letter, "Subject", encode_text(filled(subject, list, slots), 9));
  append_field(letter, "Date", time_to_date(hour));
  append_field(letter, "Message-ID", make_message_id(name, list.domain));
  append_field(letter, "Auto-Submitted", "auto-generated");
  append_field(letter, "X-BeenThere", list.text());
  append_body(letter, body);
  return letter;
}

}  // namespace ml
