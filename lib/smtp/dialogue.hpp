// One connection's talk with a relay, SMTP or LMTP: pure, without sockets and without a clock.
//
// It is fed with what the relay says and asked for what to write; every recipient given to it
// comes back through Outcomes, exactly once.
//
//   Dialogue dialogue({.hello = "lists.example.org"}, outcomes);
//   for (;;) {
//     while (dialogue.wants() && more) dialogue.give(transaction);
//     if (!more) dialogue.finish();
//     write(dialogue.gather(room)); dialogue.wrote(count);      // one gathered write a turn
//     if (dialogue.over()) break;
//     dialogue.hear(read());                                     // or broke_off(), on end or error
//     if (dialogue.wants_tls()) shake hands, then secured() or not_secured()
//   }
//
// Before the first transaction it greets (smtp/greeting.hpp).
//
// Where the relay announces PIPELINING, MAIL, RCPTs and DATA are one group, and the group of the
// next transaction goes out behind the dot of this one, in the same write. Where it announces
// CHUNKING too, MAIL, RCPTs and BDAT with the whole message are one group and nothing waits: up to
// Manner::window of them are on their way (of messages to many two), once the first message of the
// connection was taken.
// What may go wrong:
//
//   state                          reply                what follows
//   RCPT sent ahead of MAIL's 2yz  MAIL 4yz 5yz         its recipients are settled by that reply,
//                                                       RCPT and DATA replies are passed over
//   DATA sent ahead                not 354              the next group begins with RSET: a relay
//                                                       with MAIL still open would answer the next
//                                                       MAIL 503 and mail its recipients under
//                                                       this sender
//   MAIL not 2yz                   354 to DATA          closed without the dot
//   MAIL 2yz, no RCPT 2yz          354 to DATA          a lone dot, counting nobody (LMTP: closed
//                                                       without the dot)
//   any, sent ahead                500-504 555          a fault: nobody's failure; whoever it is
//                                                       about goes on in lockstep; over, the next
//                                                       connection is in lockstep. But where
//                                                       groups are wholly written, they are heard
//                                                       out first: their replies come in order,
//                                                       and each but the first begins with RSET.
//                                                       (RCPT alone: see smtp/verdict.hpp)
//   any                            garbage, none due,   the same at once: the order of replies is
//                                  RSET refused         lost, whatever was written is unanswered
//   MAIL not understood            2yz to its BDAT      it was open already, and somebody's sender
//                                                       is another's: unanswered
//   BDAT sent ahead                any                  a group behind unanswered ones begins with
//                                                       RSET, as above
//   any                            421                  over, the relay is busy; heard out as
//                                                       above: what it does not answer before it
//                                                       closes, it has not taken (LMTP: may have)
//   the dot was written            none, lost           its recipients are unanswered
//
// Of a message only short pieces are copied; the views of a Transaction must live as it says.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/greeting.hpp"
#include "smtp/outgoing.hpp"
#include "smtp/reply.hpp"
#include "smtp/transaction.hpp"
#include "smtp/verdict.hpp"

namespace ml {

class Dialogue {
 public:
  struct Manner {
    Protocol protocol = Protocol::smtp;
    std::string hello{};                // who we are: a host name or an address literal
    std::size_t messages = 0;           // offered on this connection; 0: as suits the relay
    std::size_t lockstep_messages = 0;  // so many first ones without pipelining, after a fault
    // Once so many were taken the next goes alone and in lockstep, until one more is: a relay that
    // has ended a connection there may do so again, and whoever was sent ahead would be in doubt.
    // 0: nothing is known.
    std::size_t wary_after = 0;
    std::size_t window = 16;  // transactions on their way at once, with CHUNKING
    StartTls starttls = StartTls::never;
    Channel channel = Channel::open;
    const Credentials* credentials = nullptr;  // AUTH is due; must outlive the dialogue
  };

  Dialogue(Manner manner, Outcomes& outcomes);

