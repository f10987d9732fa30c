#include "stage/send.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <deque>
#include <memory>
#include <string_view>
#include <utility>

#include "base/diag.hpp"
#include "base/fd.hpp"
#include "base/home.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/slots.hpp"
#include "smtp/outlet.hpp"
#include "smtp/wire.hpp"
#include "stage/handover.hpp"
#include "stage/remains.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_waiting = 2000;  // recipients in memory
constexpr unsigned most_tries = 10;         // of one recipient in one run
constexpr auto patience_when_stopped = 30s;
constexpr auto patience_at_goodbye = 5s;

volatile std::sig_atomic_t caught_signal = 0;

// SIGINT and SIGTERM wait until we sleep, and then end the delivery; the next one ends us. What
// our caller wants ignored stays ignored.
class Interruptions {
 public:
  Interruptions() {
    sigset_t blocked;
    sigemptyset(&blocked);
    for (const int signal : {SIGINT, SIGTERM}) {
      struct sigaction before{};
      sigaction(signal, nullptr, &before);
      if (before.sa_handler == SIG_IGN) continue;
      struct sigaction action{};
      action.sa_handler = [](int number) { caught_signal = number; };
      action.sa_flags = static_cast<int>(SA_RESETHAND);
      sigaction(signal, &action, nullptr);
      sigaddset(&blocked, signal);
    }
    sigprocmask(SIG_BLOCK, &blocked, &while_asleep_);
  }
  Interruptions(const Interruptions&) = delete;
  Interruptions& operator=(const Interruptions&) = delete;
  ~Interruptions() { sigprocmask(SIG_SETMASK, &while_asleep_, nullptr); }

  [[nodiscard]] const sigset_t& while_asleep() const { return while_asleep_; }

 private:
  sigset_t while_asleep_{};
};

// A recipient's own copy of a message with slots.
struct PersonalCopy {
  Filled wire;
  Filled text;
  WireMessage message;
};

// A recipient in the window.
struct Waiting {
  std::string address;     // as the stream has it
  std::string sender;      // the same, "-" and "<>" as well
  std::string attributes;  // escaped
  std::string wire_address;
  std::string wire_sender;
  bool smtputf8 = false;
  bool doubted = false;  // the relay's reply to the message was lost once
  unsigned tries = 0;
  std::unique_ptr<PersonalCopy> copy;  // made when it is needed, its room used again
};

// An address as the wire may have it, or why it may not. `smtputf8` is set where it needs that.
Result<> put_on_wire(std::string& wire, std::string_view text, bool& smtputf8) {
  if (plain_at(text)) {
    wire = text;
    return {};
  }
  auto address = text_to_address(text);
  if (!address) return fail(address);
  smtputf8 = smtputf8 || needs_smtputf8(*address);
  wire = address_to_text(*address);
  return {};
}

std::string status_of(const Reply& reply) {
  if (reply.enhanced.kind != 0) return enhanced_code_to_text(reply.enhanced);
  return reply.permanent() ? "5.0.0" : "4.0.0";
}

// Numbers for a person who waits: a line that is written over on a terminal, else one now and
// then.
class ProgressLine {
 public:
  explicit ProgressLine(ShowProgress show)
      : terminal_(isatty(2) == 1), forced_(show == ShowProgress::yes) {}

  [[nodiscard]] bool shown() const { return terminal_ || forced_; }

  void show(std::uint64_t delivered, std::uint64_t left, std::uint64_t refused,
            Clock::time_point now) {
    if (!shown() || now < next_) return;
    const bool first = next_ == Clock::time_point::min();
    next_ = now + 1s;
    if (first) return;
    written_ = true;
    write(delivered, left, refused, now, terminal_ ? "\r" : "");
  }

  void end(std::uint64_t delivered, std::uint64_t left, std::uint64_t refused) {
    if (!forced_ && !written_) return;  // it was not long
    write(delivered, left, refused, Clock::now(), terminal_ ? "\r" : "");
    if (terminal_) static_cast<void>(write_all(2, "\n", "standard error"));
  }

 private:
  void write(std::uint64_t delivered, std::uint64_t left, std::uint64_t refused,
             Clock::time_point now, std::string_view before) const {
    const double seconds = std::max(std::chrono::duration<double>(now - began_).count(), 0.001);
    const auto line = fmt::format("{}{}: {} delivered, {:.0f}/s, {} left, {} refused{}", before,
                                  program(), delivered, static_cast<double>(delivered) / seconds,
                                  left, refused, terminal_ ? "\x1b[K" : "\n");
    static_cast<void>(write_all(2, line, "standard error"));
  }

