#include "stage/bounce_judgement.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "base/diag.hpp"
#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "mail/bounce.hpp"
#include "mail/diagnosis.hpp"
#include "mail/header.hpp"
#include "mail/mentions.hpp"
#include "mail/message.hpp"
#include "mail/verp.hpp"
#include "queue/entry.hpp"
#include "stage/bounce_address.hpp"
#include "stage/bounce_marking.hpp"

namespace ml {
namespace {

// Unsigned bounces may ask for probes; no message of anybody's makes us send many.
constexpr std::size_t most_probes = 10;

// Fields in which servers leave the address that a message came to, likeliest first.
constexpr std::array<std::string_view, 5> recipient_fields{"X-Original-To", "Delivered-To",
                                                           "Envelope-To", "X-Envelope-To", "To"};

// Every address that a field's value may hold: whatever has an @, its brackets off.
void append_addresses(std::vector<std::string>& to, std::string_view value) {
  constexpr std::string_view separators = " \t\n<>,;\"()";
  while (!value.empty()) {
    const auto begin = value.find_first_not_of(separators);
    if (begin == std::string_view::npos) return;
    value.remove_prefix(begin);
    const auto end = std::min(value.find_first_of(separators), value.size());
    if (value.substr(0, end).find('@') != std::string_view::npos) {
      to.emplace_back(value.substr(0, end));
    }
    value.remove_prefix(end);
  }
}

std::vector<std::string> recipients_in(std::string_view message) {
  std::vector<std::string> found;
  const std::string_view head = split_message(message).head;
  for (const auto name : recipient_fields) {
    for (const Field& field : Fields(head)) {
      if (same_nocase(field.name, name)) append_addresses(found, field.value);
    }
  }
  return found;
}

bool is_same_mailbox(std::string_view text, std::string_view key) {
  const auto address = text_to_address(text);
  return address && address_key(*address) == key;
}

// The groups that are about the recipient: those that name it, or where none does (it forwards)
// all of them.
std::vector<const Report*> groups_about(const std::vector<Report>& reports,
                                        const Address& recipient) {
  const std::string key = address_key(recipient);
  std::vector<const Report*> groups;
  for (const Report& report : reports) {
    if (is_same_mailbox(report.original_recipient, key) ||
        is_same_mailbox(report.final_recipient, key)) {
      groups.push_back(&report);
    }
  }
  if (groups.empty()) {
    for (const Report& report : reports) groups.push_back(&report);
  }
  return groups;
}

std::string shown_or_dash(std::string_view text) {
  return text.empty() ? "-" : printable(text, 1000);
}

bool is_complaint(const std::vector<Report>& reports) {
  return !reports.empty() && reports.front().action == Action::complained;
}

// Reports of failures that name nobody whom we have written to wait for a person; no more of them
// than a flood of forgeries should cost.
constexpr std::string_view undecoded = "undecoded";
constexpr std::size_t most_undecoded = 1000;

// Under which name it is kept; nothing where there are enough.
Result<std::optional<std::string>> keep_undecoded(const Home& home, const std::string& message) {
  const auto queue = Queue::open(home, undecoded, Create::yes);
  if (!queue) return fail(queue);
  std::size_t count = 0;
  for (const char hash : Queue::hashes) {
    const auto there = queue->places(std::string(1, hash));
    if (!there) return fail(there);
    count += there->size();
  }
  if (count >= most_undecoded) return std::nullopt;
  std::string name = 'b' + base32(sha256(message)).substr(0, 25);
  auto entry = QueueEntry::create(*queue, name);
  if (!entry) return fail(entry);
  if (auto put = write_all(entry->file(), message, queue->path(entry->draft())); !put) {
    return fail(put);
  }
  if (auto kept = entry->keep(); !kept) return fail(kept);
  return std::optional(std::move(name));
}

// One bounce message.
class Bounce {
 public:
  Bounce(std::string message, const std::vector<std::string>& recipients, BounceHome& home,
         BounceSteps& steps)
      : message_(std::move(message)),
        recipients_(recipients),
        home_(home),
        steps_(steps),
        reports_(message_to_reports(message_)) {}

  // Does what is to be done. A failure is the store's, or of writing.
  Result<> judge() {
    auto origin = find_origin();
    if (!origin) return fail(origin);
    if (!*origin) return {};
    auto why_not = judge(**origin);
    if (!why_not) return fail(why_not);
    if (!why_not->empty()) log(fmt::format("nobody is marked for a bounce: {}", *why_not));
    return {};
  }

 private:
  // Where the message may have come to, likeliest first. A complaint comes to wherever complaints
  // go, and has the sender of the message that it is about in it.
  std::vector<std::string> addresses() const {
    std::vector<std::string> addresses = recipients_;
    std::ranges::move(recipients_in(message_), std::back_inserter(addresses));
    if (!is_complaint(reports_)) return addresses;
    for (const Mention& mention : mentions_in(message_)) {
      if (text_to_verp(mention.address)) addresses.emplace_back(mention.address);
    }
    return addresses;
  }