  // Both have said who they are and are content with it, or it is over.
  [[nodiscard]] bool greeted() const { return over() || phase_ >= Phase::ready; }
  // True when a transaction would be put on the wire at once, its message in this form().
  [[nodiscard]] bool wants() const;
  [[nodiscard]] WireForm form() const {
    if (extensions().eight_bit) return next_is_chunk() ? WireForm::chunk : WireForm::dotted;
    return next_is_chunk() ? WireForm::chunk_ascii : WireForm::dotted_ascii;
  }
  // Once it is greeted.
  [[nodiscard]] Needs lacks() const {
    const std::uint64_t limit = extensions().size_limit;
    return {.eight_bit = !extensions().eight_bit,
            .smtputf8 = !extensions().smtputf8,
            .sizes = limit == 0 ? Sizes{} : Sizes{limit, UINT64_MAX}};
  }
  // Takes the transaction over; gives back an empty one, with its room, for the next. Recipients
  // that this relay cannot be asked for (SMTPUTF8, 8BITMIME, SIZE) are settled at once.
  void give(Transaction& transaction);
  // No more will be given: says QUIT once everything is answered.
  void finish();

  // What is to be written, at most `room.size()` pieces; valid until the next call but wrote().
  [[nodiscard]] std::size_t gather(std::span<iovec> room) { return out_.gather(room); }
  void wrote(std::size_t octets) { out_.wrote(octets); }
  [[nodiscard]] bool has_output() const { return !out_.empty(); }

  void hear(std::string_view octets);
  // The caller shakes hands now; nothing is to be written or heard until it says how that went.
  [[nodiscard]] bool wants_tls() const {
    return phase_ == Phase::greeting && greeting_.wants_tls() && !over();
  }
  // TLS is there: after STARTTLS, or from the connection's beginning.
  void secured();
  // It is not, or the relay is not whom we trust.
  void not_secured(std::string_view why);
  // The connection is gone, or we wait no longer.
  enum class Break { closed, silent };
  void broke_off(std::string_view why, Break how = Break::closed);

  [[nodiscard]] bool over() const { return parting_ != Parting::none; }
  [[nodiscard]] Parting parting() const { return parting_; }
  // The reply, or the words, that ended it.
  [[nodiscard]] const Reply& last_words() const { return last_words_; }
  // A message was written whose reply has not come: it may have been taken.
  [[nodiscard]] bool in_doubt() const;
  // The relay is about to close.
  [[nodiscard]] bool leaving() const { return phase_ == Phase::leaving && relay_closes_; }
  // What the next reply answers; for the caller's deadline (RFC 5321 4.5.3.2).
  [[nodiscard]] Step awaited() const;
  // Whole replies heard.
  [[nodiscard]] std::uint64_t replies() const { return replies_; }
  [[nodiscard]] std::size_t messages() const { return messages_; }
  // "Too many" to MAIL, to RCPT: so many messages a connection, recipients a transaction; 0:
  // nothing was learned.
  [[nodiscard]] std::size_t message_limit() const { return message_limit_; }
  [[nodiscard]] std::size_t recipient_limit() const { return recipient_limit_; }

 private:
  enum class Answer { waiting, accepted, settled };
  // leaving: no more is written; the answers to what was are heard.
  enum class Phase { greeting, ready, quitting, leaving };

  // A transaction on its way: steps 0 RSET (or skipped), 1 MAIL, 2.. RCPT, then DATA or BDAT.
  struct Group {
    Transaction transaction;
    std::vector<Answer> answers;
    std::size_t unsettled = 0;
    std::size_t accepted = 0;
    std::size_t sent = 0;      // steps written
    std::size_t answered = 0;  // steps answered
    std::uint64_t end = 0;     // octets written, ever, when its steps sent or its message are out
    std::size_t due = 0;       // replies to the message, once its steps are answered
    std::size_t next = 0;      // LMTP: the recipient whose reply is due
    bool mail_taken = false;
    bool pipelined = false;
    bool chunked = false;
    bool message_sent = false;  // or at least in the segments
    bool taken = false;         // the message, for at least one of its recipients
    [[nodiscard]] std::size_t last_step() const { return transaction.recipients.size() + 2; }
  };

