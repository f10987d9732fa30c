#include "stage/send.hpp"

#include <algorithm>
#include <csignal>
#include <ctime>
#include <deque>
#include <memory>
#include <string_view>
#include <utility>

#include "base/diag.hpp"
#include "base/interruptions.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/dsn_request.hpp"
#include "smtp/connections.hpp"
#include "stage/handover.hpp"
#include "stage/letter.hpp"
#include "stage/log.hpp"
#include "stage/recipient_log.hpp"
#include "stage/send_metrics.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

using namespace std::chrono_literals;

// Recipients in memory: with transactions of their own, and of one sender, to fill large ones with.
constexpr std::size_t most_waiting = 2000;
constexpr std::size_t most_waiting_shared = 20'000;
constexpr unsigned most_tries = 10;  // of one recipient in one run
constexpr auto patience_when_stopped = 30s;
constexpr auto patience_at_goodbye = 5s;
constexpr auto pause_between_metrics = 10s;
constexpr auto pause_between_signals = 100ms;

// A recipient in the window.
struct Waiting {
  std::string line;  // of the stream; what follows are views, mostly into it
  std::string_view address;
  std::string_view sender;  // "-" and "<>" as well
  std::string_view attributes;
  std::string_view wire_address;
  std::string_view wire_sender;
  std::string spelled_address;  // for the wire, where that is another spelling
  std::string spelled_sender;
  std::string replied;  // the attributes with what became of it
  std::optional<SlotNumber> slot;
  bool smtputf8 = false;
  bool doubted = false;  // the relay's reply to the message was lost once
  std::string dsn;       // parameters of its RCPT
  unsigned tries = 0;
  std::unique_ptr<Letter::Copy> copy;  // made when it is needed, its room used again

  [[nodiscard]] Ledger::Party party() const { return {address, sender, attributes, slot}; }
};

// An address as the wire may have it, or why it may not: `text` itself, or made in `room`.
// `smtputf8` is set where it needs that.
Result<std::string_view> text_to_wire_address(std::string_view text, std::string& room,
                                              bool& smtputf8) {
  if (plain_at(text)) return text;
  auto address = text_to_address(text);
  if (!address) return fail(address);
  smtputf8 = smtputf8 || needs_smtputf8(*address);
  room = address_to_text(*address);
  return room;
}

// What Postfix takes by default (verp_delimiter_filter).
bool is_delimiters(std::string_view text) {
  return text.size() == 2 && text.find_first_not_of("-=+") == std::string_view::npos;
}

std::string status_of(const Reply& reply) {
  if (reply.enhanced.kind != 0) return enhanced_code_to_text(reply.enhanced);
  return reply.permanent() ? "5.0.0" : "4.0.0";
}

class Sender : public Source {
 public:
  Sender(Reader& in, SendOptions options)
      : in_(in),
        options_(std::move(options)),
        relays_(options_.relays, options_.terms),
        connections_(relays_, *this, {.rate = options_.rate}),
        ledger_(options_.ledger),
        progress_(options_.progress) {
    if (options_.metrics) metrics_.emplace(*options_.metrics);
    if (options_.lasting) deadline_ = Clock::now() + *options_.lasting;
  }

  // 75 where what was asked for cannot be written.
  [[nodiscard]] Result<> open_reports();
  Result<Status> run();
  // Writes what is due of log and metrics; says once that one of them cannot be written.
  enum class Due { now, all };
  void report(Due due, Clock::time_point now);

  [[nodiscard]] bool next(Transaction& transaction, WireForm form, std::size_t limit) override;
  [[nodiscard]] std::size_t waiting() const override { return pending_.size() + returned_.size(); }
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
  void end_section();
  void bar_section(const Error& why);
  void read_message_sender();
  void take_rcpt();
  [[nodiscard]] bool admit(Waiting& one);
  [[nodiscard]] std::size_t take_place();
  [[nodiscard]] std::optional<Reply> why_not_from(Waiting& one);
  void read_dsn(const MessageRecord& record);
  [[nodiscard]] std::optional<Reply> why_not_notified(Waiting& one);

