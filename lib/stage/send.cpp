#include "stage/send.hpp"

#include <algorithm>
#include <csignal>
#include <ctime>
#include <string_view>
#include <utility>

#include "base/diag.hpp"
#include "base/interruptions.hpp"
#include "base/shell_word.hpp"
#include "base/text.hpp"
#include "mail/dsn_request.hpp"
#include "smtp/connections.hpp"
#include "stage/letter.hpp"
#include "stage/log.hpp"
#include "stage/reasons.hpp"
#include "stage/window.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

using namespace std::chrono_literals;

// Recipients in memory: with transactions of their own, so many a connection (the fewer, the nearer
// they are to the processor); and of one sender, to fill large transactions with.
constexpr std::size_t least_waiting = 400;
constexpr std::size_t most_waiting = 4000;
constexpr std::size_t waiting_a_connection = 32;
constexpr std::size_t most_waiting_shared = 20'000;
constexpr unsigned most_tries = 10;  // of one recipient in one run
constexpr auto patience_when_in_doubt = 30s;
constexpr auto patience_when_stopped = 5s;
constexpr auto patience_at_goodbye = 5s;
// With the input, once nobody is sent to any more: where nothing comes, and with all of it.
constexpr auto patience_with_silence = 5s;
constexpr auto patience_with_input = 30s;
constexpr auto pause_between_signals = 100ms;

Ledger::Party party_of(const Waiting& one) {
  return {one.rcpt.address, one.rcpt.sender, one.rcpt.attributes.text(), one.slot};
}

std::string status_of(const Reply& reply) {
  if (reply.enhanced.kind != 0) return enhanced_code_to_text(reply.enhanced);
  return reply.permanent() ? "5.0.0" : "4.0.0";
}

class Sender : public Source {
 public:
  // `ledger` has been opened.
  Sender(Reader& in, SendOptions options, Ledger& ledger)
      : in_(in),
        options_(std::move(options)),
        relays_(options_.relays, options_.terms),
        connections_(relays_, *this, {.rate = options_.rate}),
        ledger_(ledger),
        progress_(options_.progress),
        reports_(options_.reports),
        envelopes_(options_.envelopes),
        window_(
            {.alone = std::clamp(options_.terms.connections * relays_.size() * waiting_a_connection,
                                 least_waiting, most_waiting),
             .shared = most_waiting_shared}) {
    if (options_.lasting) deadline_ = Clock::now() + *options_.lasting;
  }

  // 75 where a report that was asked for cannot be written.
  [[nodiscard]] Result<> open() { return reports_.open(); }
  Result<Status> run();

  [[nodiscard]] bool next(Transaction& transaction, WireForm form, std::size_t limit,
                          const Needs& elsewhere) override;
  [[nodiscard]] std::size_t waiting() const override { return window_.waiting(); }
  [[nodiscard]] bool put_others_first(std::span<const std::string> domains) override {
    return window_.put_others_first(domains);
  }
  [[nodiscard]] std::string_view domain(std::uint64_t id) const override {
    return window_[id].domain();
  }
  void in_flight(std::uint64_t id) override { ledger_.fly(window_[id].slot, now_); }
  void settled(std::uint64_t id, Fate fate, const Reply& reply, std::size_t relay) override;
  void told(std::string_view line) override {
    if (!given_up_) log(line);
  }
  void broken(std::string_view why) override { verdict_.add({Status::retry, std::string(why)}); }

 private:
  // What serve() waits for.
  enum class Until { readable, room, settled, parted };

  void begin_section();
  void end_section(const EndRecord& end);
  void bar_section(const Error& why);
  void tell_sent(const Closed& closed) const;
  void end_account(Ended how);
  void take_rcpt();
  [[nodiscard]] bool admit(Waiting& one);

  [[nodiscard]] Result<> serve(Until until);
  [[nodiscard]] bool reached(Until until) const;
  [[nodiscard]] Clock::time_point end_of_input(Clock::time_point waiting_since) const;
  void stop(Clock::time_point now, std::string_view why);
  [[nodiscard]] bool fill_copy(Transaction& transaction, WireForm form);