  bool terminal_;
  bool forced_;
  bool written_ = false;
  Clock::time_point began_ = Clock::now();
  Clock::time_point next_ = Clock::time_point::min();
};

class Sender : public Outcomes {
 public:
  Sender(Reader& in, const SendOptions& options)
      : in_(in),
        options_(options),
        relays_(options.relays, options.max_wait, options.fuse),
        remains_({home_directory(options.home), "/var/tmp", "/tmp"}),
        progress_(options.progress) {}

  Result<Status> run();
  void settled(std::uint64_t id, Fate fate, const Reply& reply) override;

 private:
  // What serve() waits for.
  enum class Until { readable, room, settled, parted };

  void begin_section();
  void take_rcpt();
  [[nodiscard]] std::size_t take_place();
  [[nodiscard]] Result<> fill(Waiting& one);
  [[nodiscard]] Result<> fill_sender(Waiting& one);

  [[nodiscard]] Result<> serve(Until until);
  [[nodiscard]] bool reached(Until until) const;
  void offer(Clock::time_point now);
  [[nodiscard]] bool open_outlet_now(Clock::time_point now);
  void give_transaction();
  [[nodiscard]] bool take_first(std::size_t limit);
  [[nodiscard]] Result<> fill_copy(Waiting& one);
  void part(Clock::time_point now);
  void wait(Until until, Clock::time_point now);
  [[nodiscard]] Clock::time_point alarm(Clock::time_point now) const;
  void stop(Clock::time_point now);

  void leave_pending(const Reply& reply);
  void leave(Waiting& one, const Reply& reply);
  void refuse(Waiting& one, const Reply& reply);
  [[nodiscard]] std::string with_reply(const Waiting& one, const Reply& reply) const;
  void keep(Result<> kept);

  [[nodiscard]] Result<Status> conclude();
  [[nodiscard]] Result<> write_refused();
  [[nodiscard]] Result<> write_left();
  [[nodiscard]] std::string command_to_go_on() const;
  [[nodiscard]] std::string why_blown() const;
  [[nodiscard]] Remains::Blown blown() const {
    return [this](std::size_t relay) { return relays_.blown(relay); };
  }

  Reader& in_;
  const SendOptions& options_;
  Interruptions interruptions_;
  Relays relays_;
  Remains remains_;
  ProgressLine progress_;
  Verdict verdict_;

  std::string id_;  // of the first section, which names our files
  std::string message_line_;
  std::string message_sender_;
  std::string text_;  // the message
  std::string wire_;
  WireMessage message_;
  struct Slots {
    SlottedMessage wire;
    SlottedMessage text;
  };
  std::optional<Slots> slots_;       // of a message that is personal
  std::optional<Reply> unsendable_;  // why nobody can get this message

  std::deque<Waiting> window_;  // grows without moving: views into it are on their way
  std::vector<std::size_t> free_;
  std::deque<std::size_t> pending_;
  std::vector<std::size_t> returned_;  // to be offered again, before those who wait
  std::size_t in_flight_ = 0;
  std::string last_sender_;  // as the stream has it, found good, with its form for the wire
  std::string last_wire_sender_;
  bool last_sender_smtputf8_ = false;

  std::unique_ptr<Outlet> outlet_;
  std::size_t current_ = 0;  // the relay of outlet_
  Transaction transaction_;  // its room is used again and again
  bool outlet_should_end_ = false;
  std::optional<Reply> given_up_;  // no relay is left, or we were told to stop
  bool readable_ = false;
  Result<> state_;  // what keeps the remains failed

  std::uint64_t seen_ = 0;
  std::uint64_t delivered_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t doubted_ = 0;
};

// ---- the stream

Result<Status> Sender::run() {
  for (;;) {
    if (!in_.ready()) {
      if (auto served = serve(Until::readable); !served) return fail(served);
    }
    switch (in_.next()) {
      case Record::message: begin_section(); break;
      case Record::rcpt: take_rcpt(); break;
      case Record::end:
        if (auto served = serve(Until::settled); !served) return fail(served);
        verdict_.add(in_.end());
        break;
      case Record::none: return conclude();
    }
    if (in_flight_ + pending_.size() >= most_waiting) {
      if (auto served = serve(Until::room); !served) return fail(served);
    }
  }
}