  [[nodiscard]] Result<> serve(Until until);
  [[nodiscard]] bool reached(Until until) const;
  [[nodiscard]] std::size_t room() const {
    return shares_sender_ && !letter_.is_personal() ? most_waiting_shared : most_waiting;
  }
  void stop(Clock::time_point now, std::string why);
  [[nodiscard]] std::string_view xverp_of(const Waiting& one) const {
    return one.sender == "-" ? std::string_view(xverp_) : std::string_view();
  }
  [[nodiscard]] bool take_first(Transaction& transaction, WireForm form, std::size_t limit);

  void leave_pending(const Reply& reply);
  void leave(Waiting& one, const Reply& reply, std::optional<std::size_t> relay = {});
  void refuse(Waiting& one, const Reply& reply, std::size_t relay);
  void add_reply(Waiting& one, const Reply& reply, std::optional<std::size_t> relay) const;
  void keep(Result<> kept);
  void note(const Waiting& one, Outcome outcome, std::string_view relay, const Reply& reply) {
    if (recipient_log_ || metrics_) note_down(one, outcome, relay, reply);
  }
  void note_down(const Waiting& one, Outcome outcome, std::string_view relay, const Reply& reply);

  [[nodiscard]] Result<Status> conclude();
  [[nodiscard]] Result<> settle_sections();
  void tell(const Ledger::Conclusion& conclusion);
  [[nodiscard]] std::string command_to_go_on() const;
  [[nodiscard]] std::string why_blown() const;

  Reader& in_;
  const SendOptions options_;
  Interruptions interruptions_;
  Clock::time_point signals_due_ = Clock::time_point::min();
  Relays relays_;
  Connections connections_;
  Ledger ledger_;
  ProgressLine progress_;
  std::optional<RecipientLog> recipient_log_;
  std::optional<SendMetrics> metrics_;
  Clock::time_point metrics_due_ = Clock::now() + pause_between_metrics;
  Verdict verdict_;
  std::int64_t now_ = std::time(nullptr);  // of this turn
  std::optional<Clock::time_point> deadline_;

  std::string id_;            // of the section
  std::string message_line_;  // and all of it that the ledger keeps
  std::string message_sender_;
  std::string spelled_message_sender_;  // for the wire, where that is another spelling
  std::string_view message_wire_sender_;
  bool message_sender_smtputf8_ = false;
  std::optional<Reply> no_message_sender_;  // why it cannot be
  std::string xverp_;  // delimiters, for recipients that have the message's sender
  std::string dsn_;    // parameters of its MAIL
  std::optional<std::string> notify_;
  Letter letter_;
  std::optional<Reply> unsendable_;  // why nobody can get this message
  bool is_barred_ = false;           // nobody of it is sent to or kept
  bool is_done_ = false;             // everybody has it
  std::uint64_t section_seen_ = 0;
  std::uint64_t section_skipped_ = 0;

  std::deque<Waiting> window_;  // grows without moving: views into it are on their way
  std::vector<std::size_t> free_;
  std::deque<std::size_t> pending_;
  bool shares_sender_ = false;         // the newest of them has the message's own
  std::vector<std::size_t> returned_;  // to be offered again, before those who wait
  std::size_t in_flight_ = 0;

  std::optional<Reply> given_up_;  // no relay is left, or we were told to stop
  bool readable_ = false;
  Result<> state_;  // what keeps account of them has failed

  std::uint64_t seen_ = 0;
  std::uint64_t delivered_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t doubted_ = 0;
  Ledger::Conclusion handed_over_;  // of all sections so far
};

// ---- the stream

Result<Status> Sender::run() {
  for (;;) {
    if (!in_.ready()) {
      if (auto served = serve(Until::readable); !served) return fail(served);
    }
    switch (in_.next()) {
      case Record::message:
        if (ledger_.must_conclude_before(in_.message().id)) {
          if (auto settled = settle_sections(); !settled) verdict_.add(settled.error());
        }
        begin_section();
        break;
      case Record::rcpt: take_rcpt(); break;
      case Record::end:
        if (auto served = serve(Until::settled); !served) return fail(served);
        end_section();
        break;
      case Record::none: return conclude();
    }
    if (in_flight_ + pending_.size() >= room()) {
      if (auto served = serve(Until::room); !served) return fail(served);
    }
  }
}