  // The first address of ours among them.
  Result<std::optional<Origin>> find_origin() const {
    std::string why = "it came to no bounce address of a recipient";
    for (const std::string& address : addresses()) {
      auto origin = bounce_address_to_origin(address, home_.keys, home_.store, home_.day());
      if (origin) return std::move(*origin);
      if (origin.error().status != Status::rejected) return fail(origin);
      if (text_to_verp(address)) why = origin.error().text;
    }
    if (auto told = tell_of_undecoded(why); !told) return fail(told);
    return std::optional<Origin>();
  }

  Result<> tell_of_undecoded(const std::string& why) const {
    const auto failed = [](const Report& report) { return report.action == Action::failed; };
    std::string kept;
    if (std::ranges::any_of(reports_, failed)) {
      const auto name = keep_undecoded(home_.files, message_);
      if (!name) return fail(name);
      kept = *name ? fmt::format(" (kept: ml-queue show {} {})", undecoded, **name)
                   : fmt::format(" (not kept: {} are, see ml-queue list {})", most_undecoded,
                                 undecoded);
    }
    log(fmt::format("nobody is marked for a bounce: {}{}", why, kept));
    return {};
  }

  // Why nobody is marked; empty: somebody is.
  Result<std::string> judge(const Origin& origin) {
    const auto whose = fmt::format("{} on {}", shown_or_dash(origin.recipient), origin.list);
    const auto because = [&](std::string_view why) { return fmt::format("{}: {}", whose, why); };
    if (!origin.fresh) return because("its address is older than 21 days");
    if (home_.list && home_.list->text() != origin.list) {
      return because("this runs for " + home_.list->text());
    }
    if (reports_.empty()) return because("it reports no failure");
    const auto known = home_.store.has_list(origin.list);
    if (!known) return fail(known);
    if (!*known) return because("there is no such list here");
    const auto number = home_.store.list(origin.list);
    if (!number) return fail(number);
    const auto list = text_to_list_name(origin.list);
    if (!list) return fail(list);
    if (origin.recipient.empty()) return judge_unsigned(*list, *number);
    const auto recipient = text_to_address(origin.recipient);
    if (!recipient) return because("that is no address");
    if (is_complaint(reports_)) return suppress(*recipient, origin.list);
    const auto why = mark(*list, *number, *recipient, origin.tag);
    if (!why) return fail(why);
    return why->empty() ? *why : because(*why);
  }

  Result<std::string> mark(const ListName& list, ListNumber number, const Address& recipient,
                           std::uint32_t tag) {
    const auto groups = groups_about(reports_, recipient);
    const Report& first = *groups.front();
    std::string said = fmt::format("the report says {} {} ({})", action_to_text(first.action),
                                   shown_or_dash(telling_status(first)),
                                   bounce_class_to_text(bounce_class(first)));
    const auto failed = [](const Report* report) { return report->action == Action::failed; };
    if (!std::ranges::all_of(groups, failed)) return said;
    const auto counts = [](const Report* report) { return counts_against_recipient(*report); };
    std::optional<std::string> status;
    if (std::ranges::all_of(groups, counts)) status = mark_text(first);
    return BounceMarking(home_, steps_, list, number).mark(recipient, tag, status, said);
  }

  // The address was shared by all recipients, so that nothing says who failed but the report,
  // which anybody may have written: those it names are asked by a probe.
  Result<std::string> judge_unsigned(const ListName& list, ListNumber number) {
    std::size_t sent = 0;
    for (const Report& report : reports_) {
      const auto address = text_to_address(report.address());
      if (!address || !counts_against_recipient(report) || sent == most_probes) continue;
      const auto there = home_.store.find(number, *address);
      if (!there) return fail(there);
      if (!*there) continue;
      if (auto probed = steps_.probe_for_evidence(list, *address); !probed) return fail(probed);
      ++sent;
    }
    if (sent > 0) return "its address names no recipient that we have signed: a probe finds out";
    return "its address names no recipient that we have signed";
  }

  Result<std::string> suppress(const Address& recipient, const std::string& list) {
    const auto reason = fmt::format("complained about mail of {}", list);
    if (auto done = home_.store.suppress(recipient, reason); !done) return fail(done);
    log(fmt::format("{} {}: no list mails it any more (ml-store unsuppress)",
                    printable(address_to_text(recipient), 320), reason));
    return std::string();
  }

  std::string message_;
  const std::vector<std::string>& recipients_;
  BounceHome& home_;
  BounceSteps& steps_;
  std::vector<Report> reports_;
};

}  // namespace

Result<> judge_bounce(std::string message, const std::vector<std::string>& recipients,
                      BounceHome& home, BounceSteps& steps) {
  return Bounce(std::move(message), recipients, home, steps).judge();
}

}  // namespace ml
