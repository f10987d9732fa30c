#include "stage/wire_envelope.hpp"

#include <utility>

#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/dsn_request.hpp"

namespace ml {
namespace {

// An address that is not plain_at() as the wire may have it, made in `room`, or why it may not.
// `smtputf8` is set where it needs that.
Result<std::string_view> text_to_wire_address(std::string_view text, std::string& room,
                                              bool& smtputf8) {
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

Reply no_sender(const Error& why) {
  return local_reply(553, {5, 1, 7}, why.text);
}

Reply no_notices(const Error& why) {
  return local_reply(554, {5, 5, 4}, "ml." + why.text);
}

}  // namespace

std::string address_in_journal(std::string_view address) {
  std::string room;
  bool smtputf8 = false;
  const auto wire = text_to_wire_address(address, room, smtputf8);
  return lower(wire ? *wire : address);
}

std::optional<Reply> Envelopes::begin(const MessageRecord& record) {
  read_sender(record.sender);
  xverp_ = record.attributes.value("ml.xverp").value_or("");
  if (auto why = read_dsn(record)) return why;
  if (xverp_.empty() || is_delimiters(xverp_)) return std::nullopt;
  return local_reply(554, {5, 6, 0}, "ml.xverp= is not two of - = +");
}

// The reader's line goes before the section does, so that the sender is copied.
void Envelopes::read_sender(std::string_view sender) {
  sender_.clear();
  sender_needs_smtputf8_ = false;
  no_sender_.reset();
  if (sender == "<>") return;
  sender_ = sender;
  if (plain_at(sender)) return;
  const auto wire = text_to_wire_address(sender, sender_, sender_needs_smtputf8_);
  if (wire) return;
  sender_.clear();
  no_sender_ = no_sender(wire.error());
}

// What the stream says goes before what the options say. Where anything is asked for, the notices
// name the message by its id.
std::optional<Reply> Envelopes::read_dsn(const MessageRecord& record) {
  const auto asked = [&](std::string_view key, const std::optional<std::string>& otherwise) {
    auto value = record.attributes.value(key);
    return value ? value : otherwise;
  };
  notify_ = asked("ml.notify", terms_.notify);
  const auto ret = asked("ml.ret", terms_.ret);
  const auto named = ret || notify_ ? std::optional(std::string(record.id)) : std::nullopt;
  auto made = dsn_mail_parameters(ret, asked("ml.envid", named));
  dsn_ = made ? std::move(*made) : std::string();
  return made ? std::nullopt : std::optional(no_notices(made.error()));
}

std::optional<Reply> Envelopes::fill(WireEnvelope& to, const RcptRecord& rcpt) {
  to.needs_smtputf8 = false;
  to.address = rcpt.address;
  std::optional<Reply> no_address;
  if (!plain_at(rcpt.address)) {
    const auto wire = text_to_wire_address(rcpt.address, to.spelled_address, to.needs_smtputf8);
    if (wire) to.address = *wire;
    if (!wire) no_address = local_reply(553, {5, 1, 3}, wire.error().text);
  }
  if (auto why = fill_sender(to, rcpt.sender)) return why;
  return no_address ? no_address : fill_dsn(to, rcpt);
}

inline std::optional<Reply> Envelopes::fill_sender(WireEnvelope& to, std::string_view sender) {
  if (sender == "-") {
    to.sender = sender_;
    to.xverp = xverp_;
    to.needs_smtputf8 = to.needs_smtputf8 || sender_needs_smtputf8_;
    return no_sender_;
  }
  to.sender = sender;
  to.xverp = {};
  if (is_plain_sender(sender)) return std::nullopt;
  to.sender = {};
  if (sender == "<>") return std::nullopt;
  const auto wire = text_to_wire_address(sender, to.spelled_sender, to.needs_smtputf8);
  if (!wire) return no_sender(wire.error());
  to.sender = *wire;
  return std::nullopt;
}

// plain_at(), but for a domain that was looked at with the sender before: they mostly share one.
inline bool Envelopes::is_plain_sender(std::string_view sender) {
  if (sender.ends_with(at_domain_) && !at_domain_.empty() && sender.size() <= longest_address) {
    return is_plain_local(sender.substr(0, sender.size() - at_domain_.size()));
  }
  const auto at = plain_at(sender);
  if (at) at_domain_ = sender.substr(*at);
  return at.has_value();
}

inline std::optional<Reply> Envelopes::fill_dsn(WireEnvelope& to, const RcptRecord& rcpt) const {
  to.dsn.clear();
  if (!notify_ && rcpt.attributes.text().find("ml.") == std::string_view::npos) return std::nullopt;
  auto notify = rcpt.attributes.value("ml.notify");
  if (!notify) notify = notify_;
  auto original = rcpt.attributes.value("ml.orcpt");
  const bool is_told = notify && !same_nocase(*notify, "never");
  if (!original && is_told && is_ascii(rcpt.address)) {
    original = fmt::format("rfc822;{}", rcpt.address);
  }
  auto made = dsn_rcpt_parameters(notify, original);
  if (!made) return no_notices(made.error());
  to.dsn = std::move(*made);
  return std::nullopt;
}

}  // namespace ml
