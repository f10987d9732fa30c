#include "smtp/dialogue.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t mail_step = 1;
constexpr std::size_t first_rcpt_step = 2;

}  // namespace

Dialogue::Dialogue(Manner manner, Outcomes& outcomes)
    : manner_(std::move(manner)), outcomes_(outcomes) {}

bool Dialogue::wants() const {
  return phase_ == Phase::ready && !over() && !group_.open && !finishing_ && !full_ &&
         offered_ < manner_.messages;
}

void Dialogue::give(Transaction& transaction) {
  std::swap(group_.transaction, transaction);
  transaction.recipients.clear();
  if (settle_unable(group_.transaction)) return;
  ++offered_;
  group_.answers.assign(group_.transaction.recipients.size(), Answer::waiting);
  group_.accepted = 0;
  group_.sent = group_.answered = needs_reset_ ? 0 : mail_step;
  group_.open = true;
  group_.mail_taken = false;
  group_.pipelined = pipelining_ && offered_ > manner_.lockstep_messages;
  needs_reset_ = false;
  // Without pipelining a command waits for the reply to the one before, and a dot is one.
  if (group_.pipelined || sent_.due == 0) write_steps();
}

// True if nothing of it can be asked of this relay.
bool Dialogue::settle_unable(const Transaction& transaction) {
  const auto settle_all = [&](const Reply& reply) {
    for (const Recipient& recipient : transaction.recipients) {
      outcomes_.settled(recipient.id, Fate::left, reply);
    }
    return true;
  };
  const WireMessage& message = *transaction.message;
  if (transaction.needs_smtputf8 && !smtputf8_) {
    return settle_all(local_reply(553, {5, 6, 7}, "the relay knows no SMTPUTF8"));
  }
  if (message.has_8bit && !eight_bit_) {
    return settle_all(local_reply(554, {5, 6, 3}, "the relay knows no 8BITMIME"));
  }
  if (size_limit_ > 0 && message.size > size_limit_) {
    return settle_all(local_reply(
        552, {5, 3, 4}, fmt::format("the relay takes messages up to {} octets", size_limit_)));
  }
  return transaction.recipients.empty();
}

void Dialogue::finish() {
  finishing_ = true;
  say_goodbye_if_done();
}

// ---- what is to be written

std::size_t Dialogue::gather(std::span<iovec> room) const {
  std::size_t count = 0;
  for (std::size_t i = first_; i < segments_.size() && count < room.size(); ++i) {
    const Segment& segment = segments_[i];
    const char* data = segment.foreign ? segment.foreign : own_.data() + segment.offset;
    const std::size_t done = i == first_ ? first_done_ : 0;
    room[count++] = {const_cast<char*>(data) + done, segment.size - done};
  }
  return count;
}

void Dialogue::wrote(std::size_t octets) {
  written_ += octets;
  first_done_ += octets;
  while (first_ < segments_.size() && first_done_ >= segments_[first_].size) {
    first_done_ -= segments_[first_++].size;
  }
  if (first_ < segments_.size()) return;
  segments_.clear();
  own_.clear();
  first_ = first_done_ = 0;
}

void Dialogue::put(std::string_view text) {
  if (!segments_.empty() && segments_.back().foreign == nullptr) {
    segments_.back().size += text.size();
  } else {
    segments_.push_back({nullptr, own_.size(), text.size()});
  }
  own_.append(text);
  queued_ += text.size();
}

void Dialogue::put_foreign(std::string_view text) {
  if (text.empty()) return;
  segments_.push_back({text.data(), 0, text.size()});
  queued_ += text.size();
}

void Dialogue::write_steps() {
  const std::size_t last = group_.pipelined ? group_.data_step() : group_.answered;
  while (group_.sent <= last && group_.sent <= group_.data_step()) write_step(group_.sent++);
  group_.end = queued_;
}

void Dialogue::write_step(std::size_t step) {
  if (step == 0) {
    put("RSET\r\n");
  } else if (step == mail_step) {
    write_mail();
  } else if (step == group_.data_step()) {
    put("DATA\r\n");
  } else {
    put("RCPT TO:<");
    put(group_.transaction.recipients[step - first_rcpt_step].address);
    put(">\r\n");
  }
}

void Dialogue::write_mail() {
  put("MAIL FROM:<");
  put(group_.transaction.sender);
  put(">");
  const WireMessage& message = *group_.transaction.message;
  if (size_) {
    put(" SIZE=");
    put(fmt::format_int(message.size).c_str());
  }
  if (message.has_8bit) put(" BODY=8BITMIME");
  if (group_.transaction.needs_smtputf8) put(" SMTPUTF8");
  put("\r\n");
}

void Dialogue::send_message() {
  for (const std::string_view piece : group_.transaction.message->pieces) put_foreign(piece);
  put(".\r\n");
  std::swap(sent_.group, group_);
  sent_.next = 0;
  sent_.taken = false;
  sent_.end = queued_;
  sent_.due = manner_.protocol == Protocol::lmtp ? sent_.group.accepted : 1;
  group_.open = false;
}

