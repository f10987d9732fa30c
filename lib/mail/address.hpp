// A mailbox as RFC 5321 4.1.2 and RFC 6531 3.3 spell it in an envelope: no brackets, no display
// name, no comments, no source route.
//
//   auto address = text_to_address("Ann@Bücher.example");
//   address->local == "Ann"; address->domain == "xn--bcher-kva.example";
//   address_to_text(*address) == "Ann@xn--bcher-kva.example"
//
// The domain is an A-label in lower case (IDNA 2008 by libidn2), or a literal ("[192.0.2.1]",
// "[IPv6:2001:db8::1]"). An underscore in it is refused: no standard lets such a name take mail.
// The local part keeps its case and its octets; a quoted string that need not be quoted loses its
// quotes. Two addresses are the same mailbox when their keys are equal: the local part compares
// with ASCII capitals folded and nothing else.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ml {

struct Address {
  std::string local;   // as it stands before the @: a dot-string or a quoted string, UTF-8
  std::string domain;  // A-labels in lower case, or a literal in brackets

  bool operator==(const Address&) const = default;
};

// RFC 5321 4.5.3.1: a path of 256 octets leaves 254 for the mailbox; 64 before the @.
inline constexpr std::size_t longest_address = 254;
inline constexpr std::size_t longest_local = 64;
inline constexpr std::size_t longest_domain = 255;

// Status 75; the text names the address (printable) and says what is wrong with it.
[[nodiscard]] Result<Address> text_to_address(std::string_view text);
[[nodiscard]] std::string address_to_text(const Address& address);

// The quick answer for nearly every address: where its @ stands if `text` is a plain ASCII
// mailbox already in our form (dot-string, lower-case host name, within the limits); else nothing,
// and text_to_address decides. No allocation.
[[nodiscard]] std::optional<std::size_t> plain_at(std::string_view text);
// What it asks of the part before the @: a dot-string of ASCII within its limit.
[[nodiscard]] bool is_plain_local(std::string_view text);

// True if the address needs SMTPUTF8: its local part is not ASCII.
[[nodiscard]] bool needs_smtputf8(const Address& address);

// A domain as A-labels in lower case; status 75 if it is none. One trailing dot is dropped.
[[nodiscard]] Result<std::string> text_to_domain(std::string_view text);

// The order of recipients everywhere (ml-sort --by domain, the store, expansion): the domain's
// labels from the last to the first, joined by \x01, which sorts below every octet of a label;
// NUL; the local part with ASCII capitals folded. A literal counts as one label. Keys compare as
// octets, and equal keys are the same mailbox. At most 320 octets.
//
//   append_key(key, "Ann", "lists.example.org")  ->  "org\x01example\x01lists\0ann"
void append_key(std::string& key, std::string_view local, std::string_view domain);
[[nodiscard]] std::string address_key(const Address& address);

}  // namespace ml
