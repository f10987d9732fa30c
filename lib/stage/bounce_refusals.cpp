#include "stage/bounce_refusals.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/diag.hpp"
#include "base/text.hpp"
#include "mail/bounce.hpp"
#include "mail/diagnosis.hpp"
#include "mail/verp.hpp"
#include "stage/bounce_marking.hpp"

namespace ml {
namespace {

std::string shown(std::string_view text) {
  return printable(text, 320);
}

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

// What the last server said of a recipient whom a queue gave up, where that was about the
// recipient: a mailbox that was full for days, or is missing. Nothing where it was about the way
// there, of which a domain that is not found is part: this machine's resolver may be to blame.
std::optional<Report> fault_of_given_up(const RcptRecord& rcpt) {
  const auto reply = rcpt.attributes.value("reply").value_or(std::string());
  const auto code = number<unsigned>(std::string_view(reply).substr(0, reply.find(' ')));
  if (!code || *code < 400 || *code > 499) return std::nullopt;
  Report report;
  report.action = Action::failed;
  report.status = leading_status(trim(std::string_view(reply).substr(3))).value_or("4.0.0");
  report.diagnostic = reply;
  const bool is_way = bounce_class(report) == BounceClass::domain;
  return !is_way && counts_against_recipient(report) ? std::optional(report) : std::nullopt;
}

// Refusals that are about the message or its sender, whatever the code.
bool blames_message(BounceClass kind) {
  return kind == BounceClass::spam || kind == BounceClass::policy || kind == BounceClass::auth ||
         kind == BounceClass::size || kind == BounceClass::greylist;
}

// A stream of refused recipients.
class Refusals {
 public:
  Refusals(Reader& in, BounceHome& home, BounceSteps& steps)
      : in_(in), home_(home), steps_(steps) {}

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
          if (unusable_) verdict.add(*unusable_);
          state = {};
          unusable_.reset();
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
    if (home_.list && *home_.list != *name) {
      return retry("refused recipients of {} came where those of {} are read", name->text(),
                   home_.list->text());
    }
    auto number = home_.store.list(name->text());
    if (!number) return fail(number);
    marking_.emplace(home_, steps_, std::move(*name), *number);
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
      const auto why = retry("the record of {} is no refusal for good: nothing here can take it",
                             shown(rcpt.address));
      if (!unusable_) unusable_ = why.error();
      return {};
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
  BounceHome& home_;
  BounceSteps& steps_;
  std::optional<BounceMarking> marking_;
  std::uint32_t tag_ = 0;
  std::optional<Error> unusable_;  // of the section: its first record that is no refusal
};

}  // namespace

Result<Status> judge_refusals(Reader& in, BounceHome& home, BounceSteps& steps) {
  return Refusals(in, home, steps).judge();
}

}  // namespace ml
