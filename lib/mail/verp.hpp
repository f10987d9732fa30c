// The bounce address of one recipient of one message: signed, reversible, pure.
//
//   LIST-bounces+KDDTTTTTTMMMMMMMMMM-TAIL@domain      fixed part a-z2-7, all of it lower case
//
//   K  key generation            DD  day mod 1024 (10 bits)
//   T  tag: 30 bits of SHA-256(id)    M  50 bits of MAC
//   TAIL  readable: local part `=` domain, with capitals, octets outside a-z0-9._+- and the second
//         of two dots as =hh, split at the last `=`; or a handle of 13 characters without `=`,
//         where the local part would pass 64 octets or the domain is a literal.
//   A list name over 22 octets: `bounces+`, its handle (6 characters), then K...
//   Shared by all recipients, for a server's XVERP: KDDTTTTTTMMMMMMMMMM ends the local part, and
//         the server appends `+` local part `=` domain, which nobody has signed.
//
// Nothing in it changes meaning when a mail server folds case, and none of % ! ' * stands in it.
//
// The MAC is SipHash-2-4 in two steps, so that a recipient costs one short hash: a key for the
// message is 128 bits over a version label, list, K, DD and T; M is 50 bits under that key over the
// canonical recipient: the address with the ASCII capitals of its local part folded, which is what
// makes two addresses the same mailbox. A shared address signs the empty recipient.
//
//   Verp verp(keys, "announce@lists.example.org", {}, id, today());
//   if (!verp.append_sender(to, "ann", "example.org")) {
//     const std::string recipient = canonical_recipient("ann", "example.org");
//     ...find a free one of verp_handle(keys, recipient, 0), (..., 1) ... in the store
//     verp.append_sender_with_handle(to, recipient, handle);
//   }
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.hpp"

namespace ml {

// The 30-bit tag of a message, as VERP addresses and bounce marks carry it.
[[nodiscard]] std::uint32_t message_tag(std::string_view id);
// Its 6 characters.
[[nodiscard]] std::string tag_to_text(std::uint32_t tag);

// What the keys of a home give this format: derived from one generation.
struct VerpKeys {
  char generation = 'a';
  SipKey mac{};     // Key::sip_key("verp mac")
  SipKey handle{};  // Key::sip_key("verp handle")
};

// `local` with its ASCII capitals folded, `@`, `domain`: what MACs and handles speak of.
[[nodiscard]] std::string canonical_recipient(std::string_view local, std::string_view domain);

// The handle proposed for a canonical recipient: 13 characters, 65 bits. `attempt` counts up from
// 0 while what it proposes is another's.
[[nodiscard]] std::string verp_handle(const VerpKeys& keys, std::string_view recipient,
                                      unsigned attempt);

// A list whose local part is longer needs a handle in its bounce addresses.
inline constexpr std::size_t longest_verp_list = 22;
// The handle proposed for a list: 6 characters. Which list it names is for the store to keep,
// under list_handle_row(), which no recipient's handle is likely ever to be.
[[nodiscard]] std::string list_handle(std::string_view list, unsigned attempt);
[[nodiscard]] std::string list_handle_row(std::string_view handle);
[[nodiscard]] std::string row_to_list_handle(std::string_view row);

// Writes the senders of one message. Allocates nothing a recipient once its buffers have grown.
class Verp {
 public:
  // `list`: the posting address, in lower case. `list_handle`: empty, or its handle where the
  // local part is over longest_verp_list octets. `day`: since 1970-01-01.
  Verp(const VerpKeys& keys, std::string_view list, std::string_view list_handle,
       std::string_view id, std::uint16_t day);

  // Appends the whole sender (LIST-bounces+...-TAIL@domain); false, appending nothing, where the
  // recipient needs a handle. The recipient is a legal address, taken apart at its @.
  [[nodiscard]] bool append_sender(std::string& to, std::string_view local,
                                   std::string_view domain);
  // The same for a recipient in one piece, which is in our form (plain_at); `at`: where its @ is.
  [[nodiscard]] bool append_sender(std::string& to, std::string_view recipient, std::size_t at);
  // `recipient` is canonical, `handle` the one that the store holds for it.
  void append_sender_with_handle(std::string& to, std::string_view recipient,
                                 std::string_view handle) const;
  // The sender that all recipients share, for XVERP.
  void append_shared_sender(std::string& to) const;

 private:
  [[nodiscard]] bool fits(std::size_t tail) const;

  SipKey message_key_;
  std::string head_;       // up to and with T
  std::string at_domain_;  // "@lists.example.org"
  std::string recipient_;  // canonical, of the call
  std::string tail_;       // of the call
};

// A bounce address taken apart, its MAC not yet looked at: nothing in it is to be believed.
struct VerpAddress {
  std::string list_local;   // "announce"; empty: list_handle names the list
  std::string list_handle;  // 6 characters, or empty
  std::string domain;
  char generation = 0;
  std::uint16_t day = 0;  // mod 1024
  std::uint32_t tag = 0;
  std::uint64_t mac = 0;
  std::string recipient;  // local@domain, the local part's capitals as signed; or empty
  std::string handle;     // 13 characters, or empty
  bool shared = false;    // signed for no recipient: `recipient` is what a server appended

  // Days since it was made, for a message that arrives on `today`; 0 to 1023.
  [[nodiscard]] std::uint16_t age(std::uint16_t today) const;
};

// By shape alone: folds case, strips prvs= and btv1= wrappers. Nothing: it is no such address.
[[nodiscard]] std::optional<VerpAddress> text_to_verp(std::string_view text);

// True if the MAC is ours; in constant time. `keys` are those of verp.generation, `list` is the
// full posting address, `recipient` the address that the tail or its handle names in any case;
// for a shared address it does not matter.
[[nodiscard]] bool is_ours(const VerpAddress& verp, const VerpKeys& keys, std::string_view list,
                           std::string_view recipient);

// Older bounces mark nobody: what is known about an address by then is newer. A day ahead is
// another host's clock.
[[nodiscard]] bool is_fresh(const VerpAddress& verp, std::uint16_t today);
inline constexpr std::uint16_t longest_verp_age = 21;  // days

}  // namespace ml