  void leave_pending(const Reply& reply);
  void leave(Waiting& one, const Reply& reply, std::optional<std::size_t> relay = {});
  void refuse(Waiting& one, const Reply& reply, std::size_t relay);
  void add_reply(Waiting& one, const Reply& reply, std::optional<std::size_t> relay) const;
  void keep(Result<> kept);
  [[nodiscard]] Failure why_stopped() const;
  void note(const Waiting& one, Outcome outcome, std::string_view relay, const Reply& reply) {
    reports_.note({one.rcpt.address, outcome, relay, reply, id_}, now_);
  }

  [[nodiscard]] Result<Status> deliver();
  [[nodiscard]] Result<Status> cut_short();
  [[nodiscard]] Result<Status> conclude();
  [[nodiscard]] Result<> finish_sections();
  [[nodiscard]] Result<> close_output(const Result<Status>& sent) const;
  [[nodiscard]] Result<> settle_sections();
  void tell(const Ledger::Conclusion& conclusion);
  [[nodiscard]] std::string why_blown() const;

  Reader& in_;
  const SendOptions options_;
  Interruptions interruptions_;
  Clock::time_point signals_due_ = Clock::time_point::min();
  Relays relays_;
  Connections connections_;
  Ledger& ledger_;
  ProgressLine progress_;
  SendReports reports_;
  Verdict verdict_;
  std::int64_t now_ = std::time(nullptr);  // of this turn
  std::optional<Clock::time_point> deadline_;

  std::string id_;      // of the section
  std::string before_;  // what stands before and behind the message in its line
  std::string behind_;
  Envelopes envelopes_;
  Letter letter_;
  std::optional<Reply> unsendable_;  // why nobody can get this message
  std::uint64_t without_copy_ = 0;   // whose values do not fill the slots; of all sections
  bool is_barred_ = false;           // nobody of it is sent to or kept
  bool is_done_ = false;             // everybody has it
  std::uint64_t section_seen_ = 0;
  std::uint64_t section_skipped_ = 0;

  Window window_;

  std::optional<Reply> given_up_;             // no relay is left, or we were told to stop
  std::optional<Clock::time_point> stopped_;  // when we were
  std::string why_out_;                       // no relay is left
  bool readable_ = false;
  bool is_whole_ = true;  // the input, and none of it was barred
  bool is_kept_ = true;   // all who were left so far
  bool is_concluded_ = false;
  Result<> state_;  // what keeps account of them has failed

  std::uint64_t seen_ = 0;
  std::uint64_t delivered_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t left_ = 0;
  Reasons reasons_;  // of those
  std::uint64_t doubted_ = 0;
  Ledger::Conclusion handed_over_;  // of all sections so far
};

// ---- the stream

Result<Status> Sender::run() {
  auto sent = deliver();
  if (auto closed = close_output(sent); !closed && sent) sent = fail(closed);
  reports_.flush();
  if (Interruptions::caught() == SIGINT) {
    static_cast<void>(ml::leave(sent));
    raise(SIGINT);
  }
  return sent;
}

Result<Status> Sender::deliver() {
  for (;;) {
    for (bool ready = in_.ready(); !ready; ready = in_.read_once()) {
      if (auto served = serve(Until::readable); !served) return fail(served);
      if (!readable_) return cut_short();
    }
    switch (in_.next()) {
      case Record::message:
        if (ledger_.must_conclude_before(in_.message().id)) {
          if (auto settled = settle_sections(); !settled) {
            is_kept_ = false;
            verdict_.add(settled.error());
          }
        }
        begin_section();
        break;
      case Record::rcpt: take_rcpt(); break;
      case Record::end:
        if (auto served = serve(Until::settled); !served) return fail(served);
        end_section(in_.end());
        break;
      case Record::none: return conclude();
    }
    if (window_.is_full()) {
      if (auto served = serve(Until::room); !served) return fail(served);
    }
  }
}