void Sender::begin_section() {
  const MessageRecord& record = in_.message();
  id_ = record.id;
  message_line_ = in_.line();
  message_sender_ = record.sender;
  xverp_ = record.attributes.value("ml.xverp").value_or("");
  read_message_sender();
  unsendable_.reset();
  is_barred_ = is_done_ = false;
  section_seen_ = section_skipped_ = 0;
  auto text = decoded_message(record);
  if (!text) return bar_section(text.error());
  if (auto read = letter_.read(std::move(*text), record.attributes.value(slots_attribute)); !read) {
    unsendable_ = local_reply(554, {5, 6, 0}, read.error().text);
  }
  if (!xverp_.empty() && !is_delimiters(xverp_)) {
    unsendable_ = local_reply(554, {5, 6, 0}, "ml.xverp= is not two of - = +");
  }
  read_dsn(record);
  const auto sent_before = ledger_.begin(record, message_line_, letter_.text(), now_);
  if (!sent_before) return bar_section(sent_before.error());
  if (!*sent_before) return;
  is_done_ = true;
  log(fmt::format("{} was sent on {} to {}: nothing to do", id_, time_to_text((*sent_before)->time),
                  (*sent_before)->totals.delivered));
}

void Sender::read_message_sender() {
  message_sender_smtputf8_ = false;
  no_message_sender_.reset();
  message_wire_sender_ = {};
  if (message_sender_ == "<>") return;
  const auto wire =
      text_to_wire_address(message_sender_, spelled_message_sender_, message_sender_smtputf8_);
  if (wire) message_wire_sender_ = *wire;
  if (!wire) no_message_sender_ = local_reply(553, {5, 1, 7}, wire.error().text);
}

// What the stream says goes before what the options say. Where anything is asked for, the notices
// name the message by its id.
void Sender::read_dsn(const MessageRecord& record) {
  const auto asked = [&](std::string_view key, const std::optional<std::string>& otherwise) {
    auto value = record.attributes.value(key);
    return value ? value : otherwise;
  };
  notify_ = asked("ml.notify", options_.notify);
  const auto ret = asked("ml.ret", options_.ret);
  const auto named = ret || notify_ ? std::optional(id_) : std::nullopt;
  auto made = dsn_mail_parameters(ret, asked("ml.envid", named));
  if (!made) unsendable_ = local_reply(554, {5, 5, 4}, "ml." + made.error().text);
  dsn_ = made ? std::move(*made) : std::string();
}

// Its recipients are passed over: they are somebody else's, or nobody could be sent to.
void Sender::bar_section(const Error& why) {
  is_barred_ = true;
  verdict_.add(why);
}

void Sender::end_section() {
  const EndRecord& end = in_.end();
  verdict_.add(end);
  if (!id_.empty() && !is_barred_) ledger_.end(end.status == 0 ? Ended::well : Ended::badly);
  if (section_skipped_ > 0) {
    log(fmt::format("{} of {} already have {}; --again sends anyway", section_skipped_,
                    section_seen_, id_));
  }
  if (!is_barred_ && letter_.was_recoded()) {
    log(fmt::format("{}: to relays without 8BITMIME its 8-bit text went encoded", id_));
  }
  id_.clear();
}

void Sender::take_rcpt() {
  ++seen_;
  ++section_seen_;
  if (is_done_) return;
  if (is_barred_) {
    ++left_;
    return;
  }
  const std::size_t index = take_place();
  Waiting& one = window_[index];
  one.line = in_.line();
  const auto kept = [&](std::string_view field) {
    if (field.empty()) return std::string_view();  // it may be nowhere
    return std::string_view(one.line).substr(
        static_cast<std::size_t>(field.data() - in_.line().data()), field.size());
  };
  const RcptRecord& rcpt = in_.rcpt();
  one.address = kept(rcpt.address);
  one.sender = kept(rcpt.sender);
  one.attributes = kept(rcpt.attributes.text());
  one.smtputf8 = one.doubted = false;
  one.tries = 0;
  one.slot.reset();
  if (admit(one)) {
    pending_.push_back(index);
  } else {
    free_.push_back(index);
  }
}

