#include "mail/id.hpp"

#include <algorithm>
#include <array>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/message.hpp"

namespace ml {
namespace {

constexpr std::size_t id_length = 26;

bool counts(std::string_view name) {
  constexpr std::array<std::string_view, 11> names{
      "From",       "Sender",  "Reply-To",   "To",          "Cc",          "Date",
      "Message-ID", "Subject", "References", "In-Reply-To", "MIME-Version"};
  return begins_nocase(name, "Resent-") || begins_nocase(name, "Content-") ||
         std::ranges::any_of(names, [&](auto one) { return same_nocase(name, one); });
}

// One line a field, which no value can hold: fields cannot be shifted into one another.
void add_field(Sha256& digest, const Field& field) {
  digest.add(lower(field.name));
  digest.add(":");
  digest.add(unfolded(field.value));
  digest.add("\n");
}

}  // namespace

std::string message_id_of(char prefix, std::string_view scope, std::string_view message) {
  const MessageParts parts = split_message(message);
  Sha256 digest;
  digest.add(scope);
  digest.add("\n");
  for (const Field& field : Fields(parts.head)) {
    if (counts(field.name)) add_field(digest, field);
  }
  if (!find_field(parts.head, "Message-ID")) {
    if (const auto received = find_field(parts.head, "Received")) add_field(digest, *received);
  }
  digest.add("\n");
  digest.add(parts.body.substr(0, parts.body.find_last_not_of('\n') + 1));
  return prefix + base32(digest.finish()).substr(0, id_length);
}

bool is_message_id(std::string_view id, std::string_view prefixes) {
  return id.size() == 1 + id_length && prefixes.find(id.front()) != std::string_view::npos;
}

}  // namespace ml