void Sender::begin_section() {
  const MessageRecord& record = in_.message();
  id_ = record.id;
  before_ =
      in_.line().substr(0, static_cast<std::size_t>(record.base64.data() - in_.line().data()));
  behind_ = in_.line().substr(before_.size() + record.base64.size());
  unsendable_ = envelopes_.begin(record);
  is_barred_ = is_done_ = false;
  section_seen_ = section_skipped_ = 0;
  auto text = decoded_message(record);
  if (!text) return bar_section(text.error());
  if (auto read = letter_.read(std::move(*text), record.attributes.value(slots_attribute)); !read) {
    unsendable_ = local_reply(554, {5, 6, 0}, read.error().text);
  }
  window_.begin(letter_.is_personal() ? Transactions::single : Transactions::shared);
  const auto sent_before = ledger_.begin(record, {before_, letter_.text(), behind_}, now_);
  if (!sent_before) return bar_section(sent_before.error());
  if (!*sent_before) return;
  is_done_ = true;
  tell_sent(**sent_before);
}

void Sender::tell_sent(const Closed& closed) const {
  log(fmt::format("{} was sent on {} to {}: nothing to do", id_, time_to_text(closed.time),
                  closed.totals.delivered));
}

// Its recipients are passed over: they are somebody else's, or nobody could be sent to.
void Sender::bar_section(const Error& why) {
  is_barred_ = true;
  is_whole_ = false;
  verdict_.add(why);
}

void Sender::end_section(const EndRecord& end) {
  verdict_.add(end);
  if (end.status != 0) is_whole_ = false;
  if (!id_.empty() && !is_barred_) end_account(end.status == 0 ? Ended::well : Ended::badly);
  if (!id_.empty() && !is_barred_ && letter_.was_recoded()) {
    log(fmt::format("{}: to relays without 8BITMIME its 8-bit text went encoded", id_));
  }
  id_.clear();
}

void Sender::end_account(Ended how) {
  const auto sent_before = ledger_.end(how);
  if (!sent_before) {
    verdict_.add(sent_before.error());
  } else if (*sent_before) {
    tell_sent(**sent_before);
  } else if (section_skipped_ > 0) {
    log(fmt::format("{} of {} have {} already", section_skipped_, section_seen_, id_));
  }
}

void Sender::take_rcpt() {
  ++seen_;
  ++section_seen_;
  if (is_done_) return;
  if (is_barred_) {
    ++left_;
    return;
  }
  const auto place = window_.take_place();
  window_[place].read(in_.line(), in_.rcpt());
  admit(window_[place]) ? window_.append(place) : window_.drop(place);
}

// False: it is settled, for it cannot be sent to or has the message.
bool Sender::admit(Waiting& one) {
  std::optional<Reply> why = envelopes_.fill(one.wire, one.rcpt);
  const auto claim = ledger_.claim(one.wire.address, one.rcpt.address);
  if (!claim) {
    keep(fail(claim));
    return false;
  }
  if (claim->slot) one.slot.emplace(*claim->slot);
  if (claim->kind == Ledger::Claim::Kind::refused_earlier) {
    ++refused_;
    add_reply(one, local_reply(550, {5, 1, 0}, "refused in an earlier run"), {});
    keep(ledger_.refused_earlier(party_of(one)));
    return false;
  }
  if (claim->kind == Ledger::Claim::Kind::done) {
    ++section_skipped_;
    return false;
  }
  if (!why && unsendable_) why = unsendable_;
  if (!why && given_up_) why = given_up_;
  if (claim->unanswered) {
    one.doubted = true;
    const bool holds = options_.unanswered == Unanswered::hold;
    if (holds) why = local_reply(451, {4, 4, 2}, "unanswered in an earlier run");
    if (!holds) ++doubted_;
    log(fmt::format("{} {}: an earlier run ended before the relay answered", one.rcpt.address,
                    holds ? "may have got it" : "may get it twice"));
  }
  if (why) leave(one, *why);
  return !why;
}

// ---- the work

