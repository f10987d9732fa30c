#include "smtp/dialogue.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t mail_step = 1;
constexpr std::size_t first_rcpt_step = 2;
constexpr std::size_t most_messages = 10'000;
// What comes behind these on a connection waits for Exim's next queue run, unless its owner has
// set smtp_accept_queue_per_connection.
constexpr std::size_t most_messages_of_exim = 10;
constexpr std::uint64_t most_unwritten = std::uint64_t{256} << 10;
// Who are asked for at once, where more than two messages are on their way: what is sent to many
// keeps the relay busy by itself, and another connection may be idle.
constexpr std::size_t most_asked = 256;
// Of RSET, MAIL and one RCPT, or two.
constexpr std::size_t most_usual_replies = 4;

Reply misunderstanding(const Reply& reply) {
  return local_reply(451, {4, 5, 0}, "misunderstood: " + reply_to_text(reply));
}

}  // namespace

// What is inline here is called once a reply or a recipient, mostly from one place.

Dialogue::Dialogue(Manner manner, Outcomes& outcomes)
    : manner_(std::move(manner)),
      greeting_({.protocol = manner_.protocol,
                 .hello = std::exchange(manner_.hello, {}),
                 .starttls = manner_.starttls,
                 .channel = manner_.channel,
                 .credentials = manner_.credentials}),
      outcomes_(outcomes),
      most_groups_(std::max(manner_.window, std::size_t{2})),
      ring_(std::bit_ceil(most_groups_)),
      ring_mask_(ring_.size() - 1) {}

bool Dialogue::wants() const {
  const bool may =
      phase_ == Phase::ready && !over() && !finishing_ && !full_ && offered_ < manner_.messages;
  if (!may || count_ == 0) return may;
  if (is_wary()) return false;
  if (!next_is_chunk()) return count_ < 2 && back().message_sent;
  // A relay that has taken nothing yet is not sent a message more than it has seen.
  return messages_ > 0 && count_ < most_groups_ && back().message_sent &&
         (count_ < 2 || asked_ < most_asked) && out_.queued() - out_.written() < most_unwritten;
}

void Dialogue::give(Transaction& transaction) {
  Group& group = at(count_);
  std::swap(group.transaction, transaction);
  transaction.recipients.clear();
  if (settle_unable(group.transaction)) return;
  const bool in_lockstep = group.transaction.lockstep || is_wary();
  const bool behind_others = count_++ > 0;
  asked_ += group.transaction.recipients.size();
  group.chunked = next_is_chunk();
  ++offered_;
  group.pipelined = extensions().pipelining && offered_ > manner_.lockstep_messages && !in_lockstep;
  group.answers.assign(group.transaction.recipients.size(), Answer::waiting);
  group.unsettled = group.answers.size();
  group.accepted = group.due = group.next = 0;
  group.mail_taken = group.message_sent = group.taken = false;
  const bool reset = needs_reset_ || (group.chunked && behind_others);
  group.sent = group.answered = reset ? 0 : mail_step;
  needs_reset_ = false;
  // Without pipelining a command waits for the reply to the one before, and a dot is one.
  if (group.pipelined || !behind_others) write_steps(group);
}

// True if nothing of it can be asked of this relay.
inline bool Dialogue::settle_unable(const Transaction& transaction) {
  const auto leave_all = [&](const Reply& reply) {
    for (const Recipient& recipient : transaction.recipients) {
      outcomes_.settled(recipient.id, Fate::left, reply);
    }
    return true;
  };
  const WireMessage& message = *transaction.message;
  if (transaction.needs_smtputf8 && !extensions().smtputf8) {
    return leave_all(local_reply(553, {5, 6, 7}, "the relay knows no SMTPUTF8"));
  }
  if (message.has_8bit && !extensions().eight_bit) {
    std::string why = "the relay knows no 8BITMIME";
    if (!message.why_8bit.empty()) why.append(", and ").append(message.why_8bit);
    return leave_all(local_reply(554, {5, 6, 3}, why));
  }
  if (extensions().size_limit > 0 && message.size > extensions().size_limit) {
    return leave_all(local_reply(
        552, {5, 3, 4},
        fmt::format("the relay takes messages up to {} octets", extensions().size_limit)));
  }
  return transaction.recipients.empty();
}

void Dialogue::finish() {
  finishing_ = true;
  say_goodbye_if_done();
}

// ---- what is to be written