void Dialogue::send_lone_dot() {
  put(".\r\n");
  std::swap(sent_.group, group_);
  sent_.next = 0;
  sent_.taken = false;
  sent_.end = queued_;
  sent_.due = 1;
  group_.open = false;
}

// ---- what the relay says

void Dialogue::hear(std::string_view octets) {
  while (!over()) {
    switch (parser_.take(octets)) {
      case ReplyParser::Found::nothing: return;
      case ReplyParser::Found::reply:
        ++replies_;
        on_reply(parser_.reply());
        break;
      case ReplyParser::Found::garbage:
        return end_fault(fmt::format("'{}' is no reply", printable(parser_.garbage(), 80)));
    }
  }
}

void Dialogue::broke_off(std::string_view why) {
  if (over()) return;
  const bool said_goodbye = phase_ == Phase::quitting;
  end(said_goodbye ? Parting::quit : Parting::lost, local_reply(451, {4, 4, 2}, std::string(why)));
}

Step Dialogue::awaited() const {
  switch (phase_) {
    case Phase::greeting: return Step::greeting;
    case Phase::hello:
    case Phase::helo: return Step::hello;
    case Phase::quitting: return Step::quit;
    case Phase::ready: break;
  }
  if (sent_.due > 0) return manner_.protocol == Protocol::lmtp ? Step::lmtp_dot : Step::dot;
  if (!group_.open || group_.sent == group_.answered) return Step::nothing;
  if (group_.answered == 0) return Step::reset;
  if (group_.answered == mail_step) return Step::mail;
  return group_.answered == group_.data_step() ? Step::data : Step::rcpt;
}

Circumstances Dialogue::now() const {
  return {!group_.pipelined, group_.accepted, messages_};
}

void Dialogue::on_reply(const Reply& reply) {
  switch (awaited()) {
    case Step::greeting:
    case Step::hello: return on_hello(reply);
    case Step::dot:
    case Step::lmtp_dot: return on_dot(reply);
    case Step::quit: return end(Parting::quit, reply);
    case Step::nothing:
      if (reply.code == 421) return end(Parting::busy, reply);
      return end_fault(fmt::format("'{}' answers nothing", reply_to_text(reply)));
    default: return on_group(reply);
  }
}

void Dialogue::on_hello(const Reply& reply) {
  const bool greeting = phase_ == Phase::greeting;
  if (phase_ == Phase::hello && reply.permanent() && manner_.protocol == Protocol::smtp) {
    phase_ = Phase::helo;
    return put(fmt::format("HELO {}\r\n", manner_.hello));
  }
  switch (classify(awaited(), reply, now())) {
    case Meaning::positive: break;
    case Meaning::busy: return end(Parting::busy, reply);
    case Meaning::relay_refuses: return end(Parting::relay_refuses, reply);
    default: return end_fault(fmt::format("'{}' is no greeting", reply_to_text(reply)));
  }
  if (greeting) {
    const bool lmtp = manner_.protocol == Protocol::lmtp;
    put(fmt::format("{} {}\r\n", lmtp ? "LHLO" : "EHLO", manner_.hello));
    phase_ = Phase::hello;
    return;
  }
  if (phase_ == Phase::hello) read_extensions();
  phase_ = Phase::ready;
  say_goodbye_if_done();
}

// The first line names the relay.
void Dialogue::read_extensions() {
  const auto lines = split(parser_.lines(), '\n');
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto parts = words(lines[i]);
    if (parts.empty()) continue;
    if (same_nocase(parts[0], "PIPELINING")) pipelining_ = true;
    if (same_nocase(parts[0], "8BITMIME")) eight_bit_ = true;
    if (same_nocase(parts[0], "SMTPUTF8")) smtputf8_ = true;
    if (same_nocase(parts[0], "SIZE")) {
      size_ = true;
      size_limit_ = parts.size() > 1 ? number(parts[1]).value_or(0) : 0;
    }
  }
}

void Dialogue::on_group(const Reply& reply) {
  const Step step = awaited();
  const Meaning meaning = classify(step, reply, now());
  if (meaning == Meaning::busy) return end(Parting::busy, reply);
  // Behind a refused MAIL, RCPT and DATA are out of order, and a relay may say so.
  const bool passed_over =
      (step == Step::rcpt && !group_.mail_taken) || (step == Step::data && group_.accepted == 0);
  if (meaning == Meaning::fault && !passed_over) {
    return end_fault(fmt::format("misunderstood: {}", reply_to_text(reply)));
  }
  switch (step) {
    case Step::mail: on_mail(reply); break;
    case Step::rcpt: on_rcpt(reply); break;
    case Step::data: return on_data(reply);
    default: break;
  }
  ++group_.answered;
  if (over() || group_.pipelined) return;
  // In lockstep nothing more is asked once nobody can get this message.
  const bool hopeless = (step == Step::mail && !group_.mail_taken) ||
                        (group_.answered == group_.data_step() && group_.accepted == 0);
  if (hopeless) {
    needs_reset_ = group_.mail_taken;
    return close_group();
  }
  write_steps();
}