Result<> Sender::serve(Until until) {
  const auto begin = Clock::now();
  readable_ = false;
  for (;;) {
    const auto now = Clock::now();
    now_ = std::time(nullptr);
    if (now >= signals_due_) {
      signals_due_ = now + pause_between_signals;
      interruptions_.let_in();
    }
    if (Interruptions::caught() != 0) stop(now, "the delivery was interrupted");
    if (deadline_ && now >= *deadline_) stop(now, "the time for this delivery is over (--for)");
    if (given_up_) leave_pending(*given_up_);  // before a connection is opened for them
    connections_.turn(now);
    reports_.flush_due(now);
    if (!given_up_ && waiting() > 0 && connections_.all_out()) {
      given_up_ = relays_.why_out();
      why_out_ = reply_to_text(relays_.last_words());
    }
    if (given_up_) leave_pending(*given_up_);
    keep(ledger_.sync_if_due(now_));
    const bool reads = until == Until::readable && state_;
    if (!state_) {
      stop(now, state_.error().text);
      if (window_.in_flight() == 0) return why_stopped();
    } else if (reads && now >= end_of_input(begin)) {
      readable_ = false;
      return {};
    } else if (reached(until)) {
      return {};
    }
    progress_.show({delivered_, left_, refused_}, now);
    const bool comes_back = progress_.shown() || ledger_.owes_sync();
    Clock::time_point latest = now + (comes_back ? 1s : 3600s);
    if (deadline_ && !stopped_) latest = std::min(latest, *deadline_);
    if (reads) latest = std::min(latest, end_of_input(begin));
    readable_ = connections_.wait(reads ? 0 : -1, latest, interruptions_.while_asleep());
  }
}

// No more of it is waited for then.
Clock::time_point Sender::end_of_input(Clock::time_point waiting_since) const {
  if (!stopped_) return Clock::time_point::max();
  return std::min(std::max(*stopped_, waiting_since) + patience_with_silence,
                  *stopped_ + patience_with_input);
}

bool Sender::reached(Until until) const {
  switch (until) {
    case Until::readable: return readable_;
    case Until::room: return !window_.is_full();
    case Until::settled: return window_.is_empty();
    case Until::parted: return connections_.none();
  }
  return true;
}

bool Sender::next(Transaction& transaction, WireForm form, std::size_t limit,
                  const Needs& elsewhere) {
  transaction.recipients.clear();
  if (given_up_ || (elsewhere.eight_bit && letter_.has_8bit())) return false;
  // Of a personal one about the size: its slots have still to be filled.
  if (elsewhere.sizes.any() && elsewhere.sizes.has(letter_.shared(form).size)) return false;
  transaction.dsn = envelopes_.dsn();
  if (!letter_.is_personal()) {
    transaction.message = &letter_.shared(form);
    return window_.next(transaction, limit, elsewhere);
  }
  while (window_.next(transaction, limit, elsewhere)) {
    if (fill_copy(transaction, form)) return true;
  }
  return false;
}

// Its only recipient's copy; false: there can be none, and the recipient is left.
bool Sender::fill_copy(Transaction& transaction, WireForm form) {
  const auto place = transaction.recipients.front().id;
  Waiting& one = window_[place];
  if (!one.copy) one.copy = std::make_unique<Letter::Copy>();
  transaction.message = &one.copy->message;
  const auto filled = letter_.fill(*one.copy, form, one.rcpt.address, one.rcpt.attributes);
  if (filled) return true;
  --one.tries;  // nobody was asked
  ++without_copy_;
  leave(one, local_reply(554, {5, 6, 0}, filled.error().text));
  window_.settle(place);
  transaction.recipients.clear();
  return false;
}

void Sender::stop(Clock::time_point now, std::string_view why) {
  if (stopped_) return;
  stopped_ = now;
  if (given_up_) return;
  given_up_ = local_reply(451, {4, 3, 2}, why);
  if (window_.in_flight() == 0) return connections_.finish({now, now});
  connections_.finish({now + patience_when_in_doubt, now + patience_when_stopped});
}

// ---- fates