// All that are left of a group sent ahead; in lockstep the one that is due.
inline void Dialogue::write_steps(Group& group) {
  prepare_texts(group.transaction);
  if (group.pipelined) {
    if (group.sent == 0) write_step(group, 0);
    write_mail(group.transaction);
    for (const Recipient& recipient : group.transaction.recipients) write_rcpt(recipient);
    write_last_step(group);
    group.sent = group.last_step() + 1;
  } else if (group.sent <= group.answered) {
    write_step(group, group.sent++);
  }
  if (group.chunked && group.sent > group.last_step()) write_chunk(group);
  group.end = out_.queued();
}

void Dialogue::write_step(const Group& group, std::size_t step) {
  if (step == 0) return out_.put("RSET\r\n");
  if (step == mail_step) return write_mail(group.transaction);
  if (step == group.last_step()) return write_last_step(group);
  write_rcpt(group.transaction.recipients[step - first_rcpt_step]);
}

inline void Dialogue::write_mail(const Transaction& transaction) {
  out_.put("MAIL FROM:<", transaction.sender, texts_.parameters);
}

inline void Dialogue::write_rcpt(const Recipient& recipient) {
  const bool asks = !recipient.dsn.empty() && extensions().dsn;
  asks ? out_.put("RCPT TO:<", recipient.address, ">", recipient.dsn, "\r\n")
       : out_.put("RCPT TO:<", recipient.address, ">\r\n");
}

inline void Dialogue::write_last_step(const Group& group) {
  group.chunked ? out_.put(texts_.chunk) : out_.put("DATA\r\n");
}

inline void Dialogue::prepare_texts(const Transaction& transaction) {
  const WireMessage& message = *transaction.message;
  // Postfix knows none for the null sender.
  const std::string_view xverp = transaction.sender.empty() ? "" : transaction.xverp;
  const bool are_these = texts_.size == message.size && texts_.has_8bit == message.has_8bit &&
                         texts_.needs_smtputf8 == transaction.needs_smtputf8 &&
                         texts_.dsn == transaction.dsn && texts_.xverp == xverp;
  if (!are_these) make_texts(transaction, xverp);
}

void Dialogue::make_texts(const Transaction& transaction, std::string_view xverp) {
  const WireMessage& message = *transaction.message;
  texts_.size = message.size;
  texts_.has_8bit = message.has_8bit;
  texts_.needs_smtputf8 = transaction.needs_smtputf8;
  texts_.dsn = transaction.dsn;
  texts_.xverp = xverp;
  const fmt::format_int digits(message.size);
  const std::string_view size(digits.data(), digits.size());
  texts_.chunk.assign("BDAT ").append(size).append(" LAST\r\n");
  texts_.parameters = ">";
  if (extensions().size) texts_.parameters.append(" SIZE=").append(size);
  if (message.has_8bit) texts_.parameters += " BODY=8BITMIME";
  if (transaction.needs_smtputf8) texts_.parameters += " SMTPUTF8";
  if (extensions().dsn) texts_.parameters += transaction.dsn;
  if (extensions().xverp && !xverp.empty()) texts_.parameters.append(" XVERP=").append(xverp);
  texts_.parameters += "\r\n";
}

// All its recipients may be accepted.
inline void Dialogue::write_chunk(Group& group) {
  for (const Recipient& recipient : group.transaction.recipients) {
    outcomes_.in_flight(recipient.id);
  }
  for (const std::string_view piece : group.transaction.message->pieces) out_.put_foreign(piece);
  group.message_sent = true;
}

void Dialogue::send_message(Group& group) {
  for (std::size_t i = 0; i < group.answers.size(); ++i) {
    if (group.answers[i] == Answer::accepted) {
      outcomes_.in_flight(group.transaction.recipients[i].id);
    }
  }
  for (const std::string_view piece : group.transaction.message->pieces) out_.put_foreign(piece);
  send_dot(group);
}

void Dialogue::send_dot(Group& group) {
  out_.put(".\r\n");
  group.message_sent = true;
  group.end = out_.queued();
}

// ---- what the relay says