// False: it is settled, for it cannot be sent to or has the message.
bool Sender::admit(Waiting& one) {
  const auto wire = text_to_wire_address(one.address, one.spelled_address, one.smtputf8);
  one.wire_address = wire ? *wire : one.address;
  const auto claim = ledger_.claim(one.wire_address);
  if (!claim) {
    keep(fail(claim));
    return false;
  }
  one.slot = claim->slot;
  if (claim->kind == Ledger::Claim::Kind::refused_earlier) {
    ++refused_;
    add_reply(one, local_reply(550, {5, 1, 0}, "refused in an earlier run"), {});
    keep(ledger_.refused_earlier(one.party()));
    return false;
  }
  if (claim->kind == Ledger::Claim::Kind::done) {
    ++section_skipped_;
    return false;
  }
  std::optional<Reply> why = why_not_from(one);
  if (!why && !wire) why = local_reply(553, {5, 1, 3}, wire.error().text);
  if (!why) why = unsendable_ ? unsendable_ : given_up_;
  if (!why) why = why_not_notified(one);
  if (claim->unanswered) {
    one.doubted = true;
    const bool holds = options_.unanswered == Unanswered::hold;
    if (holds) why = local_reply(451, {4, 4, 2}, "unanswered in an earlier run");
    if (!holds) ++doubted_;
    log(fmt::format("{} {}: an earlier run ended before the relay answered", one.address,
                    holds ? "may have got it" : "may get it twice"));
  }
  if (why) leave(one, *why);
  return !why;
}

std::size_t Sender::take_place() {
  if (free_.empty()) {
    window_.emplace_back();
    return window_.size() - 1;
  }
  const std::size_t index = free_.back();
  free_.pop_back();
  return index;
}

// Finds its sender for the wire; a reply that says why there is none.
std::optional<Reply> Sender::why_not_from(Waiting& one) {
  shares_sender_ = one.sender == "-";
  if (shares_sender_) {
    one.wire_sender = message_wire_sender_;
    one.smtputf8 = one.smtputf8 || message_sender_smtputf8_;
    return no_message_sender_;
  }
  one.wire_sender = {};
  if (one.sender == "<>") return std::nullopt;
  const auto wire = text_to_wire_address(one.sender, one.spelled_sender, one.smtputf8);
  if (!wire) return local_reply(553, {5, 1, 7}, wire.error().text);
  one.wire_sender = *wire;
  return std::nullopt;
}

// Finds what its RCPT says about notices; a reply that says why that cannot be said.
std::optional<Reply> Sender::why_not_notified(Waiting& one) {
  one.dsn.clear();
  if (!notify_ && one.attributes.find("ml.") == std::string_view::npos) return std::nullopt;
  const Attributes attributes(one.attributes);
  auto notify = attributes.value("ml.notify");
  if (!notify) notify = notify_;
  auto original = attributes.value("ml.orcpt");
  const bool is_told = notify && !same_nocase(*notify, "never");
  if (!original && is_told && is_ascii(one.address))
    original = fmt::format("rfc822;{}", one.address);
  auto made = dsn_rcpt_parameters(notify, original);
  if (!made) return local_reply(554, {5, 5, 4}, "ml." + made.error().text);
  one.dsn = std::move(*made);
  return std::nullopt;
}

// ---- the work

Result<> Sender::serve(Until until) {
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
    report(Due::now, now);
    if (!given_up_ && waiting() > 0 && connections_.all_out()) given_up_ = relays_.why_out();
    if (given_up_) leave_pending(*given_up_);
    keep(ledger_.sync_if_due(now_));
    if (!state_) return state_;
    if (reached(until)) return {};
    progress_.show({delivered_, left_, refused_}, now);
    Clock::time_point latest = now + (progress_.shown() ? 1s : 3600s);
    if (deadline_ && !given_up_) latest = std::min(latest, *deadline_);
    readable_ =
        connections_.wait(until == Until::readable ? 0 : -1, latest, interruptions_.while_asleep());
  }
}

bool Sender::reached(Until until) const {
  switch (until) {
    case Until::readable: return readable_;
    case Until::room: return in_flight_ + waiting() < room();
    case Until::settled: return in_flight_ == 0 && waiting() == 0;
    case Until::parted: return connections_.none();
  }
  return true;
}

// Those at the front who share sender and needs, as many as one transaction takes; of a personal
// message one.
bool Sender::next(Transaction& transaction, WireForm form, std::size_t limit) {
  if (!returned_.empty()) {
    pending_.insert(pending_.begin(), returned_.begin(), returned_.end());
    returned_.clear();
  }
  transaction.recipients.clear();
  while (!pending_.empty() && !given_up_ &&
         take_first(transaction, form, letter_.is_personal() ? 1 : limit)) {}
  in_flight_ += transaction.recipients.size();
  return !transaction.recipients.empty();
}