void Sender::begin_section() {
  const MessageRecord& record = in_.message();
  if (id_.empty()) id_ = record.id;
  message_line_ = in_.line();
  message_sender_ = record.sender;
  last_sender_.clear();
  remains_.section(message_line_);
  unsendable_.reset();
  auto text = decoded_message(record);
  if (!text) {
    verdict_.add(text.error());
    unsendable_ = local_reply(554, {5, 6, 0}, "the message is not base64");
    return;
  }
  text_ = std::move(*text);
  if (text_.find('\0') != std::string::npos) {
    unsendable_ = local_reply(554, {5, 6, 0}, "the message holds a NUL");
  }
  wire_ = text_to_wire(text_, Dots::doubled);
  message_ = {{wire_}, wire_.size(), !is_ascii(text_), {text_}};
  slots_.reset();
  const auto nonce = record.attributes.value("ml.slots");
  if (!nonce) return;
  auto in_wire = marked_to_slotted(wire_, *nonce);
  auto in_text = marked_to_slotted(text_, *nonce);
  if (!in_wire || !in_text) {
    unsendable_ = local_reply(554, {5, 6, 0}, (in_wire ? in_text : in_wire).error().text);
    return;
  }
  slots_ = Slots{std::move(*in_wire), std::move(*in_text)};
}