  void pass_usual(std::string_view& octets);
  void pass_steps(Group& group, std::string_view& octets);
  void take_steps(Group& group, std::size_t end);
  void on_reply(const Reply& reply);
  void on_greeting(const Reply& reply);
  void end_greeting();
  void on_group(const Reply& reply);
  void on_misunderstood(Step step, const Reply& reply);
  void on_mail(const Reply& reply);
  void on_rcpt(const Reply& reply);
  void on_data(const Reply& reply);
  void begin_message(Group& group);
  void on_message(const Reply& reply);
  void settle_message(Meaning meaning, const Reply& reply);

  // The groups on their way, the one that the next reply is about first. Only the last may have
  // steps to write.
  [[nodiscard]] Group& front() { return ring_[head_]; }
  [[nodiscard]] const Group& front() const { return ring_[head_]; }
  [[nodiscard]] Group& back() { return at(count_ - 1); }
  [[nodiscard]] const Group& back() const { return ring_[(head_ + count_ - 1) & ring_mask_]; }
  [[nodiscard]] bool is_out(const Group& group) const {
    return group.message_sent && out_.written() >= group.end;
  }
  [[nodiscard]] Group& at(std::size_t index) { return ring_[(head_ + index) & ring_mask_]; }
  void drop_front();

  [[nodiscard]] bool next_is_chunk() const {
    return takes_chunks_ && offered_ >= manner_.lockstep_messages;
  }
  [[nodiscard]] bool is_wary() const {
    return messages_ <= manner_.wary_after && messages_ + count_ >= manner_.wary_after &&
           manner_.wary_after > 0;
  }
  [[nodiscard]] Circumstances now() const;
  [[nodiscard]] bool settle_unable(const Transaction& transaction);
  // What is told of one message after another that are alike.
  struct Texts {
    std::optional<std::uint64_t> size;  // nothing: none was made
    bool has_8bit = false;
    bool needs_smtputf8 = false;
    std::string dsn;
    std::string xverp;
    std::string parameters;  // of MAIL, and what is around them: "> SIZE=4160", CRLF
    std::string chunk;       // "BDAT 4160 LAST", CRLF
  };
  void prepare_texts(const Transaction& transaction);
  void make_texts(const Transaction& transaction, std::string_view xverp);
  void write_steps(Group& group);
  void write_step(const Group& group, std::size_t step);
  void write_mail(const Transaction& transaction);
  void write_rcpt(const Recipient& recipient);
  void write_last_step(const Group& group);
  void write_chunk(Group& group);
  void send_message(Group& group);
  void send_dot(Group& group);

  void settle_all(Group& group, Fate fate, const Reply& reply);
  void settle(Group& group, std::size_t index, Fate fate, const Reply& reply);
  void end(Parting parting, const Reply& reply);
  [[nodiscard]] bool must_end(Parting parting, const Reply& reply);
  void end_fault(std::string_view why);
  void abandon_all(const Reply& reply);
  void say_goodbye_if_done();

  [[nodiscard]] const Extensions& extensions() const { return greeting_.extensions(); }

  Manner manner_;
  Greeting greeting_;
  Outcomes& outcomes_;
  ReplyParser parser_;
  Phase phase_ = Phase::greeting;
  Parting parting_ = Parting::none;
  Parting leaves_as_ = Parting::none;  // once it is over
  bool relay_closes_ = false;          // it has said so
  Reply last_words_;

  std::uint64_t replies_ = 0;
  std::string usual_;  // how all steps of a group were answered last: lines of 250
  std::size_t usual_replies_ = 0;

  std::size_t most_groups_;  // on their way
  std::vector<Group> ring_;  // a power of two of them
  std::size_t ring_mask_;
  std::size_t head_ = 0;
  std::size_t count_ = 0;
  std::size_t asked_ = 0;      // recipients of them
  bool takes_chunks_ = false;  // the relay, once it is greeted
  bool needs_reset_ = false;
  bool finishing_ = false;
  bool full_ = false;
  std::size_t offered_ = 0;   // messages begun
  std::size_t messages_ = 0;  // messages taken
  std::size_t message_limit_ = 0;
  std::size_t recipient_limit_ = 0;

  Texts texts_;  // of the last transaction, and often of the next one too
  Outgoing out_;
};

}  // namespace ml
