#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "mail/charset.hpp"
#include "mail/header.hpp"
#include "mail/html.hpp"
#include "mail/message.hpp"
#include "mail/parts.hpp"
#include "mail/rfc2047.hpp"
#include "mail/slot_text.hpp"
#include "mail/slots.hpp"
#include "mail/transfer.hpp"

namespace ml {
namespace {

template <class... Args>
Failure refuse(fmt::format_string<Args...> form, Args&&... args) {
  return failure(Status::rejected, "5.6.0 {}", fmt::format(form, std::forward<Args>(args)...));
}

// A key is its column's name in lower case, with _ for blanks: `{{First Name|friend}}` is
// `{{first_name|friend}}`. Empty where that is no slot either.
std::string slot_meant(std::string_view raw) {
  if (!raw.ends_with("}}")) return {};
  const std::string_view inner = raw.substr(2, raw.size() - 4);
  const auto bar = std::min(inner.find('|'), inner.size());
  std::string meant = lower(trim(inner.substr(0, bar)));
  std::ranges::replace_if(meant, is_space, '_');
  meant = fmt::format("{{{{{}{}}}}}", meant, inner.substr(bar));
  const auto slot = find_slot(meant, 0);
  return slot && slot->good && slot->raw == meant ? meant : std::string();
}

Failure no_slot(std::string_view raw, std::string_view where) {
  if (const auto meant = slot_meant(raw); !meant.empty()) {
    return refuse("{} in {} is no slot: write {}", printable(raw, 80), where, printable(meant, 80));
  }
  return refuse(
      "{} in {} is no slot; a slot is {{{{key}}}} or {{{{key|default}}}}, its key "
      "a-z 0-9 _ . - and first a letter",
      printable(raw, 80), where);
}

// The slots of a text, and the first thing in braces that is none.
struct Census {
  std::size_t good = 0;
  std::string_view bad;
};
Census census(std::string_view text) {
  Census found;
  for (auto slot = find_slot(text, 0); slot;) {
    if (slot->good) {
      ++found.good;
    } else if (found.bad.empty()) {
      found.bad = slot->raw;
    }
    const auto begin = static_cast<std::size_t>(slot->raw.data() - text.data());
    slot = find_slot(text, begin + slot->raw.size());
  }
  return found;
}
bool has_good_slot(std::string_view text) {
  return census(text).good > 0;
}

std::string transfer_encoding(std::string_view head) {
  const auto field = find_field(head, "Content-Transfer-Encoding");
  return field ? lower(unfolded(field->value)) : "7bit";
}

bool is_attachment(std::string_view head) {
  const auto field = find_field(head, "Content-Disposition");
  return field && text_to_content_type(field->value).name == "attachment";
}

std::string decoded(std::string_view body, std::string_view encoding) {
  if (encoding == "base64") return base64_text_to_octets(body);
  if (encoding == "quoted-printable") return quoted_printable_to_octets(body);
  return std::string(body);
}

// The text in UTF-8; nothing where its charset is unknown or does not fit.
std::optional<std::string> to_utf8(std::string octets, const ContentType& type) {
  const std::string charset = lower(type.parameter("charset").value_or("us-ascii"));
  if (is_ascii(octets) && !charset.starts_with("iso-2022-")) return octets;
  if (charset == "us-ascii" || charset == "utf-8" || charset == "utf8") {
    if (!is_utf8(octets)) return std::nullopt;
    return octets;
  }
  return charset_to_utf8(charset, octets);
}

// Whether the word of plain text that goes on behind `literal` is a URL.
bool ends_in_url(std::string_view literal, bool was_in_url) {
  const auto gap = literal.find_last_of(" \t\n<>\"");
  if (gap != std::string_view::npos) literal.remove_prefix(gap + 1);
  return (was_in_url && gap == std::string_view::npos) ||
         literal.find("://") != std::string_view::npos ||
         literal.find("mailto:") != std::string_view::npos;
}

struct Placed {
  AuthorSlot slot;
  SlotPlace place;
};

std::string described(const Leaf& leaf) {
  return fmt::format("part {} ({})", leaf.number, printable(leaf.type.name, 40));
}

// --- where the slots of a text are ---

Result<std::vector<Placed>> plain_slots(std::string_view text, const std::string& where) {
  std::vector<Placed> found;
  bool in_url = false;
  std::size_t at = 0;
  while (const auto slot = find_slot(text, at)) {
    if (!slot->good) return no_slot(slot->raw, where);
    const auto begin = static_cast<std::size_t>(slot->raw.data() - text.data());
    in_url = ends_in_url(text.substr(at, begin - at), in_url);
    found.push_back({*slot, in_url ? SlotPlace::url : SlotPlace::text});
    at = begin + slot->raw.size();
  }
  return found;
}

Failure misplaced(const AuthorSlot& slot, HtmlPlace place, std::string_view where) {
  std::string_view what = "a comment";
  if (place == HtmlPlace::script) what = "a script, a style or a URL that could be one";
  if (place == HtmlPlace::unquoted) what = "an attribute without quotes";
  if (place == HtmlPlace::markup) what = "a tag, outside of a quoted attribute";
  return refuse("{} in {} stands in {}, where no value is safe", printable(slot.raw, 80), where,
                what);
}

Result<SlotPlace> html_place(const AuthorSlot& slot, HtmlPlace place, std::string_view where) {
  const std::string_view fallback = slot.fallback.value_or("");
  const std::string_view bad = place == HtmlPlace::text ? "<>" : "<>\"'";
  if (fallback.find_first_of(bad) != std::string_view::npos) {
    return refuse("the default of {} in {} has a quote or a bracket; write it as an entity",
                  printable(slot.raw, 80), where);
  }
  switch (place) {
    case HtmlPlace::text: return SlotPlace::html;
    case HtmlPlace::attribute: return SlotPlace::attribute;
    case HtmlPlace::url: return SlotPlace::url;
    case HtmlPlace::whole_url: return SlotPlace::whole_url;
    default: return misplaced(slot, place, where);
  }
}

Result<std::vector<Placed>> html_slots(std::string_view text, const std::string& where) {
  std::vector<Placed> found;
  HtmlPlaces html;
  std::size_t at = 0;
  while (const auto slot = find_slot(text, at)) {
    const auto begin = static_cast<std::size_t>(slot->raw.data() - text.data());
    html.pass(text.substr(at, begin - at));
    at = begin + slot->raw.size();
    if (slot->good) {
      const auto place = html_place(*slot, html.place(), where);
      if (!place) return fail(place);
      found.push_back({*slot, *place});
      continue;
    }
    const HtmlPlace place = html.place();
    if (place == HtmlPlace::text || place == HtmlPlace::attribute || place == HtmlPlace::url ||
        place == HtmlPlace::whole_url) {
      return no_slot(slot->raw, where);
    }
    html.pass(slot->raw);  // braces of a script or a style
  }
  return found;
}

// --- the whole message ---

class Marker {
 public:
  enum class Has { none, some };  // marks with this nonce
  Marker(std::string_view message, std::string_view nonce, Has has)
      : message_(message), nonce_(nonce), has_(has) {}

