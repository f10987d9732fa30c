#include "stage/bounce.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/diag.hpp"
#include "base/home.hpp"
#include "base/text.hpp"
#include "list/name.hpp"
#include "list/settings.hpp"
#include "mail/bounce.hpp"
#include "mail/diagnosis.hpp"
#include "mail/header.hpp"
#include "mail/message.hpp"
#include "mail/mime.hpp"
#include "mail/verp.hpp"
#include "stage/bounce_address.hpp"
#include "stage/bounce_message.hpp"
#include "store/keys.hpp"
#include "store/store.hpp"
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

// The status to mark the recipient with; nothing where the reports do not blame it. Groups that
// name it decide; where none does (it forwards), all must agree.
std::optional<std::string> blame(const std::vector<Report>& reports, const Address& recipient) {
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
  const auto counts = [](const Report* report) { return counts_against_recipient(*report); };
  if (groups.empty() || !std::ranges::all_of(groups, counts)) return std::nullopt;
  return telling_status(*groups.front());
}

std::string shown(std::string_view text) {
  return printable(text, 320);
}

std::string shown_or_dash(std::string_view text) {
  return text.empty() ? "-" : printable(text, 1000);
}

struct Rooms {
  std::optional<ListName> list;  // marks for this one only
  Keys keys;
  Store store;
};

// One bounce message.
class Bounce {
 public:
  Bounce(std::string message, const std::vector<std::string>& recipients, Rooms& rooms)
      : message_(std::move(message)), recipients_(recipients), rooms_(rooms) {}

  // Marks who is to be marked. A failure is the store's.
  Result<> judge() {
    auto origin = find_origin();
    if (!origin) return fail(origin);
    if (!*origin) return {};
    auto why_not = mark(**origin);
    if (!why_not) return fail(why_not);
    if (!why_not->empty()) log(fmt::format("nobody is marked for a bounce: {}", *why_not));
    return {};
  }

 private:
  // The first address of ours that the message may have come to.
  Result<std::optional<Origin>> find_origin() const {
    std::vector<std::string> addresses = recipients_;
    std::ranges::move(recipients_in(message_), std::back_inserter(addresses));
    std::string why = "it came to no bounce address of a recipient";
    for (const std::string& address : addresses) {
      auto origin = bounce_address_to_origin(address, rooms_.keys, rooms_.store, today());
      if (origin) return std::move(*origin);
      if (origin.error().status != Status::rejected) return fail(origin);
      if (text_to_verp(address)) why = origin.error().text;
    }
    log(fmt::format("nobody is marked for a bounce: {}", why));
    return std::optional<Origin>();
  }

  // Why nobody is marked; empty: somebody is, or was already for this message.
  Result<std::string> mark(const Origin& origin) {
    if (origin.recipient.empty()) return "its address names no recipient that we have signed";
    const auto whose = fmt::format("{} on {}", shown(origin.recipient), origin.list);
    if (!origin.fresh) return whose + ": its address is older than 21 days";
    if (rooms_.list && rooms_.list->text() != origin.list) {
      return fmt::format("{}: this runs for {}", whose, rooms_.list->text());
    }
    const auto recipient = text_to_address(origin.recipient);
    if (!recipient) return whose + ": that is no address";
    const auto reports = message_to_reports(message_);
    if (reports.empty()) return whose + ": it holds no delivery report";
    const auto status = blame(reports, *recipient);
    if (!status) {
      return fmt::format("{}: the report says {} {} ({})", whose,
                         action_to_text(reports.front().action),
                         shown_or_dash(telling_status(reports.front())),
                         bounce_class_to_text(bounce_class(reports.front())));
    }
    const auto known = rooms_.store.has_list(origin.list);
    if (!known) return fail(known);
    if (!*known) return whose + ": there is no such list here";
    const auto list = rooms_.store.list(origin.list);
    if (!list) return fail(list);
    const auto marked = rooms_.store.mark_bounce(*list, *recipient, {origin.tag, today(), *status});
    if (!marked) return fail(marked);
    return std::string();
  }

  std::string message_;
  const std::vector<std::string>& recipients_;
  Rooms& rooms_;
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

// A stream of refused recipients.
class Refusals {
 public:
  Refusals(Reader& in, Rooms& rooms) : in_(in), rooms_(rooms) {}

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
    list_.reset();
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
    auto list = rooms_.store.list(name->text());
    if (!list) return fail(list);
    list_ = *list;
    tag_ = message_tag(in_.message().id);
    return {};
  }

  Result<> mark(const RcptRecord& rcpt) {
    const auto status = refusal_status(rcpt);
    if (!status) {
      return retry("the record of {} is no refusal for good: nothing here can take it",
                   shown(rcpt.address));
    }
    const auto address = text_to_address(rcpt.address);
    if (!address) return fail(address);
    const auto marked = rooms_.store.mark_bounce(*list_, *address, {tag_, today(), *status});
    return marked ? Result<>() : fail(marked);
  }

  Reader& in_;
  Rooms& rooms_;
  std::optional<ListNumber> list_;
  std::uint32_t tag_ = 0;
};

Result<Rooms> open_rooms(const BounceOptions& options) {
  const auto home = open_home(options.home, Create::no);
  if (!home) return fail(home);
  std::optional<ListName> list;
  if (options.list) {
    auto name = find_list_name(*home, *options.list);
    if (!name) return fail(name);
    list = std::move(*name);
  }
  auto keys = load_keys(*home);
  if (!keys) return fail(keys);
  auto store = Store::open(*home, Access::write);
  if (!store) return fail(store);
  if (list) {
    if (const auto number = store->list(list->text()); !number) return fail(number);
  }
  return Rooms{std::move(list), std::move(*keys), std::move(*store)};
}

Result<Status> judge_input(int input, const BounceOptions& options) {
  auto rooms = open_rooms(options);
  if (!rooms) return fail(rooms);
  auto first = first_octets(input);
  if (!first) return fail(first);
  if (begins_stream(*first) || (!first->empty() && may_begin_stream(*first))) {
    Reader in(input, *first);
    return Refusals(in, *rooms).judge();
  }
  if (first->empty()) return retry("the input is empty: no message came");
  auto message = read_bounce(input, std::move(*first));
  if (!message) return fail(message);
  auto judged = Bounce(tamed_text(*message), options.recipients, *rooms).judge();
  return judged ? Result<Status>(Status::done) : fail(judged);
}

}  // namespace

Result<Status> bounce(int input, Writer& out, const BounceOptions& options) {
  const auto judged = judge_input(input, options);
  if (judged) {
    out.end(Status::done, {});
  } else {
    out.end(judged.error().status, judged.error().text);
  }
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  return judged;
}

}  // namespace ml
