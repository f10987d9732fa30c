// The bounce address of one recipient of one message: signed, reversible, pure.
//
//   LIST-bounces+KDDTTTTTTMMMMMMMMMM-TAIL@domain      (no blanks; all in a-z2-7 up to the tail)
//
//   K  key generation            DD  day mod 1024 (10 bits)
//   T  tag: 30 bits of SHA-256(id)    M  50 bits of SipHash-2-4 over a version label, list, K,
//                                        DD, T and the recipient's canonical address
//   TAIL  readable: local part `=` domain, with capitals, octets outside a-z0-9._+- and the second
//         of two dots as =hh, split at the last `=`; or a handle of 13 characters without `=`,
//         where the local part would pass 64 octets or the domain is a literal.
//   A list name over 22 octets: `bounces+`, its 30-bit handle (6 characters), then K...
//
//   Verp verp(key, "announce@lists.example.org", id, today());
//   std::string to;
//   if (!verp.append_sender(to, address)) ...needs a handle...
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "base/result.hpp"
#include "mail/address.hpp"

namespace ml {

// The 30-bit tag of a message, as VERP addresses and bounce marks carry it.
[[nodiscard]] std::uint32_t message_tag(std::string_view id);
// The 6-character handle of a list whose name is over 22 octets.
[[nodiscard]] std::string list_handle(std::string_view list);

// What the keys of a home give this format: derived from one generation.
struct VerpKeys {
  char generation = 'a';
  SipKey mac{};     // Key::sip_key("verp mac")
  SipKey handle{};  // Key::sip_key("verp handle")
};

// Writes the senders of one message.
class Verp {
 public:
  Verp(const VerpKeys& keys, std::string_view list, std::string_view id, std::uint16_t day);

  // Appends the whole sender (LIST-bounces+...-TAIL@domain); false, appending nothing, where the
  // recipient needs a handle.
  [[nodiscard]] bool append_sender(std::string& to, const Address& recipient) const;
  // The handle proposed for this recipient (attempt 0, then 1, ... after a collision).
  [[nodiscard]] std::string handle(std::string_view recipient, unsigned attempt) const;
  void append_sender_with_handle(std::string& to, const Address& recipient,
                                 std::string_view handle) const;

 private:
  VerpKeys keys_;
  std::string list_;
  std::string local_;  // up to and with the '+'
  std::string fixed_;  // K DD T
  std::string domain_;
  std::string signed_prefix_;  // what the MAC covers before the address
};

// A bounce address taken apart, its MAC not yet looked at.
struct VerpAddress {
  std::string list_local;   // "announce"; empty: list_handle names the list
  std::string list_handle;  // 6 characters, or empty
  std::string domain;
  char generation = 0;
  std::uint16_t day = 0;  // mod 1024
  std::uint32_t tag = 0;
  std::uint64_t mac = 0;
  std::string recipient;  // local@domain, or empty
  std::string handle;     // 13 characters, or empty

  // Days since it was made, for a message that arrives on `today`; 0 to 1023.
  [[nodiscard]] std::uint16_t age(std::uint16_t today) const;
};

// By shape alone: folds case, strips prvs= and btv1= wrappers. Nothing: it is no such address.
[[nodiscard]] std::optional<VerpAddress> text_to_verp(std::string_view text);

// True if the MAC is ours; in constant time. `list` is the full posting address, `recipient` the
// address that the tail or its handle names.
[[nodiscard]] bool is_ours(const VerpAddress& verp, const VerpKeys& keys, std::string_view list,
                           std::string_view recipient);

}  // namespace ml