void Sender::settled(std::uint64_t id, Fate fate, const Reply& reply, std::size_t relay) {
  Waiting& one = window_[id];
  const bool lost = fate == Fate::unanswered;
  if (lost && !one.doubted) {
    one.doubted = true;
    ++doubted_;
    log(fmt::format("{} may get it twice: no reply came to the message ({})", one.rcpt.address,
                    reply_to_text(reply)));
  } else if (lost) {
    fate = Fate::left;
  }
  const bool comes_back = fate == Fate::again || fate == Fate::misunderstood;
  if (comes_back && one.tries >= most_tries) fate = Fate::left;
  switch (fate) {
    case Fate::delivered:
      ++delivered_;
      note(one, Outcome::delivered, relays_.relay(relay).name, reply);
      keep(ledger_.delivered(party_of(one), relays_.relay(relay).name, reply, now_));
      break;
    case Fate::refused: refuse(one, reply, relay); break;
    case Fate::left: leave(one, reply, relay); break;
    case Fate::misunderstood: one.lockstep = true; [[fallthrough]];
    case Fate::again:
    case Fate::unanswered: return window_.come_back(id);
  }
  window_.settle(id);
}

void Sender::leave_pending(const Reply& reply) {
  for (const auto place : window_.take_all()) {
    leave(window_[place], reply);
    window_.drop(place);
  }
}

void Sender::leave(Waiting& one, const Reply& reply, std::optional<std::size_t> relay) {
  ++left_;
  reasons_.add(reply);
  add_reply(one, reply, relay);
  const std::string_view name = relay ? std::string_view(relays_.relay(*relay).name) : "-";
  note(one, one.doubted ? Outcome::unanswered : Outcome::deferred, name, reply);
  keep(ledger_.left(party_of(one), name, reply,
                    one.doubted ? Ledger::Doubt::unanswered : Ledger::Doubt::none, now_));
}

void Sender::refuse(Waiting& one, const Reply& reply, std::size_t relay) {
  ++refused_;
  add_reply(one, reply, relay);
  note(one, Outcome::refused, relays_.relay(relay).name, reply);
  keep(ledger_.refused(party_of(one), relay, relays_.relay(relay).name, reply, now_));
}

void Sender::add_reply(Waiting& one, const Reply& reply, std::optional<std::size_t> relay) const {
  const auto before = number(one.rcpt.attributes.raw("attempts").value_or("")).value_or(0);
  const auto set = [&](std::string_view key, std::string_view value) {
    one.replied = with_attribute(one.rcpt.attributes, key, value);
    one.rcpt.attributes = Attributes(one.replied);
  };
  set("status", status_of(reply));
  set("reply", reply_to_text(reply));
  if (before + one.tries > 0) set("attempts", fmt::format_int(before + one.tries).c_str());
  if (relay) set("relay", relays_.relay(*relay).name);
}

void Sender::keep(Result<> kept) {
  if (state_ && !kept) state_ = std::move(kept);
}

// The left are in no file: whoever has no outcome in the journal is left.
Failure Sender::why_stopped() const {
  const bool has_journal = options_.ledger.journaling == Journaling::on;
  return retry("{}; stopped, {} delivered{}", state_.error().text, delivered_,
               has_journal ? "; the same again goes on" : "");
}

// ---- the end

// Whoever has not come is the caller's, as where a stream is cut.
Result<Status> Sender::cut_short() {
  if (auto served = serve(Until::settled); !served) return fail(served);
  end_section({static_cast<int>(Status::retry),
               "the stream is cut: it did not end when the delivery was over", true});
  return conclude();
}

Result<Status> Sender::conclude() {
  const auto latest = Clock::now() + patience_at_goodbye;
  connections_.finish({latest, latest});
  if (auto served = serve(Until::parted); !served) return fail(served);
  const auto settled = finish_sections();
  is_concluded_ = settled.has_value();
  progress_.end({delivered_, left_, refused_});
  if (doubted_ > 0) log(fmt::format("{} of {} may have got it twice", doubted_, seen_));
  if (!settled) {
    if (verdict_.failed()) log(settled.error().text);
    verdict_.add(settled.error());
  }
  tell(handed_over_);
  return verdict_.result();
}

// Whoever takes what is on standard output for all that is left, as ml-queue does for an entry, is
// told by an end where it is not: others are left, or the refused stand there too.
Result<> Sender::close_output(const Result<Status>& sent) const {
  const bool has_left = options_.ledger.undelivered == "-";
  const bool has_refused = options_.ledger.refused == "-";
  if ((!has_left && !has_refused) || (sent && *sent == Status::done)) return {};
  if (has_left && !has_refused && is_concluded_ && is_whole_ && is_kept_) return {};
  Writer out(1);
  out.end(Status::retry, "not all who are left stand here, or not they alone");
  return out.flush();
}