void Sender::take_rcpt() {
  ++seen_;
  const std::size_t index = take_place();
  Waiting& one = window_[index];
  const RcptRecord& rcpt = in_.rcpt();
  one.address = rcpt.address;
  one.sender = rcpt.sender;
  one.attributes = rcpt.attributes.text();
  one.smtputf8 = one.doubted = false;
  one.tries = 0;
  if (unsendable_ || given_up_) {
    leave(one, unsendable_ ? *unsendable_ : *given_up_);
  } else if (const auto filled = fill(one); !filled) {
    leave(one, local_reply(553, {5, 1, 3}, filled.error().text));
  } else if (const auto from = fill_sender(one); !from) {
    leave(one, local_reply(553, {5, 1, 7}, from.error().text));
  } else {
    pending_.push_back(index);
    return;
  }
  free_.push_back(index);
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

Result<> Sender::fill(Waiting& one) {
  return put_on_wire(one.wire_address, one.address, one.smtputf8);
}

// Recipients that share a sender come one after the other: what was found is kept.
Result<> Sender::fill_sender(Waiting& one) {
  if (one.sender != last_sender_) {
    const std::string_view sender = one.sender == "-" ? message_sender_ : one.sender;
    last_sender_.clear();
    last_wire_sender_.clear();
    last_sender_smtputf8_ = false;
    if (sender != "<>") {
      if (auto put = put_on_wire(last_wire_sender_, sender, last_sender_smtputf8_); !put)
        return put;
    }
    last_sender_ = one.sender;
  }
  one.wire_sender = last_wire_sender_;
  one.smtputf8 = one.smtputf8 || last_sender_smtputf8_;
  return {};
}

// ---- the work

Result<> Sender::serve(Until until) {
  readable_ = false;
  for (;;) {
    const auto now = Clock::now();
    if (caught_signal != 0 && !given_up_) stop(now);
    offer(now);
    if (outlet_) outlet_->flush(now);
    if (outlet_ && outlet_->over()) {
      part(now);
      continue;
    }
    if (!state_) return state_;
    if (reached(until)) return {};
    progress_.show(delivered_, left_, refused_, now);
    wait(until, now);
  }
}

bool Sender::reached(Until until) const {
  switch (until) {
    case Until::readable: return readable_;
    case Until::room: return in_flight_ + pending_.size() < most_waiting;
    case Until::settled: return in_flight_ == 0 && pending_.empty();
    case Until::parted: return outlet_ == nullptr;
  }
  return true;
}

// Gives the outlet all that it wants now; where there is none for those who wait, opens one.
void Sender::offer(Clock::time_point now) {
  if (!returned_.empty()) {
    pending_.insert(pending_.begin(), returned_.begin(), returned_.end());
    returned_.clear();
  }
  if (given_up_) leave_pending(*given_up_);
  while (!pending_.empty()) {
    if (!outlet_ && !open_outlet_now(now)) return;
    if (!outlet_->wants()) return;
    give_transaction();
    if (outlet_should_end_) outlet_->finish();
  }
}

// False: nobody can be given away now.
bool Sender::open_outlet_now(Clock::time_point now) {
  const auto index = relays_.pick(now);
  if (!index) {
    if (!relays_.next_chance()) {
      given_up_ = relays_.why_out();
      leave_pending(*given_up_);
    }
    return false;
  }
  current_ = *index;
  outlet_should_end_ = false;
  outlet_ = open_outlet(relays_.relay(current_), relays_.manner(current_), *this);
  return true;
}

// Those at the front who share sender and needs, as many as one transaction takes; of a personal
// message one.
void Sender::give_transaction() {
  const std::size_t asked = outlet_->recipient_limit();
  const std::size_t limit =
      asked > 0 ? asked : std::max<std::size_t>(relays_.recipient_limit(current_), 1);
  transaction_.recipients.clear();
  while (!pending_.empty() && take_first(slots_ ? 1 : limit)) {}
  if (transaction_.recipients.empty()) return;
  in_flight_ += transaction_.recipients.size();
  outlet_->give(transaction_);
}

// Takes the first of those who wait into the transaction; false if it does not belong there.
bool Sender::take_first(std::size_t limit) {
  const std::size_t index = pending_.front();
  Waiting& one = window_[index];
  if (transaction_.recipients.size() == limit) return false;
  if (transaction_.recipients.empty()) {
    transaction_.sender = one.wire_sender;
    transaction_.needs_smtputf8 = one.smtputf8;
    transaction_.message = &message_;
  } else if (one.wire_sender != transaction_.sender ||
             one.smtputf8 != transaction_.needs_smtputf8) {
    return false;
  }
  pending_.pop_front();
  if (slots_) {
    if (auto filled = fill_copy(one); !filled) {
      leave(one, local_reply(554, {5, 6, 0}, filled.error().text));
      free_.push_back(index);
      return true;
    }
    transaction_.message = &one.copy->message;
  }
  ++one.tries;
  transaction_.recipients.push_back({index, one.wire_address});
  return true;
}

// The copy of this recipient, in the form that the outlet takes. `address` is a key of everybody.
Result<> Sender::fill_copy(Waiting& one) {
  if (!one.copy) one.copy = std::make_unique<PersonalCopy>();
  const bool wire = relays_.relay(current_).is_dialogue();
  const SlottedMessage& message = wire ? slots_->wire : slots_->text;
  std::vector<std::optional<std::string>> held;
  std::vector<std::optional<std::string_view>> values;
  held.reserve(message.keys().size());
  for (const std::string& key : message.keys()) {
    auto value = Attributes(one.attributes).value(key);
    if (!value && key == "address") value = one.address;
    held.push_back(std::move(value));
    values.emplace_back(held.back());
  }
  Filled& filled = wire ? one.copy->wire : one.copy->text;
  if (auto done = message.fill(values, filled); !done) return done;
  WireMessage& copy = one.copy->message;
  copy.pieces.clear();
  copy.text.clear();
  copy.size = 0;
  copy.has_8bit = false;
  (wire ? copy.pieces : copy.text) = filled.pieces;
  for (const std::string_view piece : filled.pieces) {
    copy.size += piece.size();
    copy.has_8bit = copy.has_8bit || (message_.has_8bit && !is_ascii(piece));
  }
  return {};
}

void Sender::part(Clock::time_point now) {
  const std::string line = relays_.parted(current_, *outlet_, now);
  if (!line.empty() && !given_up_) log(line);
  outlet_.reset();
}

void Sender::wait(Until until, Clock::time_point now) {
  std::array<pollfd, 2> both{pollfd{until == Until::readable ? 0 : -1, POLLIN, 0},
                             outlet_ ? outlet_->watched() : pollfd{-1, 0, 0}};
  const auto until_alarm = std::max(alarm(now) - now, Clock::duration::zero());
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(until_alarm);
  const timespec timeout{whole.count(), (until_alarm - whole).count()};
  const int count = ppoll(both.data(), both.size(), &timeout, &interruptions_.while_asleep());
  if (count < 0) return;
  readable_ = both[0].revents != 0;
  if (!outlet_) return;
  outlet_->hear(both[1].revents, Clock::now());
  if (outlet_should_end_) outlet_->finish();
}

// When something happens by itself.
Clock::time_point Sender::alarm(Clock::time_point now) const {
  auto earliest = outlet_ ? outlet_->deadline() : Clock::time_point::max();
  if (!outlet_ && !pending_.empty()) {
    earliest = std::min(earliest, relays_.next_chance().value_or(earliest));
  }
  return std::min(earliest, now + (progress_.shown() ? 1s : 3600s));
}

void Sender::stop(Clock::time_point now) {
  given_up_ = local_reply(451, {4, 3, 2}, "the delivery was interrupted");
  if (!outlet_) return;
  if (in_flight_ == 0) return outlet_.reset();
  outlet_->hurry(now + patience_when_stopped);
  outlet_->finish();
}

// ---- fates

void Sender::settled(std::uint64_t id, Fate fate, const Reply& reply) {
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
      relays_.delivered(current_);
      break;
    case Fate::refused:
    case Fate::left:
      if (relays_.failed(current_, fate, reply)) outlet_should_end_ = true;
      fate == Fate::refused ? refuse(one, reply) : leave(one, reply);
      break;
    case Fate::again:
    case Fate::unanswered: returned_.push_back(id); return;
  }
  free_.push_back(id);
}

