// What a reply means: for the recipients, for the connection, for the relay.
//
// Refused for good is only what speaks of the recipient: 550, 551, 553 or 556 to RCPT, or LMTP's
// last reply to that recipient, with the enhanced code absent or 5.1.x or 5.2.x, but for those of
// the sender's address, 5.1.7 and 5.1.8, which Postfix gives to RCPT too. Whatever speaks of us, of
// the relay or of the message refuses nobody.
//
// 500 to 504 and 555 say that a command was not understood. Where commands were sent ahead, that
// may mean that the relay has lost its place in them, which only a new connection in lockstep
// mends; in lockstep it is about this command, and its recipient is left. But 501, 504 and 555 to
// RCPT are about what stands in the command, mostly an address that the relay does not like
// (Postfix: 504 5.5.2 <bob@intranet>: need fully-qualified address). Where such a reply proves
// that the relay has read this very command, by naming its recipient or by one of those codes, it
// is taken as in lockstep, at once: asked again it would say the same, and of a list with many of
// these each would cost a connection. At worst it errs like a 550 does, and less: whoever is left
// is offered again.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/reply.hpp"

namespace ml {

// What the reply answers.
enum class Step {
  greeting,
  hello,
  starttls,
  auth,
  reset,
  mail,
  rcpt,
  data,
  dot,
  lmtp_dot,
  quit,
  nothing
};

enum class Meaning {
  positive,          // 2yz, or 354 to DATA
  refused,           // this recipient, for good
  left,              // this recipient (RCPT, LMTP), or all of this transaction: not now, not here
  next_transaction,  // RCPT: too many recipients in this one
  next_connection,   // MAIL: too many messages on this one
  busy,              // the relay wants to be left alone for a while
  relay_refuses,     // the relay does not talk to us at all
  fault,             // client and relay do not understand each other: reconnect, in lockstep
};

// What the dialogue knows when the reply comes.
struct Circumstances {
  bool lockstep = false;         // no command was sent ahead: the reply is surely about this one
  std::size_t accepted = 0;      // recipients so far, in this transaction
  std::size_t messages = 0;      // accepted by the relay so far, on this connection
  std::string_view recipient{};  // whom an answer to RCPT is about, as it was written
};

[[nodiscard]] Meaning classify(Step step, const Reply& reply, const Circumstances& circumstances);

// Stops a run that is going wrong: when many recipients running get the same 5yz, or half of the
// first hundred are refused, the relay has something against us and not against them.
//
//   Fuse fuse;
//   fuse.delivered();
//   if (fuse.failed(reply, Meaning::refused)) ...stop this relay
class Fuse {
 public:
  static constexpr std::size_t longest_run = 20;
  static constexpr std::size_t first_recipients = 100;

  void delivered();
  // One recipient's refused or left; true once the fuse has blown.
  bool failed(const Reply& reply, Meaning meaning);

  [[nodiscard]] bool blown() const { return !why_.empty(); }
  // "20 recipients running got 550 5.1.1 ...", or empty.
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  int code_ = 0;
  EnhancedCode enhanced_;
  std::size_t run_ = 0;
  std::size_t seen_ = 0;
  std::size_t refused_ = 0;
  std::string why_;
};

}  // namespace ml
