#include <algorithm>
#include <array>
#include <utility>

#include "base/octets.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"
#include "mail/message.hpp"
#include "mail/rfc2047.hpp"
#include "mail/slot_text.hpp"
#include "mail/slots.hpp"
#include "mail/transfer.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_line = 998;  // RFC 5322 2.1.1
// Between two slots: what is shorter is copied sooner than it is pointed at.
constexpr std::size_t longest_copied = 256;

// No control but LF and TAB.
char tamed(char c) {
  return is_control(c) && c != '\n' && c != '\t' ? ' ' : c;
}

void append_text(std::string& to, std::string_view value) {
  if (is_printable(value, Tabs::allowed)) return static_cast<void>(to.append(value));
  for (const char c : value) to.push_back(tamed(c));
}

// Right between tags as well as in quotes of either kind.
void append_html(std::string& to, std::string_view value) {
  for (const char c : value) {
    switch (c) {
      case '&': to.append("&amp;"); break;
      case '<': to.append("&lt;"); break;
      case '>': to.append("&gt;"); break;
      case '"': to.append("&quot;"); break;
      case '\'': to.append("&#39;"); break;
      default: to.push_back(tamed(c));
    }
  }
}

void append_percent(std::string& to, char c) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  const auto octet = static_cast<unsigned char>(c);
  const std::array<char, 3> escape{'%', hex[octet >> 4], hex[octet & 15]};
  to.append(escape.data(), escape.size());
}

// RFC 3986 2.3. What is not encoded is right in text, in HTML and between angle brackets.
bool is_unreserved(char c) {
  return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}
void append_url_part(std::string& to, std::string_view value) {
  for (const char c : value) is_unreserved(c) ? to.push_back(c) : append_percent(to, c);
}

// What a URL is made of stays; `&` is the one of these that HTML would read.
enum class Around { brackets, html };
void append_url(std::string& to, std::string_view value, Around around) {
  constexpr std::string_view reserved = ":/?#[]@!$&()*+,;=%";
  for (const char c : value) {
    if (c == '&' && around == Around::html) {
      to.append("&amp;");
    } else if (is_unreserved(c) || reserved.find(c) != std::string_view::npos) {
      to.push_back(c);
    } else {
      append_percent(to, c);
    }
  }
}

bool is_web_url(std::string_view value) {
  return begins_nocase(value, "https://") || begins_nocase(value, "http://") ||
         begins_nocase(value, "mailto:");
}

bool has_long_line(std::string_view text) {
  for (;;) {
    const auto lf = text.find('\n');
    if (std::min(lf, text.size()) > longest_line) return true;
    if (lf == std::string_view::npos) return false;
    text.remove_prefix(lf + 1);
  }
}

void append_lines(std::string& to, std::string_view text, std::string_view line_end) {
  for (;;) {
    const auto lf = text.find('\n');
    to.append(text.substr(0, lf));
    if (lf == std::string_view::npos) return;
    to.append(line_end);
    text.remove_prefix(lf + 1);
  }
}

Failure damaged() {
  return retry("the marks of the slots in this message are damaged");
}

}  // namespace

// --- taking apart ---

class SlotReader {
 public:
  SlotReader(std::string_view text, std::string_view nonce)
      : text_(text), prefix_(mark_prefix(nonce)) {}

  Result<SlottedMessage> read() {
    const auto lf = text_.find('\n');
    if (lf != std::string_view::npos && lf > 0 && text_[lf - 1] == '\r') made_.line_end_ = "\r\n";
    const std::string_view head = split_message(text_).head;
    for (const Field& field : Fields(head)) {
      if (!read_field(field)) return damaged();
    }
    for (auto at = text_.find(prefix_, head.size()); at != std::string_view::npos;
         at = text_.find(prefix_, taken_)) {
      const auto mark = text_to_mark(text_.substr(at), prefix_);
      if (!mark || !is_body_place(mark->place)) return damaged();
      end_literal(at);
      SlottedMessage::Piece piece;
      piece.kind = SlottedMessage::Kind::slot;
      piece.slot = slot(*mark);
      made_.pieces_.push_back(std::move(piece));
      taken_ = at + mark->raw.size();
    }
    end_literal(text_.size());
    if (made_.keys_.size() > most_keys) return damaged();
    return std::move(made_);
  }

