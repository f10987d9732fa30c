#include "mail/slot_text.hpp"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "base/attributes.hpp"
#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/rfc2047.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_key = 64;
constexpr std::size_t longest_default = 300;

std::string to_hex(std::string_view octets) {
  std::string text;
  for (const char c : octets) {
    fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string octets;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    unsigned value = 0;
    const char* const end = text.data() + i + 2;
    const auto [stop, error] = std::from_chars(text.data() + i, end, value, 16);
    if (error != std::errc() || stop != end) return std::nullopt;
    octets.push_back(static_cast<char>(value));
  }
  return octets;
}

bool is_place(char c) {
  return std::string_view("thauwfml").find(c) != std::string_view::npos;
}

bool is_any_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::any_of(names, [&](auto one) { return same_nocase(name, one); });
}

// "{{name} and welcome": the words of its line, for people to find it.
AuthorSlot unclosed(std::string_view text) {
  constexpr std::size_t shown = 40;
  AuthorSlot slot;
  slot.raw = text.substr(0, std::min(text.find('\n'), shown));
  return slot;
}

std::string unquoted(std::string_view phrase) {
  std::string text;
  for (std::size_t i = 0; i < phrase.size(); ++i) {
    if (phrase[i] == '"') continue;
    if (phrase[i] == '\\' && i + 1 < phrase.size()) ++i;
    text.push_back(phrase[i]);
  }
  return text;
}

}  // namespace

std::optional<AuthorSlot> find_slot(std::string_view text, std::size_t from) {
  std::size_t scanned = from;  // up to here there is no `}}` that could close
  for (auto at = text.find("{{", from); at != std::string_view::npos;
       at = text.find("{{", at + 2)) {
    const std::string_view near = text.substr(0, at + longest_slot);
    const auto end = near.find("}}", std::max(scanned, at + 2));
    if (end == std::string_view::npos) {
      scanned = near.size() - 1;
      if (at + 2 < text.size() && is_alpha(text[at + 2])) return unclosed(text.substr(at));
      continue;
    }
    AuthorSlot slot;
    slot.raw = text.substr(at, end + 2 - at);
    const std::string_view inner = text.substr(at + 2, end - at - 2);
    const auto bar = inner.find('|');
    slot.key = inner.substr(0, bar);
    if (bar != std::string_view::npos) slot.fallback = inner.substr(bar + 1);
    slot.good = is_key(slot.key) && slot.key.size() <= longest_key &&
                inner.find_first_of("{}") == std::string_view::npos &&
                slot.fallback.value_or("").size() <= longest_default;
    return slot;
  }
  return std::nullopt;
}

std::string mark_prefix(std::string_view nonce) {
  return fmt::format("{{{{{}/", nonce);
}

std::string slot_to_mark(const AuthorSlot& slot, SlotPlace place, std::string_view nonce) {
  std::string mark = mark_prefix(nonce);
  mark.push_back(static_cast<char>(place));
  mark.append("/").append(slot.key);
  if (slot.fallback) {
    std::string line(*slot.fallback);
    std::ranges::replace_if(line, is_control, ' ');  // it may have been wrapped
    mark.append("/").append(to_hex(line));
  }
  return mark + "}}";
}

std::optional<SlotMark> text_to_mark(std::string_view text, std::string_view prefix) {
  const auto end = text.find("}}");
  if (end == std::string_view::npos || end < prefix.size() + 3) return std::nullopt;
  SlotMark mark;
  mark.raw = text.substr(0, end + 2);
  std::string_view rest = text.substr(prefix.size(), end - prefix.size());
  if (!is_place(rest[0]) || rest[1] != '/') return std::nullopt;
  mark.place = static_cast<SlotPlace>(rest[0]);
  rest.remove_prefix(2);
  const auto slash = rest.find('/');
  mark.key = rest.substr(0, slash);
  if (!is_key(mark.key)) return std::nullopt;
  if (slash == std::string_view::npos) return mark;
  mark.fallback = from_hex(rest.substr(slash + 1));
  if (!mark.fallback) return std::nullopt;
  return mark;
}

SlotField slot_field(std::string_view name) {
  constexpr std::array<std::string_view, 5> mailboxes{"From", "Sender", "Reply-To", "To", "Cc"};
  constexpr std::array<std::string_view, 7> urls{"List-Unsubscribe", "List-Subscribe", "List-Help",
                                                 "List-Archive",     "List-Owner",     "List-Post",
                                                 "Archived-At"};
  constexpr std::array<std::string_view, 6> traces{
      "Return-Path", "Received", "DKIM-Signature", "Received-SPF", "Authentication-Results",
      "Delivered-To"};
  if (same_nocase(name, "Subject") || same_nocase(name, "Comments") || begins_nocase(name, "X-")) {
    return SlotField::text;
  }
  if (is_any_of(name, mailboxes)) return SlotField::mailbox;
  if (is_any_of(name, urls)) return SlotField::urls;
  if (is_any_of(name, traces) || begins_nocase(name, "ARC-")) return SlotField::trace;
  return SlotField::structured;
}

std::optional<NamedAddress> split_mailbox(std::string_view value) {
  const std::string line = unfolded(value);
  const std::string_view text = line;
  const auto open = text.rfind('<');
  if (open == std::string_view::npos) {
    if (text.find_first_of(" \t,;:\"()") != std::string_view::npos) return std::nullopt;
    return NamedAddress{{}, line};
  }
  if (!text.ends_with('>')) return std::nullopt;
  NamedAddress result;
  result.address = text.substr(open + 1, text.size() - open - 2);
  const std::string_view phrase = trim(text.substr(0, open));
  bool quoted = false;
  for (std::size_t i = 0; i < phrase.size(); ++i) {
    if (phrase[i] == '"') quoted = !quoted;
    if (quoted && phrase[i] == '\\') ++i;
    if (!quoted && std::string_view(",;:<>()@").find(phrase[i]) != std::string_view::npos) {
      return std::nullopt;
    }
  }
  result.name = decode_words(unquoted(phrase));
  return result;
}

}  // namespace ml