  Result<MarkedMessage> mark() {
    if (auto checked = check_nonce(); !checked) return fail(checked);
    const MessageParts parts = split_message(message_);
    for (const Field& field : Fields(parts.head)) {
      if (auto marked = mark_field(field); !marked) return fail(marked);
    }
    auto leaves = message_to_leaves(message_);
    if (!leaves) return fail(leaves);
    for (const Leaf& leaf : *leaves) {
      const bool own_head = leaf.head.data() != parts.head.data();
      if (auto checked = own_head ? check_part_head(leaf) : Result<>(); !checked)
        return fail(checked);
      if (auto marked = mark_leaf(leaf); !marked) return fail(marked);
    }
    if (keys_.size() > most_keys || marks_ > most_slots) {
      return refuse("it has more than {} slots, or more than {} keys", most_slots, most_keys);
    }
    if (!keys_.empty() && find_field(parts.head, "DKIM-Signature")) {
      return refuse("{{{{{}}}}} cannot be filled in: the message is signed (DKIM-Signature)",
                    keys_.front().key);
    }
    return MarkedMessage{edited(), std::move(keys_)};
  }

 private:
  struct Edit {
    std::size_t begin;
    std::size_t end;
    std::string text;
  };

  Result<> check_nonce() const {
    const bool good =
        nonce_.size() >= 8 && nonce_.size() <= 32 && std::ranges::all_of(nonce_, is_alnum);
    if (!good) return retry("the nonce of a message with slots is 8 to 32 letters and digits");
    if (has_ == Has::none && message_.find(nonce_) != std::string_view::npos) {
      return retry("the message holds the nonce of its own slots; the next try will draw another");
    }
    return {};
  }

