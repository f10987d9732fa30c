// Personal mail: slots in a message that are filled for each recipient.
//
// An author writes {{key}} or {{key|default}}. mark_slots() reads the message once, refuses what
// could not be filled safely and turns each slot into a mark that carries a random nonce, so that
// nothing else an author writes is ever taken for a slot. SlottedMessage takes the marked message
// apart once; fill() then gives each recipient's copy as pieces for one gathered write, the
// literals shared, only the values made new.
//
//   auto marked = mark_slots(message, nonce);                    // ml-expand --merge
//   ...
//   auto slotted = marked_to_slotted(wire_text, nonce);          // ml-send, once a message
//   Filled filled;                                               // one, used again and again
//   if (auto done = slotted->fill(values, filled); !done) ...    // this recipient is left
//   for (std::string_view piece : filled.pieces) ...
//
// Where a slot may stand, and what its value becomes there:
//   Subject, Comments, X-...       text: RFC 2047 where it is not ASCII, folded
//   From, Sender, Reply-To, To, Cc of one mailbox: in the display name (the same), or as the
//                                  whole address, `To: {{name}} <{{address}}>` (checked)
//   List-Unsubscribe and the other List- fields of URLs, Archived-At: percent-encoded, or a whole
//                                  URL: `<{{link}}>` must be http, https or mailto
//   text/plain                     text; percent-encoded where the word it stands in is a URL
//   text/html, between tags        escaped; percent-encoded in a URL
//   text/html, quoted attributes   escaped; in href, src and the like percent-encoded, or at the
//                                  beginning a whole URL: http, https or mailto
// A default is the author's own text and is taken as it stands.
//
// Anywhere else a slot is 65, `5.6.0 ...`, saying which and where: base64 and unknown charsets,
// signed and encrypted parts, a message that is DKIM-signed, scripts, styles, comments, unquoted
// attributes, names of fields, fields with a structure, fields of a part, and text that is neither
// plain nor HTML; more than 10,000 slots or 200 keys. Attachments and attached messages are not
// looked into, nor are trace fields. In Subject, addresses and text, {{...}} that is no slot is 65
// too: nobody wants "Dear {{Name}}" or "Dear {{name}" mailed to all.
//
// A part with slots becomes quoted-printable in UTF-8, whatever it was, its Content-Type and
// Content-Transfer-Encoding with it: so a value of any length and script needs no 8BITMIME, makes
// no line over 76 octets, and can begin no line with a dot, a boundary or "From ". Everything
// else keeps its octets.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ml {

// On the `message` line of a stream: the nonce of the message's slots; and that ml-verp is to give
// each recipient its token= (subscription_token.hpp), because a slot asks for it: "list", where
// ml-receive gave the message this slot and it has no other, else "merged".
inline constexpr std::string_view slots_attribute = "ml.slots";
inline constexpr std::string_view token_attribute = "ml.token";
inline constexpr std::string_view token_by_list = "list";
inline constexpr std::string_view token_by_merge = "merged";
inline constexpr std::string_view token_key = "token";

struct SlotKey {
  std::string key;
  bool has_default = false;  // wherever it stands
};

struct MarkedMessage {
  std::string message;
  std::vector<SlotKey> keys;  // in the order of the message, each once; none: nothing was changed
};

// `message` has LF line ends; `nonce` is 8 to 32 characters a-z0-9 that nobody could foresee.
[[nodiscard]] Result<MarkedMessage> mark_slots(std::string_view message, std::string_view nonce);
// The same for a message that has slots with this nonce already, in fields that a list gave it.
[[nodiscard]] Result<MarkedMessage> mark_further_slots(std::string_view message,
                                                       std::string_view nonce);
// The mark of {{key}} inside a URL, for a field that we write ourselves.
[[nodiscard]] std::string marked_slot_in_url(std::string_view key, std::string_view nonce);
// A nonce made of the message itself: the same when a mail server delivers the message again, so
// that ml-send knows it again; and nobody can write a message that holds its own hash.
[[nodiscard]] std::string slot_nonce(std::string_view message);

// One recipient's copy. The pieces joined are the message, line ends as in the marked text; they
// live until the next fill() with this object, and as long as the marked text.
struct Filled {
  Filled() = default;
  Filled(const Filled&) = delete;  // the pieces point into it
  Filled& operator=(const Filled&) = delete;

  std::vector<std::string_view> pieces;

 private:
  friend class SlottedMessage;
  struct Span {
    const char* literal;  // null: made of `values`
    std::size_t begin;
    std::size_t size;
  };
  std::vector<Span> spans;
  std::string values;
  std::string scratch;
  std::string encoded;
};

class SlottedMessage {
 public:
  // The keys of the slots, each once. The recipient's values go to fill() in this order.
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }

  // `values[i]` is that of keys()[i]: UTF-8; none or empty where the recipient has none, which a
  // default replaces. 75, naming the key, where a slot without a default has no value, or a value
  // cannot stand where it would: this recipient's copy cannot be made.
  [[nodiscard]] Result<> fill(std::span<const std::optional<std::string_view>> values,
                              Filled& filled) const;

 private:
  friend class SlotReader;
  struct Slot {
    std::size_t key = 0;
    char place = 0;  // see slots_fill.cpp
    std::optional<std::string> fallback;
  };
  struct Bit {  // of a field: literal text, then perhaps a slot
    std::string literal;
    std::optional<Slot> slot;
  };
  enum class Kind { literal, slot, text_field, mailbox_field, url_field };
  struct Piece {
    Kind kind = Kind::literal;
    std::string_view literal;  // or a field's name
    Slot slot;
    std::vector<Bit> bits;  // of a field; of a mailbox the display name
    Bit address;            // of a mailbox
  };

  using Values = std::span<const std::optional<std::string_view>>;
  [[nodiscard]] Result<> fill_slot(const Slot& slot, Values values, Filled& filled) const;
  [[nodiscard]] Result<> fill_field(const Piece& field, Values values, Filled& filled) const;
  [[nodiscard]] Result<> append_bit(const Bit& bit, Values values, std::string& to) const;
  [[nodiscard]] Result<> append_value(const Slot& slot, Values values, std::string& to) const;

  std::vector<std::string> keys_;
  std::vector<Piece> pieces_;
  std::string_view line_end_ = "\n";
};

// Takes a marked message apart, with LF line ends or as wire text (CRLF, dots doubled or not): the
// pieces come in the same form, so a message is encoded for the wire once, for all recipients.
// `text` must outlive the result. 75 where the marks are damaged.
[[nodiscard]] Result<SlottedMessage> marked_to_slotted(std::string_view text,
                                                       std::string_view nonce);

}  // namespace ml
