#include "smtp/verdict.hpp"

#include <fmt/format.h>

namespace ml {
namespace {

// 5.1.7 and 5.1.8 are of the sender's address.
bool speaks_of_recipient(const EnhancedCode& enhanced) {
  const bool is_of_sender = enhanced.subject == 1 && (enhanced.detail == 7 || enhanced.detail == 8);
  return enhanced.kind == 5 && (enhanced.subject == 1 || enhanced.subject == 2) && !is_of_sender;
}

bool is_of_recipient(const Reply& reply) {
  const bool code =
      reply.code == 550 || reply.code == 551 || reply.code == 553 || reply.code == 556;
  return code && (reply.enhanced.kind == 0 || speaks_of_recipient(reply.enhanced));
}

bool is_misunderstanding(const Reply& reply) {
  return (reply.code >= 500 && reply.code <= 504) || reply.code == 555;
}

// Whatever came before it, this is the reply to the command with that recipient.
bool proves_its_place(const Reply& reply, std::string_view recipient) {
  if (reply.code != 501 && reply.code != 504 && reply.code != 555) return false;
  if (speaks_of_recipient(reply.enhanced)) return true;
  return !recipient.empty() && reply.said.find(fmt::format("<{}>", recipient)) != std::string::npos;
}

bool says_too_many(const Reply& reply) {
  return (reply.code == 451 || reply.code == 452) && reply.enhanced == EnhancedCode{4, 5, 3};
}

Meaning of_rcpt(const Reply& reply, const Circumstances& now) {
  if (is_of_recipient(reply)) return Meaning::refused;
  const bool bare = reply.code == 452 && reply.enhanced.kind == 0;
  if (now.accepted > 0 && (bare || says_too_many(reply))) return Meaning::next_transaction;
  return Meaning::left;
}

}  // namespace

Meaning classify(Step step, const Reply& reply, const Circumstances& now) {
  if (reply.code == 421) return Meaning::busy;
  if (step == Step::data ? reply.code == 354 : reply.positive()) return Meaning::positive;
  const bool is_negative = reply.transient() || reply.permanent();
  if (!is_negative || step == Step::nothing) return Meaning::fault;
  const bool is_before_mail = step <= Step::auth;
  if (is_before_mail) {
    return reply.transient() ? Meaning::busy : Meaning::relay_refuses;
  }
  if (is_misunderstanding(reply) && !now.lockstep) {
    const bool is_sure = step == Step::rcpt && proves_its_place(reply, now.recipient);
    return is_sure ? Meaning::left : Meaning::fault;
  }
  switch (step) {
    case Step::rcpt: return of_rcpt(reply, now);
    case Step::lmtp_dot: return is_of_recipient(reply) ? Meaning::refused : Meaning::left;
    case Step::mail:
      if (reply.permanent()) return Meaning::left;
      return now.messages > 0 ? Meaning::next_connection : Meaning::busy;
    case Step::data: return reply.transient() ? Meaning::busy : Meaning::left;
    case Step::reset: return Meaning::fault;
    default: return Meaning::left;
  }
}

void Fuse::delivered() {
  run_ = 0;
  ++seen_;
}

bool Fuse::failed(const Reply& reply, Meaning meaning) {
  const bool same = reply.code == code_ && reply.enhanced == enhanced_;
  code_ = reply.code;
  enhanced_ = reply.enhanced;
  run_ = same ? run_ + 1 : 1;
  if (!reply.permanent()) run_ = 0;
  ++seen_;
  if (meaning == Meaning::refused) ++refused_;
  if (blown()) return true;
  if (run_ >= longest_run) {
    why_ = fmt::format("{} recipients running got the same reply: {}", run_, reply_to_text(reply));
  } else if (seen_ <= first_recipients && refused_ * 2 >= first_recipients) {
    why_ = fmt::format("{} of the first {} recipients were refused, the last with: {}", refused_,
                       seen_, reply_to_text(reply));
  }
  return blown();
}

}  // namespace ml