  std::size_t offset(std::string_view view) const {
    return static_cast<std::size_t>(view.data() - message_.data());
  }
  void replace(std::string_view view, std::string text) {
    edits_.push_back({offset(view), offset(view) + view.size(), std::move(text)});
  }

  void add_key(const AuthorSlot& slot) {
    ++marks_;
    if (keys_.size() > most_keys) return;  // it will be refused
    const bool has_default = slot.fallback.has_value();
    const auto found = std::ranges::find(keys_, slot.key, &SlotKey::key);
    if (found == keys_.end()) {
      keys_.push_back({std::string(slot.key), has_default});
    } else {
      found->has_default = found->has_default && has_default;
    }
  }

  std::string mark_of(const Placed& placed) {
    add_key(placed.slot);
    return slot_to_mark(placed.slot, placed.place, nonce_);
  }

  // --- fields ---

  Result<> mark_field(const Field& field) {
    const SlotField kind = slot_field(field.name);
    if (kind == SlotField::trace) return {};
    if (has_ == Has::some && field.value.find(mark_prefix(nonce_)) != std::string_view::npos) {
      return {};
    }
    if (has_good_slot(field.name)) {
      return refuse("{} stands in the name of a field", printable(field.name, 80));
    }
    const std::string text = decode_words(field.value);
    const Census slots = census(text);
    const bool lenient = kind == SlotField::structured || begins_nocase(field.name, "X-");
    if (!slots.bad.empty() && !lenient) return no_slot(slots.bad, in_field(field));
    if (slots.good == 0) return {};
    switch (kind) {
      case SlotField::text: return mark_text_field(field, text);
      case SlotField::mailbox: return mark_mailbox_field(field, slots.good);
      case SlotField::urls: return mark_url_field(field, slots.good);
      default:
        return refuse("{} stands in {}, where nothing can be filled in",
                      printable(find_slot(text, 0)->raw, 80), in_field(field));
    }
  }

  static std::string in_field(const Field& field) {
    return fmt::format("the field {}", printable(field.name, 80));
  }

  // Every slot marked; other braces are text.
  std::string marked_text(std::string_view text, SlotPlace place) {
    std::string result;
    std::size_t at = 0;
    while (const auto slot = find_slot(text, at)) {
      const auto begin = static_cast<std::size_t>(slot->raw.data() - text.data());
      result.append(text.substr(at, begin - at));
      result.append(slot->good ? mark_of({*slot, place}) : std::string(slot->raw));
      at = begin + slot->raw.size();
    }
    return result.append(text.substr(at));
  }

  Result<> mark_text_field(const Field& field, std::string_view text) {
    std::string line = std::string(field.name) + ": ";
    append_encoded_text(line, marked_text(text, SlotPlace::field), line.size());
    replace(field.raw, line + '\n');
    return {};
  }

