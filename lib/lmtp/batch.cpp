#include "lmtp/batch.hpp"

#include <utility>

#include "base/text.hpp"
#include "lmtp/verdict_reply.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_line = 2048;

}  // namespace

Result<> BatchReader::hear(std::string_view octets) {
  while (!octets.empty()) {
    if (phase_ == Phase::text) {
      hear_text(octets);
    } else if (auto heard = hear_line(octets); !heard) {
      return heard;
    }
  }
  return {};
}

Result<> BatchReader::finish() {
  if (phase_ == Phase::text || mail_ != Mail::none || !line_.empty()) {
    return retry("the batch is cut: it ends in the middle of a message");
  }
  return {};
}

Failure BatchReader::no_batch(std::string_view why) const {
  return retry("this is no batched SMTP: command line {}: {}", lines_, why);
}

Result<> BatchReader::hear_line(std::string_view& octets) {
  const auto lf = octets.find('\n');
  const std::string_view piece = octets.substr(0, lf);
  octets.remove_prefix(lf == std::string_view::npos ? octets.size() : lf + 1);
  if (line_.size() + piece.size() > longest_line) return no_batch("it is too long");
  line_.append(piece);
  if (lf == std::string_view::npos) return {};
  ++lines_;
  std::string line = std::exchange(line_, {});
  if (!ending_) {
    ending_ = line.ends_with('\r') ? LineEnding::crlf : LineEnding::lf;
    text_ = DataText(*ending_);
  }
  if (*ending_ == LineEnding::crlf) {
    if (!line.ends_with('\r')) return no_batch("it ends in a bare LF, those before in CRLF");
    line.pop_back();
  }
  for (const char octet : line) {
    if (is_control(octet)) return no_batch("there is a control in it");
  }
  if (!is_utf8(line)) return no_batch("it is not UTF-8");
  return on_command(line_to_command(line));
}

Result<> BatchReader::on_command(const Command& command) {
  switch (command.verb) {
    case CommandVerb::mail: return on_mail(command.argument);
    case CommandVerb::rcpt: return on_rcpt(command.argument);
    case CommandVerb::data: return on_data();
    case CommandVerb::rset:
    case CommandVerb::lhlo:
    case CommandVerb::helo: forget(); return {};
    case CommandVerb::noop:
    case CommandVerb::vrfy:
    case CommandVerb::quit: return {};
    case CommandVerb::unknown: break;
  }
  return no_batch("it is no command of SMTP");
}

Result<> BatchReader::on_mail(std::string_view argument) {
  if (mail_ != Mail::none) return no_batch("there was a MAIL already");
  auto terms = read_mail(argument, {});
  mail_ = terms ? Mail::taken : Mail::refused;
  if (!terms) {
    letterbox_.refused("the sender", terms.error());
    return {};
  }
  non_ascii_ = terms->smtputf8 ? NonAscii::taken : NonAscii::refused;
  envelope_.sender = std::move(terms->sender);
  return {};
}

Result<> BatchReader::on_rcpt(std::string_view argument) {
  if (mail_ == Mail::none) return no_batch("there was no MAIL before this RCPT");
  if (mail_ == Mail::refused) return {};
  auto recipient = read_rcpt(argument, non_ascii_);
  if (!recipient) {
    letterbox_.refused(printable(argument, 80), recipient.error());
    return {};
  }
  const std::string reply = letterbox_.ask(envelope_.sender, *recipient);
  if (reply.starts_with('2')) {
    envelope_.recipients.push_back(std::move(*recipient));
  } else {
    letterbox_.refused(*recipient, reply);
  }
  return {};
}

Result<> BatchReader::on_data() {
  if (mail_ == Mail::none) return no_batch("there was no MAIL before this DATA");
  phase_ = Phase::text;
  size_ = 0;
  kept_ = {};
  letterbox_.begin();
  return {};
}

void BatchReader::hear_text(std::string_view& octets) {
  const bool ended = text_.take(octets, [&](std::string_view piece) {
    size_ += piece.size();
    if (kept_ && size_ > max_size_) {
      kept_ = failure(Status::rejected, "5.3.4 message too big, {} octets is the limit", max_size_);
    }
    if (kept_ && !envelope_.recipients.empty()) kept_ = letterbox_.text(piece);
  });
  if (ended) on_dot();
}

// A message that nobody takes is read over: who it was for has been said.
void BatchReader::on_dot() {
  phase_ = Phase::command;
  if (!kept_) {
    for (const std::string& recipient : envelope_.recipients) {
      letterbox_.refused(recipient, verdict_to_reply(kept_.error()));
    }
  } else if (!envelope_.recipients.empty()) {
    letterbox_.whole(envelope_);
  }
  forget();
}

void BatchReader::forget() {
  mail_ = Mail::none;
  non_ascii_ = NonAscii::refused;
  envelope_.sender.clear();
  envelope_.recipients.clear();
}

}  // namespace ml