// The last of them, and with them the file of the left.
Result<> Sender::finish_sections() {
  if (auto settled = settle_sections(); !settled || !is_kept_) return settled;
  const auto others = ledger_.finish(is_whole_ ? Whole::yes : Whole::no);
  if (!others) return fail(others);
  if (*others > 0) {
    log(fmt::format("{} keeps what is left of others: {} section{}", *options_.ledger.undelivered,
                    *others, *others == 1 ? "" : "s"));
  }
  return {};
}

// Whatever became of the sections so far is on disk and handed over when this returns.
Result<> Sender::settle_sections() {
  auto done = ledger_.conclude(
      [this](std::size_t relay) { return relay < relays_.size() && relays_.blown(relay); }, now_);
  if (!done) return fail(done);
  left_ += refused_ - handed_over_.refused - done->refused;
  refused_ = handed_over_.refused += done->refused;
  handed_over_.left += done->left;
  handed_over_.queued += done->queued;
  if (done->refused > 0) handed_over_.refused_to = std::move(done->refused_to);
  if (done->left > 0) handed_over_.left_to = std::move(done->left_to);
  return {};
}

void Sender::tell(const Ledger::Conclusion& all) {
  const auto& asked = options_.ledger.refused;
  const bool is_where_asked = asked && (*asked != "queue" || all.refused_to == queue_of_refused);
  if (all.refused > 0 && !all.refused_to.empty() && !is_where_asked) {
    log(fmt::format("{} of {} refused: {}", all.refused, seen_, all.refused_to));
  }
  const std::string why = why_blown();
  const auto left = [&](std::uint64_t count) {
    const std::string reason = why.empty() ? reasons_.text(all.left + all.queued) : std::string();
    return fmt::format("{}{} of {} left{}", why, count, seen_, reason);
  };
  if (all.queued > 0) log(left(all.queued) + ": the queue outbound");
  if (all.left == 0) return;
  std::string line = left(all.left);
  // The same again would fail in the same way.
  const bool is_hopeless = without_copy_ >= all.left + all.queued;
  if (is_hopeless) {
    if (!all.left_to.empty()) line += fmt::format("; they are in {}", all.left_to);
  } else if (!all.left_to.empty()) {
    line += fmt::format("; go on with: {} <{}", options_.go_on, text_to_shell_word(all.left_to));
  } else if (!options_.ledger.undelivered) {
    // Of all that is said here, a queue keeps this line.
    if (!why_out_.empty()) line += fmt::format(" ({})", why_out_);
    line += "; the same again goes on";
  }
  if (without_copy_ > 0) {
    line += fmt::format("; {} need{} values for the slots: mend those and run the whole again",
                        without_copy_, without_copy_ == 1 ? "s" : "");
  }
  verdict_.add({Status::retry, line});
}

std::string Sender::why_blown() const {
  for (std::size_t i = 0; i < relays_.size(); ++i) {
    if (relays_.blown(i)) {
      return fmt::format("stopped: {} (--no-fuse goes on all the same); ", relays_.why_blown(i));
    }
  }
  return {};
}

}  // namespace

Result<Status> send(Reader& in, SendOptions options) {
  const bool trial = std::ranges::none_of(options.relays, [](const Relay& relay) {
    return relay.is_dialogue() || relay.scheme == Scheme::sendmail;
  });
  if (trial) options.ledger.journaling = Journaling::off;
  for (const auto& made : {dsn_mail_parameters(options.envelopes.ret, {}),
                           dsn_rcpt_parameters(options.envelopes.notify, {})}) {
    if (!made) return retry("--{}", made.error().text);
  }
  // Before signals wait to be let in: whoever opens a pipe may wait for its reader.
  Ledger ledger(options.ledger);
  if (auto opened = ledger.open(); !opened) return fail(opened);
  Sender sender(in, std::move(options), ledger);
  if (auto opened = sender.open(); !opened) return fail(opened);
  return sender.run();
}

}  // namespace ml