  // `count`: how many slots it has, all of which must be found where they can stand.
  Result<> mark_mailbox_field(const Field& field, std::size_t count) {
    const auto mailbox = split_mailbox(field.value);
    const bool whole = mailbox && !mailbox->address.empty() &&
                       census(mailbox->name).good + census(mailbox->address).good == count;
    if (!whole) {
      return refuse("slots in {} need one mailbox: {{{{name}}}} <ann@example.org>",
                    in_field(field));
    }
    const auto slot = find_slot(mailbox->address, 0);
    if (slot && slot->raw != mailbox->address) {
      return refuse("{} is a part of an address in {}; a slot can only be all of it",
                    printable(slot->raw, 80), in_field(field));
    }
    std::string line = std::string(field.name) + ": ";
    append_encoded_phrase(line, marked_text(mailbox->name, SlotPlace::field), line.size());
    line.append(mailbox->name.empty() ? "<" : "\n <");
    line.append(marked_text(mailbox->address, SlotPlace::address)).append(">\n");
    replace(field.raw, std::move(line));
    return {};
  }

  Result<> mark_url_field(const Field& field, std::size_t count) {
    std::string line(field.raw.substr(0, offset(field.value) - offset(field.raw)));
    const std::string_view value = field.value;
    std::size_t at = 0;
    std::string_view url = value.substr(0, 0);  // from the last `<`; empty: there was none
    for (; const auto slot = find_slot(value, at); --count) {
      const auto begin = static_cast<std::size_t>(slot->raw.data() - value.data());
      const std::string_view before = value.substr(at, begin - at);
      if (const auto edge = before.find_last_of("<>"); edge != std::string_view::npos) {
        url = before[edge] == '<' ? value.substr(at + edge) : "";
      }
      const auto place =
          url.empty() ? std::nullopt : url_place(url.substr(0, offset(slot->raw) - offset(url)));
      if (!place || count == 0) {
        return refuse("{} in {} stands in no <http:...>, <https:...> or <mailto:...>",
                      printable(slot->raw, 80), in_field(field));
      }
      line.append(before).append(mark_of({*slot, *place}));
      at = begin + slot->raw.size();
    }
    if (count > 0) return refuse("the slots in {} are encoded", in_field(field));
    replace(field.raw, line.append(value.substr(at)) + '\n');
    return {};
  }

  // `url`: what stands from a `<` to a slot.
  static std::optional<SlotPlace> url_place(std::string_view url) {
    if (url == "<") return SlotPlace::field_url;
    const bool inside = begins_nocase(url, "<http:") || begins_nocase(url, "<https:") ||
                        begins_nocase(url, "<mailto:") || url.starts_with("<{{");
    if (!inside) return std::nullopt;
    return SlotPlace::url;
  }

  static Result<> check_part_head(const Leaf& leaf) {
    for (const Field& field : Fields(leaf.head)) {
      if (has_good_slot(field.name) || has_good_slot(decode_words(field.value))) {
        return refuse("a slot stands in the field {} of {}, where nothing can be filled in",
                      printable(field.name, 80), described(leaf));
      }
    }
    return {};
  }

  // --- bodies ---

  Result<> mark_leaf(const Leaf& leaf) {
    if (!leaf.type.name.starts_with("text/") || is_attachment(leaf.head)) return {};
    const std::string encoding = transfer_encoding(leaf.head);
    std::string octets = decoded(leaf.body, encoding);
    const auto text = to_utf8(octets, leaf.type);
    if (auto checked = check_leaf(leaf, encoding, text ? *text : octets, text.has_value());
        !checked) {
      return fail(checked);
    }
    if (!text) return {};
    const std::string where = described(leaf);
    Result<std::vector<Placed>> slots;
    if (leaf.type.name == "text/plain") slots = plain_slots(*text, where);
    if (leaf.type.name == "text/html") slots = html_slots(*text, where);
    if (!slots) return fail(slots);
    if (!slots->empty()) rewrite(leaf, *text, *slots);
    return {};
  }

