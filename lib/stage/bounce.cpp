#include "stage/bounce.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/diag.hpp"
#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "list/name.hpp"
#include "mail/bounce.hpp"
#include "mail/diagnosis.hpp"
#include "mail/header.hpp"
#include "mail/mentions.hpp"
#include "mail/message.hpp"
#include "mail/mime.hpp"
#include "mail/verp.hpp"
#include "queue/entry.hpp"
#include "stage/bounce_address.hpp"
#include "stage/bounce_message.hpp"
#include "stage/bounce_rooms.hpp"
#include "stage/bounce_steps.hpp"
#include "stream/reader.hpp"

namespace ml {
namespace {

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

// Unsigned bounces may ask for probes; no message of anybody's makes us send many.
constexpr std::size_t most_probes = 10;

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

// What is kept of a bounce, "5.1.1 mailbox".
std::string mark_text(const Report& report) {
  return telling_status(report) + ' ' + std::string(bounce_class_to_text(bounce_class(report)));
}

std::string shown(std::string_view text) {
  return printable(text, 320);
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

// A bounce of one recipient of one message, that somebody believes: what it leaves in the store
// and what follows from it.
class Marking {
 public:
  Marking(BounceRooms& rooms, BounceSteps& steps, ListName list, ListNumber number)
      : rooms_(rooms), steps_(steps), list_(std::move(list)), number_(number) {}

  // Why nobody is marked; empty: somebody is. `status` is nothing where the recipient is not to
  // blame, and its refusal speaks of the message alone.
  Result<std::string> mark(const Address& recipient, std::uint32_t tag,
                           const std::optional<std::string>& status, std::string_view said) {
    const auto probe = rooms_.store.probe(number_, recipient);
    if (!probe) return fail(probe);
    if (*probe && (*probe)->tag == tag && (*probe)->step != ProbeStep::evidence) {
      if (!status) return std::string(said);
      Probe bounced = **probe;
      bounced.bounced = true;
      if (auto put = rooms_.store.put_probe(number_, recipient, bounced); !put) return fail(put);
    } else {
      const auto bounced =
          rooms_.store.mark_bounce(number_, recipient, {tag, rooms_.day(), status.value_or("")});
      if (!bounced) return fail(bounced);
      const auto culprit = is_message_to_blame(bounced->refused, tag);
      if (!culprit) return fail(culprit);
      if (*culprit) return std::string("so many domains refuse this message that it is to blame");
      if (!status) return std::string(said);
      if (!bounced->marked) return why_unmarked(recipient);
    }
    if (auto followed = steps_.follow(list_, recipient); !followed) return fail(followed);
    return std::string();
  }

 private:
  Result<bool> is_message_to_blame(const Refused& refused, std::uint32_t tag) {
    if (refused.blamed || refused.domains < fewest_domains) return refused.blamed;
    const auto rules = steps_.rules(list_);
    if (!rules) return fail(rules);
    const auto domains = rooms_.store.domains(number_);
    if (!domains) return fail(domains);
    if (!is_culprit(refused.domains, *domains, **rules)) return false;
    const auto taken_back = rooms_.store.blame_message(number_, tag);
    if (!taken_back) return fail(taken_back);
    log(
        fmt::format("message {} of {} is refused by {} of {} domains: it is to blame, and {} marks "
                    "are taken back",
                    tag_to_text(tag), list_.text(), refused.domains, *domains, *taken_back));
    return true;
  }

  Result<std::string> why_unmarked(const Address& recipient) {
    const auto there = rooms_.store.find(number_, recipient);
    if (!there) return fail(there);
    const bool subscribed = *there && (*there)->state != State::removed;
    return std::string(subscribed ? "this message was counted before" : "no such subscriber");
  }

  BounceRooms& rooms_;
  BounceSteps& steps_;
  ListName list_;
  ListNumber number_;
};

// One bounce message.
class Bounce {
 public:
  Bounce(std::string message, const std::vector<std::string>& recipients, BounceRooms& rooms,
         BounceSteps& steps)
      : message_(std::move(message)),
        recipients_(recipients),
        rooms_(rooms),
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
      auto origin = bounce_address_to_origin(address, rooms_.keys, rooms_.store, rooms_.day());
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
      const auto name = keep_undecoded(rooms_.home, message_);
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
    if (rooms_.list && rooms_.list->text() != origin.list) {
      return because("this runs for " + rooms_.list->text());
    }
    if (reports_.empty()) return because("it reports no failure");
    const auto known = rooms_.store.has_list(origin.list);
    if (!known) return fail(known);
    if (!*known) return because("there is no such list here");
    const auto number = rooms_.store.list(origin.list);
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
    return Marking(rooms_, steps_, list, number).mark(recipient, tag, status, said);
  }

  // The address was shared by all recipients, so that nothing says who failed but the report,
  // which anybody may have written: those it names are asked by a probe.
  Result<std::string> judge_unsigned(const ListName& list, ListNumber number) {
    std::size_t sent = 0;
    for (const Report& report : reports_) {
      const auto address = text_to_address(report.address());
      if (!address || !counts_against_recipient(report) || sent == most_probes) continue;
      const auto there = rooms_.store.find(number, *address);
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
    if (auto done = rooms_.store.suppress(recipient, reason); !done) return fail(done);
    log(fmt::format("{} {}: no list mails it any more (ml-store unsuppress)",
                    shown(address_to_text(recipient)), reason));
    return std::string();
  }

  std::string message_;
  const std::vector<std::string>& recipients_;
  BounceRooms& rooms_;
  BounceSteps& steps_;
  std::vector<Report> reports_;
};

// The status to mark a refused recipient with; nothing where its record is no such refusal.
std::optional<std::string> refusal_status(const RcptRecord& rcpt) {
  constexpr std::array<std::string_view, 4> codes{"550", "551", "553", "556"};
  const auto reply = rcpt.attributes.value("reply").value_or(std::string());
  const std::string_view code = std::string_view(reply).substr(0, reply.find(' '));
  if (std::ranges::find(codes, code) == codes.end()) return std::nullopt;
  const std::string_view text = trim(std::string_view(reply).substr(code.size()));
  const auto given = rcpt.attributes.value("status");
  std::string status =
      given && leading_status(*given) == *given ? *given : leading_status(text).value_or("5.0.0");
  for (const auto& quoted : {std::optional(status), leading_status(text)}) {
    if (!quoted || *quoted == "5.0.0") continue;
    if (!quoted->starts_with("5.1.") && !quoted->starts_with("5.2.")) return std::nullopt;
  }
  return status;
}

// What the last server said of a recipient whom a queue gave up, where that was about the recipient:
// a mailbox that was full for days. Nothing where it was about the way there.
std::optional<Report> fault_of_given_up(const RcptRecord& rcpt) {
  const auto reply = rcpt.attributes.value("reply").value_or(std::string());
  const auto code = number<unsigned>(std::string_view(reply).substr(0, reply.find(' ')));
  if (!code || *code < 400 || *code > 499) return std::nullopt;
  Report report;
  report.action = Action::failed;
  report.status = leading_status(trim(std::string_view(reply).substr(3))).value_or("4.0.0");
  report.diagnostic = reply;
  return counts_against_recipient(report) ? std::optional(report) : std::nullopt;
}

// Refusals that are about the message or its sender, whatever the code.
bool blames_message(BounceClass kind) {
  return kind == BounceClass::spam || kind == BounceClass::policy || kind == BounceClass::auth ||
         kind == BounceClass::size || kind == BounceClass::greylist;
}

// A stream of refused recipients.
class Refusals {
 public:
  Refusals(Reader& in, BounceRooms& rooms, BounceSteps& steps)
      : in_(in), rooms_(rooms), steps_(steps) {}

  // The first failure, in a section or in judging it.
  Result<Status> judge() {
    Verdict verdict;
    Result<> state;
    for (;;) {
      switch (in_.next()) {
        case Record::message: state = begin(); break;
        case Record::rcpt:
          if (state) state = mark(in_.rcpt());
          break;
        case Record::end:
          verdict.add(in_.end());
          if (!state) verdict.add(state.error());
          state = {};
          break;
        case Record::none: return verdict.result();
      }
    }
  }

 private:
  Result<> begin() {
    marking_.reset();
    const auto named = in_.message().attributes.value("list");
    if (!named) {
      return retry("the message {} names no list, so nobody can be marked for it",
                   in_.message().id);
    }
    auto name = text_to_list_name(*named);
    if (!name) return fail(name);
    if (rooms_.list && *rooms_.list != *name) {
      return retry("refused recipients of {} came where those of {} are read", name->text(),
                   rooms_.list->text());
    }
    auto number = rooms_.store.list(name->text());
    if (!number) return fail(number);
    marking_.emplace(rooms_, steps_, std::move(*name), *number);
    tag_ = message_tag(in_.message().id);
    return {};
  }

  Result<> mark(const RcptRecord& rcpt) {
    if (rcpt.attributes.value("status") == "4.4.7") {
      if (const auto fault = fault_of_given_up(rcpt)) return mark(rcpt, *fault);
      log(fmt::format("nobody is marked for a delivery that was given up: {}: {}",
                      shown(rcpt.address), shown(rcpt.attributes.value("reply").value_or("-"))));
      return {};
    }
    const auto status = refusal_status(rcpt);
    if (!status) {
      return retry("the record of {} is no refusal for good: nothing here can take it",
                   shown(rcpt.address));
    }
    Report report;
    report.action = Action::failed;
    report.status = *status;
    report.diagnostic = rcpt.attributes.value("reply").value_or(std::string());
    return mark(rcpt, report);
  }

  Result<> mark(const RcptRecord& rcpt, const Report& report) {
    const auto address = text_to_address(rcpt.address);
    if (!address) return fail(address);
    const bool blames = blames_message(bounce_class(report));
    const auto why =
        marking_->mark(*address, tag_, blames ? std::nullopt : std::optional(mark_text(report)),
                       fmt::format("the relay said {}", shown(report.diagnostic)));
    if (!why) return fail(why);
    if (!why->empty()) {
      log(fmt::format("nobody is marked for a refusal: {}: {}", shown(rcpt.address), *why));
    }
    return {};
  }

  Reader& in_;
  BounceRooms& rooms_;
  BounceSteps& steps_;
  std::optional<Marking> marking_;
  std::uint32_t tag_ = 0;
};

Result<Status> judge_input(int input, const std::vector<std::string>& recipients,
                           BounceRooms& rooms, BounceSteps& steps) {
  auto first = first_octets(input);
  if (!first) return fail(first);
  if (begins_stream(*first) || (!first->empty() && may_begin_stream(*first))) {
    Reader in(input, *first);
    return Refusals(in, rooms, steps).judge();
  }
  if (first->empty()) return retry("the input is empty: no message came");
  auto message = read_bounce(input, std::move(*first));
  if (!message) return fail(message);
  auto judged = Bounce(tamed_text(*message), recipients, rooms, steps).judge();
  return judged ? Result<Status>(Status::done) : fail(judged);
}

Result<Status> sweep_lists(BounceRooms& rooms, BounceSteps& steps) {
  Verdict verdict;
  std::vector<ListName> lists;
  if (rooms.list) {
    lists.push_back(*rooms.list);
  } else {
    const auto names = rooms.store.lists();
    if (!names) return fail(names);
    for (const std::string& name : *names) {
      auto list = text_to_list_name(name);
      if (!list) return fail(list);
      lists.push_back(std::move(*list));
    }
  }
  for (const ListName& list : lists) {
    if (auto swept = steps.sweep(list); !swept) verdict.add(swept.error());
  }
  return verdict.result();
}

// Runs `work` with the rooms open, and ends the stream.
template <class Work>
Result<Status> with_rooms(Writer& out, const BounceOptions& options, const Work& work) {
  std::size_t sections = 0;
  const auto judged = [&]() -> Result<Status> {
    auto rooms = open_bounce_rooms(options.home, options.list, options.now);
    if (!rooms) return fail(rooms);
    BounceSteps steps(*rooms, out);
    auto done = work(*rooms, steps);
    sections = steps.sections();
    return done;
  }();
  if (!judged) {
    out.end(judged.error().status, judged.error().text);
  } else if (sections == 0) {
    out.end(Status::done, {});
  }
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  return judged;
}

}  // namespace

Result<Status> bounce(int input, Writer& out, const BounceOptions& options) {
  return with_rooms(out, options, [&](BounceRooms& rooms, BounceSteps& steps) {
    return judge_input(input, options.recipients, rooms, steps);
  });
}

Result<Status> bounce_sweep(Writer& out, const BounceOptions& options) {
  return with_rooms(out, options, [](BounceRooms& rooms, BounceSteps& steps) {
    return sweep_lists(rooms, steps);
  });
}

Result<Status> bounce_explain(Out& out, const std::string& subscriber,
                              const BounceOptions& options) {
  if (!options.list) return retry("--explain needs the list: ml-bounce --explain ADDRESS LIST");
  auto rooms = open_bounce_rooms(options.home, options.list, options.now);
  if (!rooms) return fail(rooms);
  const auto address = text_to_address(subscriber);
  if (!address) return fail(address);
  Writer nothing(-1);
  auto text = BounceSteps(*rooms, nothing).explain(*rooms->list, *address);
  if (!text) return fail(text);
  out.put(*text);
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  return Status::done;
}

}  // namespace ml