 private:
  using Bits = std::vector<SlottedMessage::Bit>;

  static bool is_body_place(SlotPlace place) {
    return place != SlotPlace::field && place != SlotPlace::address &&
           place != SlotPlace::field_url;
  }

  void end_literal(std::size_t at) {
    if (at == taken_) return;
    SlottedMessage::Piece piece;
    piece.literal = text_.substr(taken_, at - taken_);
    made_.pieces_.push_back(std::move(piece));
  }

  SlottedMessage::Slot slot(const SlotMark& mark) {
    auto found = std::ranges::find(made_.keys_, mark.key);
    if (found == made_.keys_.end() && made_.keys_.size() <= most_keys) {
      found = made_.keys_.emplace(found, mark.key);
    }
    return {static_cast<std::size_t>(found - made_.keys_.begin()), static_cast<char>(mark.place),
            mark.fallback};
  }

  // False if its marks make no sense.
  bool read_field(const Field& field) {
    std::string value(field.value);
    std::erase(value, '\r');
    const bool plainly = value.find(prefix_) != std::string::npos;
    const bool encoded = !plainly && value.find("=?") != std::string::npos &&
                         decode_words(value).find(prefix_) != std::string::npos;
    if (!plainly && !encoded) return true;
    SlottedMessage::Piece piece;
    piece.literal = field.name;
    switch (slot_field(field.name)) {
      case SlotField::text:
        piece.kind = SlottedMessage::Kind::text_field;
        if (!read_bits(decode_words(value), piece.bits)) return false;
        break;
      case SlotField::urls:
        piece.kind = SlottedMessage::Kind::url_field;
        if (!read_bits(trim(value), piece.bits)) return false;
        break;
      case SlotField::mailbox:
        piece.kind = SlottedMessage::Kind::mailbox_field;
        if (!read_mailbox(value, piece)) return false;
        break;
      default: return false;
    }
    const auto begin = static_cast<std::size_t>(field.raw.data() - text_.data());
    end_literal(begin);
    taken_ = begin + field.raw.size();
    made_.pieces_.push_back(std::move(piece));
    return true;
  }

  bool read_mailbox(std::string_view value, SlottedMessage::Piece& piece) {
    const auto mailbox = split_mailbox(value);
    Bits address;
    if (!mailbox || !read_bits(mailbox->name, piece.bits) ||
        !read_bits(mailbox->address, address) || address.empty()) {
      return false;
    }
    piece.address = std::move(address.front());
    return address.size() == 1;
  }

  bool read_bits(std::string_view text, Bits& bits) {
    while (!text.empty()) {
      const auto at = text.find(prefix_);
      SlottedMessage::Bit bit;
      bit.literal = text.substr(0, at);
      text.remove_prefix(std::min(at, text.size()));
      if (!text.empty()) {
        const auto mark = text_to_mark(text, prefix_);
        if (!mark) return false;
        bit.slot = slot(*mark);
        text.remove_prefix(mark->raw.size());
      }
      bits.push_back(std::move(bit));
    }
    return true;
  }

  std::string_view text_;
  std::string prefix_;
  SlottedMessage made_;
  std::size_t taken_ = 0;  // how much of the text has become pieces
};

Result<SlottedMessage> marked_to_slotted(std::string_view text, std::string_view nonce) {
  return SlotReader(text, nonce).read();
}

// --- filling ---