  // Whether the slots of a part, if it has any, are where they can be filled in.
  static Result<> check_leaf(const Leaf& leaf, std::string_view encoding, std::string_view text,
                             bool charset_is_known) {
    if (!has_good_slot(text)) return {};
    std::string_view why;
    if (leaf.seal == Seal::sealed || text.find("-----BEGIN PGP ") != std::string_view::npos) {
      why = "which is signed or encrypted";
    } else if (leaf.type.name != "text/plain" && leaf.type.name != "text/html") {
      why = "which is neither text/plain nor text/html";
    } else if (encoding == "base64") {
      why = "which is base64; send it as 8bit or quoted-printable";
    } else if (encoding != "7bit" && encoding != "8bit" && encoding != "binary" &&
               encoding != "quoted-printable") {
      why = "whose transfer encoding is unknown";
    } else if (!charset_is_known) {
      why = "whose text is not in its charset, or in an unknown one; send it in UTF-8";
    } else if (count_fields(leaf.head, "Content-Type") > 1 ||
               count_fields(leaf.head, "Content-Transfer-Encoding") > 1) {
      why = "which says twice what it is";
    } else {
      return {};
    }
    return refuse("a slot stands in {}, {}", described(leaf), why);
  }

  void rewrite(const Leaf& leaf, std::string_view text, const std::vector<Placed>& slots) {
    rewrite_head(leaf);
    std::string body;
    QuotedPrintable printer(body);
    std::size_t at = 0;
    for (const Placed& placed : slots) {
      const auto begin = static_cast<std::size_t>(placed.slot.raw.data() - text.data());
      printer.add(text.substr(at, begin - at));
      printer.soft_break();
      body.append(mark_of(placed)).append("=\n");
      at = begin + placed.slot.raw.size();
    }
    printer.add(text.substr(at));
    replace(leaf.body, std::move(body));
  }

  void rewrite_head(const Leaf& leaf) {
    std::string added;
    ContentType type = leaf.type;
    const auto charset =
        std::ranges::find(type.parameters, "charset", &ContentType::Parameter::name);
    const bool is_utf8_part =
        charset != type.parameters.end() && same_nocase(charset->value, "utf-8");
    if (charset == type.parameters.end()) {
      type.parameters.push_back({"charset", "utf-8"});
    } else {
      charset->value = "utf-8";
    }
    if (!is_utf8_part) set_field(leaf, "Content-Type", content_type_to_text(type), added);
    set_field(leaf, "Content-Transfer-Encoding", "quoted-printable", added);
    const bool is_message = leaf.head.data() == message_.data();
    if (is_message && !find_field(leaf.head, "MIME-Version"))
      append_field(added, "MIME-Version", "1.0");
    if (leaf.separator.empty()) added.push_back('\n');
    if (!added.empty()) replace(leaf.head.substr(leaf.head.size()), std::move(added));
  }

  void set_field(const Leaf& leaf, std::string_view name, const std::string& value,
                 std::string& added) {
    const auto field = find_field(leaf.head, name);
    if (!field) return append_field(added, name, value);
    std::string line;
    append_field(line, field->name, value);
    replace(field->raw, std::move(line));
  }

  std::string edited() {
    std::ranges::sort(edits_, {}, [](const Edit& edit) { return std::pair(edit.begin, edit.end); });
    std::string result;
    std::size_t at = 0;
    for (const Edit& edit : edits_) {
      result.append(message_.substr(at, edit.begin - at)).append(edit.text);
      at = edit.end;
    }
    return result.append(message_.substr(at));
  }

  std::string_view message_;
  std::string_view nonce_;
  Has has_;
  std::vector<Edit> edits_;
  std::vector<SlotKey> keys_;
  std::size_t marks_ = 0;
};

}  // namespace

Result<MarkedMessage> mark_slots(std::string_view message, std::string_view nonce) {
  return Marker(message, nonce, Marker::Has::none).mark();
}

Result<MarkedMessage> mark_further_slots(std::string_view message, std::string_view nonce) {
  return Marker(message, nonce, Marker::Has::some).mark();
}

std::string marked_slot_in_url(std::string_view key, std::string_view nonce) {
  return slot_to_mark({.raw = {}, .key = key, .fallback = {}, .good = true}, SlotPlace::url, nonce);
}

std::string slot_nonce(std::string_view message) {
  constexpr std::size_t enough = 26;  // 130 bits
  Sha256 digest;
  digest.add("mlpipe slots\n");
  digest.add(message);
  return base32(digest.finish()).substr(0, enough);
}

}  // namespace ml