// Takes the first of those who wait into the transaction; false if it does not belong there.
bool Sender::take_first(Transaction& transaction, WireForm form, std::size_t limit) {
  const std::size_t index = pending_.front();
  Waiting& one = window_[index];
  if (transaction.recipients.size() == limit) return false;
  if (transaction.recipients.empty()) {
    transaction.sender = one.wire_sender;
    transaction.needs_smtputf8 = one.smtputf8;
    transaction.xverp = xverp_of(one);
    transaction.dsn = dsn_;
    transaction.message = &letter_.shared(form);
  } else if (one.wire_sender != transaction.sender || xverp_of(one) != transaction.xverp ||
             one.smtputf8 != transaction.needs_smtputf8) {
    return false;
  }
  pending_.pop_front();
  if (letter_.is_personal()) {
    if (!one.copy) one.copy = std::make_unique<Letter::Copy>();
    if (auto filled = letter_.fill(*one.copy, form, one.address, Attributes(one.attributes));
        !filled) {
      leave(one, local_reply(554, {5, 6, 0}, filled.error().text));
      free_.push_back(index);
      return true;
    }
    transaction.message = &one.copy->message;
  }
  ++one.tries;
  transaction.recipients.push_back({index, one.wire_address, one.dsn});
  return true;
}

void Sender::stop(Clock::time_point now, std::string why) {
  if (given_up_) return;
  given_up_ = local_reply(451, {4, 3, 2}, std::move(why));
  connections_.finish(in_flight_ == 0 ? now : now + patience_when_stopped);
}

// ---- fates

void Sender::settled(std::uint64_t id, Fate fate, const Reply& reply, std::size_t relay) {
  Waiting& one = window_[id];
  --in_flight_;
  const bool lost = fate == Fate::unanswered;
  if (lost && !one.doubted) {
    one.doubted = true;
    ++doubted_;
    log(fmt::format("{} may get it twice: no reply came to the message ({})", one.address,
                    reply_to_text(reply)));
  } else if (lost) {
    fate = Fate::left;
  }
  if (fate == Fate::again && one.tries >= most_tries) fate = Fate::left;
  switch (fate) {
    case Fate::delivered:
      ++delivered_;
      note(one, Outcome::delivered, relays_.relay(relay).name, reply);
      keep(ledger_.delivered(one.party(), relays_.relay(relay).name, reply, now_));
      break;
    case Fate::refused: refuse(one, reply, relay); break;
    case Fate::left: leave(one, reply, relay); break;
    case Fate::again:
    case Fate::unanswered: returned_.push_back(id); return;
  }
  free_.push_back(id);
}

void Sender::leave_pending(const Reply& reply) {
  pending_.insert(pending_.end(), returned_.begin(), returned_.end());
  returned_.clear();
  for (const std::size_t index : pending_) {
    leave(window_[index], reply);
    free_.push_back(index);
  }
  pending_.clear();
}

void Sender::leave(Waiting& one, const Reply& reply, std::optional<std::size_t> relay) {
  ++left_;
  add_reply(one, reply, relay);
  const std::string_view name = relay ? std::string_view(relays_.relay(*relay).name) : "-";
  note(one, one.doubted ? Outcome::unanswered : Outcome::deferred, name, reply);
  keep(ledger_.left(one.party(), name, reply,
                    one.doubted ? Ledger::Doubt::unanswered : Ledger::Doubt::none, now_));
}

void Sender::refuse(Waiting& one, const Reply& reply, std::size_t relay) {
  ++refused_;
  add_reply(one, reply, relay);
  note(one, Outcome::refused, relays_.relay(relay).name, reply);
  keep(ledger_.refused(one.party(), relay, relays_.relay(relay).name, reply, now_));
}

void Sender::add_reply(Waiting& one, const Reply& reply, std::optional<std::size_t> relay) const {
  const auto before = number(Attributes(one.attributes).raw("attempts").value_or("")).value_or(0);
  const auto set = [&](std::string_view key, std::string_view value) {
    one.replied = with_attribute(Attributes(one.attributes), key, value);
    one.attributes = one.replied;
  };
  set("status", status_of(reply));
  set("reply", reply_to_text(reply));
  if (before + one.tries > 0) set("attempts", fmt::format_int(before + one.tries).c_str());
  if (relay) set("relay", relays_.relay(*relay).name);
}

