#include "lmtp/dialogue.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "lmtp/verdict_reply.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_line = 2048;
constexpr std::size_t most_output = std::size_t{16} << 10;
constexpr unsigned most_faults = 20;

bool has_control(std::string_view line) {
  for (const char octet : line) {
    if (is_control(octet)) return true;
  }
  return false;
}

}  // namespace

LmtpDialogue::LmtpDialogue(Manner manner, Letterbox& letterbox)
    : manner_(std::move(manner)), letterbox_(letterbox) {
  say(fmt::format("220 {} LMTP mlpipe", manner_.name));
}

bool LmtpDialogue::listens() const {
  return !over_ && phase_ != Phase::waiting && output().size() < most_output;
}

std::size_t LmtpDialogue::hear(std::string_view octets) {
  const std::size_t all = octets.size();
  while (!octets.empty() && listens()) {
    if (phase_ == Phase::text) {
      hear_text(octets);
    } else {
      hear_line(octets);
    }
  }
  return all - octets.size();
}

// ---- commands

void LmtpDialogue::hear_line(std::string_view& octets) {
  const auto lf = octets.find('\n');
  const std::string_view piece = octets.substr(0, lf);
  octets.remove_prefix(lf == std::string_view::npos ? octets.size() : lf + 1);
  too_long_ = too_long_ || line_.size() + piece.size() > longest_line;
  if (!too_long_) line_.append(piece);
  if (too_long_ && !piece.empty()) line_.assign(1, piece.back());  // a CR there may be
  if (lf == std::string_view::npos) return;
  ++progress_;
  std::string line = std::exchange(line_, {});
  // Behind a line that we would end elsewhere than the client, nothing can be trusted.
  if (!line.ends_with('\r')) return end("521 5.5.2 a line must end in CRLF");
  line.pop_back();
  if (std::exchange(too_long_, false)) return refuse("500 5.5.2 the line is too long");
  on_line(line);
}

void LmtpDialogue::on_line(std::string_view line) {
  if (has_control(line)) return refuse("500 5.5.2 there is a control in the line");
  if (!is_utf8(line)) return refuse("500 5.5.2 the line is not UTF-8");
  on_command(line_to_command(line));
}

void LmtpDialogue::on_command(const Command& command) {
  switch (command.verb) {
    case CommandVerb::lhlo: return on_lhlo(command.argument);
    case CommandVerb::helo: return refuse("500 5.5.1 this is LMTP: begin with LHLO");
    case CommandVerb::mail: return on_mail(command.argument);
    case CommandVerb::rcpt: return on_rcpt(command.argument);
    case CommandVerb::data: return on_data(command.argument);
    case CommandVerb::rset: forget(); return say("250 2.0.0 ok");
    case CommandVerb::noop: return say("250 2.0.0 ok");
    case CommandVerb::vrfy: return say("252 2.5.0 ask with RCPT");
    case CommandVerb::quit: return end("221 2.0.0 bye");
    case CommandVerb::unknown: return refuse("500 5.5.2 no command of LMTP");
  }
}

void LmtpDialogue::on_lhlo(std::string_view argument) {
  if (argument.empty()) return refuse("501 5.5.4 say who you are: LHLO name");
  forget();
  greeted_ = true;
  say(fmt::format("250-{}", manner_.name));
  say("250-PIPELINING");
  say(fmt::format("250-SIZE {}", manner_.max_size));
  say("250-8BITMIME");
  say("250-SMTPUTF8");
  say("250 ENHANCEDSTATUSCODES");
}

void LmtpDialogue::on_mail(std::string_view argument) {
  if (!greeted_) return refuse("503 5.5.1 begin with LHLO");
  if (mail_) return refuse("503 5.5.1 there was a MAIL already");
  auto terms = read_mail(argument, {.max_size = manner_.max_size});
  if (!terms) return refuse(terms.error());
  mail_ = true;
  non_ascii_ = terms->smtputf8 ? NonAscii::taken : NonAscii::refused;
  envelope_.sender = std::move(terms->sender);
  say("250 2.1.0 ok");
}

void LmtpDialogue::on_rcpt(std::string_view argument) {
  if (!mail_) return refuse("503 5.5.1 begin with MAIL");
  auto recipient = read_rcpt(argument, non_ascii_);
  if (!recipient) return refuse(recipient.error());
  if (envelope_.recipients.size() >= manner_.recipients)
    return say("452 4.5.3 too many recipients");
  const std::string reply = letterbox_.ask(envelope_.sender, *recipient);
  if (reply.starts_with('2')) envelope_.recipients.push_back(std::move(*recipient));
  say(reply);
}

void LmtpDialogue::on_data(std::string_view argument) {
  if (!argument.empty()) return refuse("501 5.5.4 DATA stands alone");
  if (!mail_) return refuse("503 5.5.1 begin with MAIL");
  // No fault of the client's, who may have sent it ahead.
  if (envelope_.recipients.empty()) return say("503 5.5.1 no recipient was taken");
  phase_ = Phase::text;
  size_ = 0;
  kept_ = {};
  letterbox_.begin();
  say("354 end it with a line of one dot");
}

// ---- the message

void LmtpDialogue::hear_text(std::string_view& octets) {
  ++progress_;
  const bool ended = text_.take(octets, [&](std::string_view piece) {
    size_ += piece.size();
    if (kept_ && size_ > manner_.max_size) {
      kept_ = failure(Status::rejected, "5.3.4 message too big, {} octets is the limit",
                      manner_.max_size);
    }
    if (kept_) kept_ = letterbox_.text(piece);
  });
  if (ended) on_dot();
}

void LmtpDialogue::on_dot() {
  phase_ = Phase::waiting;
  if (kept_) return letterbox_.whole(envelope_);
  letterbox_.begin();  // what there is of it is of no use
  const std::string reply = verdict_to_reply(kept_.error());
  answer(std::vector<std::string>(envelope_.recipients.size(), reply));
}

void LmtpDialogue::answer(std::span<const std::string> replies) {
  for (const std::string& reply : replies) say(reply);
  phase_ = Phase::command;
  faults_ = 0;
  ++progress_;
  forget();
  if (!closing_.empty()) end("421 " + closing_);
}

void LmtpDialogue::forget() {
  mail_ = false;
  non_ascii_ = NonAscii::refused;
  envelope_.sender.clear();
  envelope_.recipients.clear();
}

// ---- replies

void LmtpDialogue::close(std::string_view why) {
  if (over_) return;
  if (phase_ == Phase::waiting) {
    closing_ = why;
    return;
  }
  end(fmt::format("421 {}", why));
}

void LmtpDialogue::refuse(std::string_view reply) {
  if (++faults_ >= most_faults) return end("421 4.7.0 too many lines at fault");
  say(reply);
}

void LmtpDialogue::end(std::string_view reply) {
  say(reply);
  over_ = true;
}

void LmtpDialogue::say(std::string_view reply) {
  output_.append(reply).append("\r\n");
}

std::string_view LmtpDialogue::output() const {
  return std::string_view(output_).substr(written_);
}

void LmtpDialogue::wrote(std::size_t octets) {
  written_ += octets;
  if (written_ < output_.size()) return;
  output_.clear();
  written_ = 0;
}

}  // namespace ml