Result<> SlottedMessage::fill(Values values, Filled& filled) const {
  filled.spans.clear();
  filled.values.clear();
  filled.pieces.clear();
  for (const Piece& piece : pieces_) {
    const bool is_literal = piece.kind == Kind::literal;
    if (is_literal && piece.literal.size() > longest_copied) {
      filled.spans.push_back({piece.literal.data(), 0, piece.literal.size()});
      continue;
    }
    if (filled.spans.empty() || filled.spans.back().literal != nullptr) {
      filled.spans.push_back({nullptr, filled.values.size(), 0});
    }
    if (is_literal) {
      filled.values.append(piece.literal);
    } else if (auto done = piece.kind == Kind::slot ? fill_slot(piece.slot, values, filled)
                                                    : fill_field(piece, values, filled);
               !done) {
      return done;
    }
    Filled::Span& own = filled.spans.back();
    own.size = filled.values.size() - own.begin;
  }
  // Only now: `values` does not move any more.
  for (const auto& [literal, begin, size] : filled.spans) {
    filled.pieces.emplace_back(literal ? literal : filled.values.data() + begin, size);
  }
  return {};
}

// In a body: always quoted-printable, from the beginning of a line.
Result<> SlottedMessage::fill_slot(const Slot& slot, Values values, Filled& filled) const {
  const std::string_view given = values[slot.key].value_or(std::string_view());
  if (static_cast<SlotPlace>(slot.place) == SlotPlace::text && is_quoted_as_it_stands(given)) {
    filled.values.append(given);
    return {};
  }
  filled.scratch.clear();
  if (auto done = append_value(slot, values, filled.scratch); !done) return done;
  filled.encoded.clear();
  QuotedPrintable(filled.encoded).add(filled.scratch);
  append_lines(filled.values, filled.encoded, line_end_);
  return {};
}

Result<> SlottedMessage::fill_field(const Piece& field, Values values, Filled& filled) const {
  filled.scratch.clear();
  for (const Bit& bit : field.bits) {
    if (auto done = append_bit(bit, values, filled.scratch); !done) return done;
  }
  std::string& line = filled.encoded;
  line.assign(field.literal).append(": ");
  const std::size_t column = line.size();
  if (field.kind == Kind::text_field) {
    append_encoded_text(line, filled.scratch, column);
  } else if (field.kind == Kind::url_field) {
    line.append(filled.scratch);
  } else {
    append_encoded_phrase(line, filled.scratch, column);
    line.append(line.size() > column ? "\n <" : "<");
    if (auto done = append_bit(field.address, values, line); !done) return done;
    line.push_back('>');
  }
  if (has_long_line(line)) {
    return retry("the values for the field {} make a line over {} octets", field.literal,
                 longest_line);
  }
  append_lines(filled.values, line.append("\n"), line_end_);
  return {};
}

Result<> SlottedMessage::append_bit(const Bit& bit, Values values, std::string& to) const {
  to.append(bit.literal);
  if (!bit.slot) return {};
  return append_value(*bit.slot, values, to);
}

Result<> SlottedMessage::append_value(const Slot& slot, Values values, std::string& to) const {
  const std::string& key = keys_[slot.key];
  const std::string_view given = values[slot.key].value_or(std::string_view());
  if (given.empty() && !slot.fallback) return retry("no value for {{{{{}}}}}", key);
  const std::string_view value = given.empty() ? std::string_view(*slot.fallback) : given;
  const auto place = static_cast<SlotPlace>(slot.place);
  if (place == SlotPlace::address) {
    const auto address = text_to_address(value);
    if (!address) return retry("the value of {{{{{}}}}}: {}", key, address.error().text);
    to.append(address_to_text(*address));
    return {};
  }
  if (given.empty()) {
    to.append(value);
    return {};
  }
  const bool whole_url = place == SlotPlace::whole_url || place == SlotPlace::field_url;
  if (whole_url && !is_web_url(value)) {
    return retry("the value of {{{{{}}}}} is no http, https or mailto URL: '{}'", key,
                 printable(value, 80));
  }
  switch (place) {
    case SlotPlace::html:
    case SlotPlace::attribute: append_html(to, value); break;
    case SlotPlace::url: append_url_part(to, value); break;
    case SlotPlace::whole_url: append_url(to, value, Around::html); break;
    case SlotPlace::field_url: append_url(to, value, Around::brackets); break;
    default: append_text(to, value);
  }
  return {};
}

}  // namespace ml