void Dialogue::on_mail(const Reply& reply) {
  switch (classify(Step::mail, reply, now())) {
    case Meaning::positive: group_.mail_taken = true; return;
    case Meaning::next_connection: full_ = true; return settle_open(group_, Fate::again, reply);
    default: return settle_open(group_, Fate::left, reply);
  }
}

void Dialogue::on_rcpt(const Reply& reply) {
  const std::size_t index = group_.answered - first_rcpt_step;
  if (!group_.mail_taken) return;
  switch (classify(Step::rcpt, reply, now())) {
    case Meaning::positive:
      group_.answers[index] = Answer::accepted;
      ++group_.accepted;
      return;
    case Meaning::refused: return settle(group_, index, Fate::refused, reply);
    case Meaning::next_transaction:
      recipient_limit_ = group_.accepted;
      return settle(group_, index, Fate::again, reply);
    default: return settle(group_, index, Fate::left, reply);
  }
}

void Dialogue::on_data(const Reply& reply) {
  if (reply.code == 354 && written_ < group_.end) {
    return end_fault("354 before DATA");
  }
  if (reply.code != 354) {
    settle_open(group_, Fate::left, reply);
    needs_reset_ = true;
    return close_group();
  }
  if (!group_.mail_taken) {
    return end_fault("354 to a DATA whose MAIL was refused");
  }
  if (group_.accepted > 0) return send_message();
  if (manner_.protocol == Protocol::lmtp) {
    return end_fault("354 to a DATA without recipients");
  }
  send_lone_dot();
}

void Dialogue::on_dot(const Reply& reply) {
  Group& group = sent_.group;
  const bool lmtp = manner_.protocol == Protocol::lmtp;
  const bool early = written_ < sent_.end;
  Meaning meaning = classify(lmtp ? Step::lmtp_dot : Step::dot, reply,
                             {!group.pipelined, group.accepted, messages_});
  if (group.accepted == 0 && meaning != Meaning::busy) meaning = Meaning::left;
  if (early && meaning != Meaning::busy) {
    return end_fault(fmt::format("an answer before the message's end: {}", reply_to_text(reply)));
  }
  if (meaning == Meaning::fault && !reply.permanent()) {
    return end_fault(fmt::format("misunderstood: {}", reply_to_text(reply)));
  }
  settle_sent(meaning, reply);
  if (meaning == Meaning::busy) return end(Parting::busy, reply);
  if (meaning == Meaning::fault) {
    return end_fault(fmt::format("misunderstood: {}", reply_to_text(reply)));
  }
  if (sent_.due > 0) return;
  if (group_.open && !group_.pipelined) write_steps();
  say_goodbye_if_done();
}

// One reply to a message: about all its recipients, or about the next one of LMTP's.
void Dialogue::settle_sent(Meaning meaning, const Reply& reply) {
  Group& group = sent_.group;
  const bool lmtp = manner_.protocol == Protocol::lmtp;
  Fate fate = Fate::left;
  if (meaning == Meaning::positive) fate = Fate::delivered;
  if (meaning == Meaning::refused) fate = Fate::refused;
  if (meaning == Meaning::busy || meaning == Meaning::fault) fate = Fate::again;
  --sent_.due;
  if (fate == Fate::delivered && !std::exchange(sent_.taken, true)) ++messages_;
  for (; sent_.next < group.answers.size(); ++sent_.next) {
    if (group.answers[sent_.next] != Answer::accepted) continue;
    settle(group, sent_.next, fate, reply);
    if (lmtp) break;
  }
}

void Dialogue::close_group() {
  group_.open = false;
  say_goodbye_if_done();
}

void Dialogue::say_goodbye_if_done() {
  const bool no_more = finishing_ || full_ || offered_ >= manner_.messages;
  if (phase_ != Phase::ready || over() || !no_more || group_.open || sent_.due > 0) return;
  put("QUIT\r\n");
  phase_ = Phase::quitting;
}

// ---- fates

void Dialogue::settle(Group& group, std::size_t index, Fate fate, const Reply& reply) {
  group.answers[index] = Answer::settled;
  outcomes_.settled(group.transaction.recipients[index].id, fate, reply);
}

void Dialogue::settle_open(Group& group, Fate fate, const Reply& reply) {
  for (std::size_t i = 0; i < group.answers.size(); ++i) {
    if (group.answers[i] != Answer::settled) settle(group, i, fate, reply);
  }
}

void Dialogue::end_fault(std::string_view why) {
  end(Parting::fault, local_reply(451, {4, 5, 0}, std::string(why)));
}

void Dialogue::end(Parting parting, const Reply& reply) {
  if (parting == Parting::quit && full_) parting = Parting::full;
  parting_ = parting;
  last_words_ = reply;
  abandon_all(last_words_);
}

// Whoever has no reply of their own: the message may have gone out to those whose dot has.
void Dialogue::abandon_all(const Reply& reply) {
  if (sent_.due > 0) {
    settle_open(sent_.group, written_ >= sent_.end ? Fate::unanswered : Fate::again, reply);
  }
  sent_.due = 0;
  if (group_.open) settle_open(group_, Fate::again, reply);
  group_.open = false;
  segments_.clear();
  own_.clear();
  first_ = first_done_ = 0;
}

}  // namespace ml