void Sender::keep(Result<> kept) {
  if (state_ && !kept) state_ = std::move(kept);
}

// ---- for others

Result<> Sender::open_reports() {
  if (options_.recipient_log) {
    auto opened = RecipientLog::open(*options_.recipient_log);
    if (!opened) return fail(opened);
    recipient_log_.emplace(std::move(*opened));
  }
  return metrics_ ? metrics_->write() : Result<>();
}

void Sender::note_down(const Waiting& one, Outcome outcome, std::string_view relay,
                       const Reply& reply) {
  if (recipient_log_) {
    recipient_log_->add(one.address, outcome_to_text(outcome), now_, relay, reply, id_);
  }
  if (metrics_) metrics_->count(relay, outcome_to_text(outcome), reply);
}

void Sender::report(Due due, Clock::time_point now) {
  if (recipient_log_) {
    if (auto flushed = recipient_log_->flush(); !flushed) {
      say(flushed.error().text + "; no more recipients are logged");
      recipient_log_.reset();
    }
  }
  if (!metrics_ || (due == Due::now && now < metrics_due_)) return;
  metrics_due_ = now + pause_between_metrics;
  if (auto written = metrics_->write(); !written) {
    say(written.error().text + "; no more metrics are written");
    metrics_.reset();
  }
}

// ---- the end

Result<Status> Sender::conclude() {
  connections_.finish(Clock::now() + patience_at_goodbye);
  if (auto served = serve(Until::parted); !served) return fail(served);
  const auto settled = settle_sections();
  progress_.end({delivered_, left_, refused_});
  if (doubted_ > 0) log(fmt::format("{} of {} may have got it twice", doubted_, seen_));
  if (!settled) {
    if (verdict_.failed()) log(settled.error().text);
    verdict_.add(settled.error());
  }
  tell(handed_over_);
  report(Due::all, Clock::now());
  if (Interruptions::caught() == SIGINT) {
    static_cast<void>(ml::leave(verdict_.result()));
    raise(SIGINT);
  }
  return verdict_.result();
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
  if (all.refused > 0 && !all.refused_to.empty() && !options_.ledger.refused) {
    log(fmt::format("{} of {} refused: {}", all.refused, seen_, all.refused_to));
  }
  const std::string why = why_blown();
  if (all.queued > 0) {
    log(fmt::format("{}{} of {} left: the queue outbound", why, all.queued, seen_));
  }
  if (all.left == 0) return;
  std::string line = fmt::format("{}{} of {} left", why, all.left, seen_);
  if (!all.left_to.empty()) {
    line += fmt::format("; go on with: {} <{}", command_to_go_on(), all.left_to);
  } else if (!options_.ledger.undelivered) {
    line += "; the same again goes on";
  }
  verdict_.add({Status::retry, line});
}

// What people type, with what a shell would take for its own in quotes.
std::string Sender::command_to_go_on() const {
  std::string command = "ml-send";
  const auto add = [&](const std::string& word) {
    const bool plain = word.find_first_of(" &?*;|<>()$`\"'\\[]") == std::string::npos;
    command += fmt::format(" {0}{1}{0}", plain ? "" : "'", word);
  };
  std::string_view before;  // one that was looked up may have become many
  for (const Relay& relay : options_.relays) {
    if (std::exchange(before, relay.uri) == relay.uri) continue;
    command += " --via";
    add(relay.uri);
  }
  for (const std::string& word : options_.to_go_on) add(word);
  return command;
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
  for (const auto& given : {options.ledger.refused, options.ledger.undelivered}) {
    if (given == "queue") continue;
    if (auto checked = check_handover(given); !checked) return fail(checked);
  }
  const bool trial = std::ranges::none_of(options.relays, [](const Relay& relay) {
    return relay.is_dialogue() || relay.scheme == Scheme::sendmail;
  });
  if (trial) options.ledger.journaling = Journaling::off;
  for (const auto& made :
       {dsn_mail_parameters(options.ret, {}), dsn_rcpt_parameters(options.notify, {})}) {
    if (!made) return retry("--{}", made.error().text);
  }
  Sender sender(in, std::move(options));
  if (auto opened = sender.open_reports(); !opened) return fail(opened);
  auto sent = sender.run();
  sender.report(Sender::Due::all, Clock::now());
  return sent;
}

}  // namespace ml
