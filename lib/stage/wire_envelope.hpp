// What the wire is told of a recipient besides the message: its address and sender in the wire's
// spelling, and what RFC 3461 has to say of notices (mail/dsn_request.hpp).
//
//   Envelopes envelopes({.ret = "hdrs"});
//   auto why = envelopes.begin(record);           // a reply: nobody of the message can be sent to
//   WireEnvelope one;                             // used again and again, where it stands
//   if (auto why = envelopes.fill(one, rcpt)) ... // a reply: this recipient cannot be sent to
//   transaction.recipients.push_back({id, one.address, one.dsn});
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "smtp/reply.hpp"
#include "stream/record.hpp"

namespace ml {

// Addresses that are the same on the wire are views into the record they came from.
struct WireEnvelope {
  std::string_view address;  // where that is none, as the record has it
  std::string_view sender;   // empty: the null sender
  // Delimiters with which Postfix is to make a sender for it out of the message's; empty: it is not
  // to. A view into Envelopes, as long as its message lasts.
  std::string_view xverp;
  std::string dsn;  // parameters of its RCPT, or empty
  bool needs_smtputf8 = false;

  WireEnvelope() = default;
  WireEnvelope(const WireEnvelope&) = delete;  // the views may be into itself
  WireEnvelope& operator=(const WireEnvelope&) = delete;

  std::string spelled_address;  // room, for what the wire spells otherwise
  std::string spelled_sender;
};

// The address by which a journal knows the recipient of a stream: as the wire spells it, or as it
// stands where it is none, in small letters.
[[nodiscard]] std::string address_in_journal(std::string_view address);

class Envelopes {
 public:
  struct Terms {  // of messages that say nothing themselves
    std::optional<std::string> ret{};
    std::optional<std::string> notify{};
  };

  explicit Envelopes(Terms terms) : terms_(std::move(terms)) {}

  // The message whose recipients follow. A reply of our own says why none of them can have it.
  [[nodiscard]] std::optional<Reply> begin(const MessageRecord& record);
  // `rcpt` must live as long as what is made of it. A reply of our own says why this cannot be;
  // the address is there all the same.
  [[nodiscard]] std::optional<Reply> fill(WireEnvelope& to, const RcptRecord& rcpt);

  // Parameters of the message's MAIL, or empty.
  [[nodiscard]] std::string_view dsn() const { return dsn_; }

 private:
  void read_sender(std::string_view sender);
  [[nodiscard]] bool is_plain_sender(std::string_view sender);
  [[nodiscard]] std::optional<Reply> read_dsn(const MessageRecord& record);
  [[nodiscard]] std::optional<Reply> fill_sender(WireEnvelope& to, std::string_view sender);
  [[nodiscard]] std::optional<Reply> fill_dsn(WireEnvelope& to, const RcptRecord& rcpt) const;

  Terms terms_;
  std::string sender_;     // the message's, for the wire
  std::string at_domain_;  // "@lists.example.org": of the last recipient's own sender
  bool sender_needs_smtputf8_ = false;
  std::optional<Reply> no_sender_;  // why it cannot be
  std::string dsn_;
  std::optional<std::string> notify_;
  std::string xverp_;
};

}  // namespace ml