void Dialogue::hear(std::string_view octets) {
  while (!over()) {
    if (wants_tls()) {
      // Not from the relay that we are about to know.
      if (octets.empty()) return;
      return end(Parting::relay_refuses,
                 local_reply(454, {4, 7, 5}, "there are octets behind its reply to STARTTLS"));
    }
    pass_usual(octets);
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

// Most of what a relay says: a line of 250 to each of RSET, MAIL and RCPT of a group sent ahead,
// and 354; none of it is kept.
inline void Dialogue::pass_usual(std::string_view& octets) {
  if (phase_ != Phase::ready || count_ == 0) return;
  Group& group = front();
  if (!group.pipelined || group.answered > group.last_step()) return;
  if (group.answered < group.last_step()) pass_steps(group, octets);
  const bool may_begin = group.answered == group.last_step() && !group.chunked &&
                         group.accepted > 0 && out_.written() >= group.end;
  if (!may_begin || !parser_.pass(octets, "354 ")) return;
  ++replies_;
  begin_message(group);
}

// Mostly it says to a group what it has said to the one before.
inline void Dialogue::pass_steps(Group& group, std::string_view& octets) {
  const std::size_t steps = group.last_step() - group.answered;
  if (steps == usual_replies_ && parser_.between_replies() && octets.starts_with(usual_)) {
    octets.remove_prefix(usual_.size());
    return take_steps(group, group.last_step());
  }
  const std::string_view before = octets;
  std::size_t end = group.answered;
  while (end < group.last_step() && parser_.pass(octets, "250 ")) ++end;
  take_steps(group, end);
  if (end < group.last_step() || steps > most_usual_replies) return;
  usual_ = before.substr(0, before.size() - octets.size());
  usual_replies_ = steps;
}

// 2yz to each step before `end`.
inline void Dialogue::take_steps(Group& group, std::size_t end) {
  replies_ += end - group.answered;
  for (; group.answered < end; ++group.answered) {
    if (group.answered == mail_step) {
      group.mail_taken = true;
    } else if (group.answered >= first_rcpt_step && group.mail_taken) {
      group.answers[group.answered - first_rcpt_step] = Answer::accepted;
      ++group.accepted;
    }
  }
}

void Dialogue::broke_off(std::string_view why, Break how) {
  if (over()) return;
  if (phase_ == Phase::leaving) {
    // It said that it would close, and did: what it has not answered it has not taken.
    if (leaving() && how == Break::closed && manner_.protocol == Protocol::smtp) {
      for (std::size_t i = 0; i < count_; ++i) settle_all(at(i), Fate::again, last_words_);
      count_ = 0;
    }
    return end(leaves_as_, last_words_);
  }
  const bool said_goodbye = phase_ == Phase::quitting;
  end(said_goodbye ? Parting::quit : Parting::lost, local_reply(451, {4, 4, 2}, why));
}

Step Dialogue::awaited() const {
  switch (phase_) {
    case Phase::greeting: return greeting_.awaited();
    case Phase::quitting: return Step::quit;
    case Phase::leaving:
    case Phase::ready: break;
  }
  if (count_ == 0) return Step::nothing;
  const Group& group = front();
  const bool steps_answered = group.answered > group.last_step();
  if (steps_answered || (group.chunked && group.answered == group.last_step())) {
    return manner_.protocol == Protocol::lmtp ? Step::lmtp_dot : Step::dot;
  }
  if (group.sent == group.answered) return Step::nothing;
  if (group.answered == 0) return Step::reset;
  if (group.answered == mail_step) return Step::mail;
  return group.answered == group.last_step() ? Step::data : Step::rcpt;
}

Circumstances Dialogue::now() const {
  if (count_ == 0) return {true, 0, messages_};
  const Group& group = front();
  const std::size_t index = group.answered - first_rcpt_step;
  const auto& recipients = group.transaction.recipients;
  return {!group.pipelined, group.accepted, messages_,
          index < recipients.size() ? recipients[index].address : std::string_view()};
}

inline void Dialogue::on_reply(const Reply& reply) {
  if (phase_ == Phase::greeting) return on_greeting(reply);
  switch (awaited()) {
    case Step::dot:
    case Step::lmtp_dot: return on_message(reply);
    case Step::quit: return end(Parting::quit, reply);
    case Step::nothing:
      if (reply.code == 421) return end(Parting::busy, reply);
      return end_fault(fmt::format("'{}' answers nothing", reply_to_text(reply)));
    default: return on_group(reply);
  }
}

// ---- before mail

void Dialogue::on_greeting(const Reply& reply) {
  out_.put(greeting_.hear(reply, parser_.lines()));
  end_greeting();
}

void Dialogue::end_greeting() {
  if (!greeting_.over()) return;
  if (greeting_.parting() != Parting::none) {
    return end(greeting_.parting(), greeting_.last_words());
  }
  if (manner_.messages == 0) {
    manner_.messages = greeting_.is_exim() ? most_messages_of_exim : most_messages;
  }
  takes_chunks_ =
      extensions().chunking && extensions().pipelining && manner_.protocol == Protocol::smtp;
  phase_ = Phase::ready;
  say_goodbye_if_done();
}

void Dialogue::secured() {
  out_.put(greeting_.secured());
}

void Dialogue::not_secured(std::string_view why) {
  greeting_.not_secured(why);
  end_greeting();
}

// ---- what it says to a group

void Dialogue::on_group(const Reply& reply) {
  Group& group = front();
  const Step step = awaited();
  const Meaning meaning = classify(step, reply, now());
  if (meaning == Meaning::busy && must_end(Parting::busy, reply)) return;
  // Behind a refused MAIL, RCPT and DATA are out of order, and a relay may say so.
  const bool passed_over =
      (step == Step::rcpt && !group.mail_taken) || (step == Step::data && group.accepted == 0);
  if (meaning == Meaning::fault && !passed_over) return on_misunderstood(step, reply);
  switch (step) {
    case Step::mail: on_mail(reply); break;
    case Step::rcpt: on_rcpt(reply); break;
    case Step::data: return on_data(reply);
    default: break;
  }
  ++group.answered;
  if (group.pipelined) return;
  // In lockstep nothing more is asked once nobody can get this message.
  const bool hopeless = (step == Step::mail && !group.mail_taken) ||
                        (group.answered == group.last_step() && group.accepted == 0);
  if (!hopeless) return write_steps(group);
  needs_reset_ = group.mail_taken;
  drop_front();
}

// The connection is to end; whoever this is about is asked for in lockstep. Nobody is yet, where
// MAIL was answered so and the message is out: what is said to that tells whether it went.
void Dialogue::on_misunderstood(Step step, const Reply& reply) {
  Group& group = front();
  const Reply why = misunderstanding(reply);
  if (step == Step::reset || !reply.permanent()) return end(Parting::fault, why);
  if (step == Step::rcpt) {
    settle(group, group.answered - first_rcpt_step, Fate::misunderstood, reply);
  } else if (!is_out(group)) {
    settle_all(group, Fate::misunderstood, reply);
  }
  if (!must_end(Parting::fault, why)) ++group.answered;
}

void Dialogue::on_mail(const Reply& reply) {
  Group& group = front();
  switch (classify(Step::mail, reply, now())) {
    case Meaning::positive: group.mail_taken = true; return;
    case Meaning::busy: return settle_all(group, Fate::again, reply);
    case Meaning::next_connection:
      full_ = true;
      message_limit_ = messages_;
      return settle_all(group, Fate::again, reply);
    default: return settle_all(group, Fate::left, reply);
  }
}

void Dialogue::on_rcpt(const Reply& reply) {
  Group& group = front();
  const std::size_t index = group.answered - first_rcpt_step;
  if (!group.mail_taken) return;
  switch (classify(Step::rcpt, reply, now())) {
    case Meaning::positive:
      group.answers[index] = Answer::accepted;
      ++group.accepted;
      return;
    case Meaning::refused: return settle(group, index, Fate::refused, reply);
    case Meaning::busy: return settle(group, index, Fate::again, reply);
    case Meaning::next_transaction:
      recipient_limit_ = group.accepted;
      return settle(group, index, Fate::again, reply);
    default: return settle(group, index, Fate::left, reply);
  }
}

void Dialogue::on_data(const Reply& reply) {
  Group& group = front();
  if (reply.code == 354 && out_.written() < group.end) {
    return end_fault("354 before DATA");
  }
  if (reply.code != 354) {
    settle_all(group, Fate::left, reply);
    needs_reset_ = true;
    return drop_front();
  }
  if (!group.mail_taken) {
    return end_fault("354 to a DATA whose MAIL was refused");
  }
  if (group.accepted == 0 && manner_.protocol == Protocol::lmtp) {
    return end_fault("354 to a DATA without recipients");
  }
  begin_message(group);
}

void Dialogue::begin_message(Group& group) {
  ++group.answered;
  group.due = manner_.protocol == Protocol::lmtp ? group.accepted : 1;
  group.accepted > 0 ? send_message(group) : send_dot(group);
}

inline void Dialogue::on_message(const Reply& reply) {
  Group& group = front();
  if (group.chunked) group.due = 1;
  const bool lmtp = manner_.protocol == Protocol::lmtp;
  const bool early = out_.written() < group.end;
  Meaning meaning = Meaning::positive;
  if (!reply.positive()) meaning = classify(lmtp ? Step::lmtp_dot : Step::dot, reply, now());
  // Nobody was to get it; BDAT behind a refused MAIL is out of order too.
  if (group.accepted == 0 && meaning != Meaning::busy) meaning = Meaning::left;
  if (early && meaning != Meaning::busy && (group.accepted > 0 || !group.chunked)) {
    return end_fault(fmt::format("an answer before the message's end: {}", reply_to_text(reply)));
  }
  if (meaning == Meaning::fault && !reply.permanent()) {
    return end(Parting::fault, misunderstanding(reply));
  }
  // Its MAIL was not understood.
  if (!group.mail_taken) {
    settle_all(group, reply.positive() ? Fate::unanswered : Fate::misunderstood, reply);
  }
  settle_message(meaning, reply);
  if (group.due == 0) {
    needs_reset_ = needs_reset_ || (group.chunked && !reply.positive());
    drop_front();
  }
  if (meaning == Meaning::busy) static_cast<void>(must_end(Parting::busy, reply));
  if (meaning == Meaning::fault) {
    static_cast<void>(must_end(Parting::fault, misunderstanding(reply)));
  }
}

// One reply to a message: about all its recipients, or about the next one of LMTP's.
inline void Dialogue::settle_message(Meaning meaning, const Reply& reply) {
  Group& group = front();
  const bool lmtp = manner_.protocol == Protocol::lmtp;
  Fate fate = Fate::left;
  if (meaning == Meaning::positive) fate = Fate::delivered;
  if (meaning == Meaning::refused) fate = Fate::refused;
  if (meaning == Meaning::busy) fate = Fate::again;
  if (meaning == Meaning::fault) fate = Fate::misunderstood;
  --group.due;
  if (fate == Fate::delivered && !std::exchange(group.taken, true)) ++messages_;
  for (; group.next < group.answers.size(); ++group.next) {
    if (group.answers[group.next] != Answer::accepted) continue;
    settle(group, group.next, fate, reply);
    if (lmtp) break;
  }
}

inline void Dialogue::drop_front() {
  asked_ -= front().answers.size();
  head_ = (head_ + 1) & ring_mask_;
  --count_;
  if (phase_ == Phase::leaving && !in_doubt()) return end(leaves_as_, last_words_);
  if (phase_ != Phase::ready) return;
  if (count_ > 0 && !front().pipelined) write_steps(front());
  say_goodbye_if_done();
}

void Dialogue::say_goodbye_if_done() {
  const bool no_more = finishing_ || full_ || offered_ >= manner_.messages;
  if (phase_ != Phase::ready || over() || !no_more || count_ > 0) return;
  out_.put("QUIT\r\n");
  phase_ = Phase::quitting;
}

// ---- fates

inline void Dialogue::settle(Group& group, std::size_t index, Fate fate, const Reply& reply) {
  group.answers[index] = Answer::settled;
  if (--group.unsettled == 0 && group.chunked && out_.written() < group.end) out_.keep(group.end);
  outcomes_.settled(group.transaction.recipients[index].id, fate, reply);
}

void Dialogue::settle_all(Group& group, Fate fate, const Reply& reply) {
  for (std::size_t i = 0; i < group.answers.size(); ++i) {
    if (group.answers[i] != Answer::settled) settle(group, i, fate, reply);
  }
}

void Dialogue::end_fault(std::string_view why) {
  end(Parting::fault, local_reply(451, {4, 5, 0}, why));
}

// True: it has ended. The relay may have read more than it has answered: that is heard out.
bool Dialogue::must_end(Parting parting, const Reply& reply) {
  if (reply.code == 421) relay_closes_ = true;
  if (over()) return true;
  if (phase_ == Phase::leaving) return false;
  if (!in_doubt()) {
    end(parting, reply);
    return true;
  }
  leaves_as_ = parting;
  last_words_ = reply;
  phase_ = Phase::leaving;
  out_.forget();
  return false;
}

void Dialogue::end(Parting parting, const Reply& reply) {
  if (parting == Parting::quit && full_) parting = Parting::full;
  parting_ = parting;
  last_words_ = reply;
  abandon_all(last_words_);
}

// What is answered has left the ring, and what is written stands in it in order.
bool Dialogue::in_doubt() const {
  return count_ > 0 && is_out(front());
}

// Whoever has no reply of their own: the message may have gone out to those whose end was written.
void Dialogue::abandon_all(const Reply& reply) {
  out_.forget();
  for (; count_ > 0; --count_, head_ = (head_ + 1) & ring_mask_) {
    Group& group = front();
    settle_all(group, is_out(group) ? Fate::unanswered : Fate::again, reply);
  }
}

}  // namespace ml