void Sender::leave_pending(const Reply& reply) {
  for (const std::size_t index : pending_) {
    leave(window_[index], reply);
    free_.push_back(index);
  }
  pending_.clear();
}

void Sender::leave(Waiting& one, const Reply& reply) {
  ++left_;
  keep(remains_.leave(one.address, one.sender, with_reply(one, reply)));
}

void Sender::refuse(Waiting& one, const Reply& reply) {
  ++refused_;
  keep(remains_.refuse(current_, one.address, one.sender, with_reply(one, reply)));
}

std::string Sender::with_reply(const Waiting& one, const Reply& reply) const {
  const auto before = number(Attributes(one.attributes).raw("attempts").value_or("")).value_or(0);
  std::string text = one.attributes;
  const auto set = [&](std::string_view key, std::string_view value) {
    text = with_attribute(Attributes(text), key, value);
  };
  set("status", status_of(reply));
  set("reply", reply_to_text(reply));
  if (before + one.tries > 0) set("attempts", fmt::format_int(before + one.tries).c_str());
  if (one.tries > 0) set("relay", relays_.relay(current_).name);
  return text;
}

void Sender::keep(Result<> kept) {
  if (state_ && !kept) state_ = std::move(kept);
}

// ---- the end

Result<Status> Sender::conclude() {
  if (outlet_) {
    outlet_->hurry(Clock::now() + patience_at_goodbye);
    outlet_->finish();
    const bool broke = outlet_->over() && outlet_->parting() == Parting::relay_refuses;
    if (broke) verdict_.add({Status::retry, outlet_->last_words().text});
    if (auto served = serve(Until::parted); !served) return fail(served);
  }
  const std::uint64_t counting = remains_.refused(blown());
  left_ += refused_ - counting;
  refused_ = counting;
  progress_.end(delivered_, left_, refused_);
  if (doubted_ > 0) log(fmt::format("{} of {} may have got it twice", doubted_, seen_));
  for (const Result<>& written : {write_refused(), write_left()}) {
    if (written) continue;
    if (verdict_.failed()) log(written.error().text);
    verdict_.add(written.error());
  }
  if (caught_signal == SIGINT) {
    static_cast<void>(ml::leave(verdict_.result()));
    raise(SIGINT);
  }
  return verdict_.result();
}

Result<> Sender::write_refused() {
  if (refused_ == 0) return {};
  const auto done = hand_over(options_.refused, options_.home, "refused", id_,
                              [&](Writer& out) { return remains_.write_refused(out, blown()); });
  if (!done) return retry("{} refused recipients are lost to you: {}", refused_, done.error().text);
  if (!options_.refused) log(fmt::format("{} of {} refused: {}", refused_, seen_, done->path));
  return {};
}

Result<> Sender::write_left() {
  if (left_ == 0) return {};
  const auto done = hand_over(options_.undelivered, options_.home, "left", id_,
                              [&](Writer& out) { return remains_.write_left(out, blown()); });
  if (!done) {
    return retry("{} of {} left, and they cannot be kept: {}", left_, seen_, done.error().text);
  }
  const std::string why = why_blown();
  if (done->path.empty()) return retry("{}{} of {} left", why, left_, seen_);
  return retry("{}{} of {} left; go on with: {} <{}", why, left_, seen_, command_to_go_on(),
               done->path);
}

// What people type, with what a shell would take for its own in quotes.
std::string Sender::command_to_go_on() const {
  std::string command = "ml-send";
  for (const Relay& relay : options_.relays) {
    const bool plain = relay.name.find_first_of(" &?*;|<>()$`\"'\\[]") == std::string::npos;
    command += fmt::format(" --via {0}{1}{0}", plain ? "" : "'", relay.name);
  }
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

Result<Status> send(Reader& in, const SendOptions& options) {
  for (const auto& given : {options.refused, options.undelivered}) {
    if (auto checked = check_handover(given); !checked) return fail(checked);
  }
  Sender sender(in, options);
  return sender.run();
}

}  // namespace ml
