#include "mail/seven_bit.hpp"

#include <algorithm>
#include <utility>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/message.hpp"
#include "mail/parts.hpp"
#include "mail/transfer.hpp"

namespace ml {
namespace {

constexpr int deepest_attached_message = 5;
constexpr std::string_view encoding_field = "Content-Transfer-Encoding";

Failure cannot(std::string_view why) {
  return failure(Status::rejected, "{}", why);
}

// Whether `head` says that its body is as it stands, which is all that 8-bit text can be.
bool says_as_it_stands(std::string_view head) {
  const auto field = find_field(head, encoding_field);
  if (!field) return true;
  const std::string encoding = lower(unfolded(field->value));
  return count_fields(head, encoding_field) == 1 &&
         (encoding == "7bit" || encoding == "8bit" || encoding == "binary");
}

// Lines of 76, of the octets that the wire would have had.
std::string octets_to_base64_lines(std::string_view octets) {
  constexpr std::size_t octets_a_line = 57;
  std::string wire;
  for (const char c : octets) {
    if (c == '\n') wire.push_back('\r');
    wire.push_back(c);
  }
  std::string lines;
  for (std::string_view rest = wire; !rest.empty();) {
    append_base64(lines, rest.substr(0, octets_a_line));
    lines.push_back('\n');
    rest.remove_prefix(std::min(octets_a_line, rest.size()));
  }
  return lines;
}

std::string head_with_encoding(std::string_view head, std::string_view encoding) {
  std::string made = without_fields(head, {encoding_field});
  append_field(made, encoding_field, encoding);
  return made;
}

// The fields that RFC 2045 wants of a message whose text is encoded.
void complete_head(std::string& head, std::string_view body) {
  if (!find_field(head, "MIME-Version")) append_field(head, "MIME-Version", "1.0");
  if (find_field(head, "Content-Type")) return;
  append_field(head, "Content-Type",
               is_utf8(body) ? "text/plain; charset=utf-8" : "text/plain; charset=unknown-8bit");
}

Result<std::string> recoded_message(std::string_view message, int depth);

Result<std::string> recoded_leaf(const Leaf& leaf, int depth) {
  if (leaf.seal == Seal::sealed) return cannot("it has a part that is signed or encrypted");
  if (!says_as_it_stands(leaf.head)) return cannot("a part is not encoded as it says");
  if (leaf.type.name == "message/rfc822") {
    auto inner = recoded_message(leaf.body, depth + 1);
    if (!inner) return inner;
    return head_with_encoding(leaf.head, "7bit") + '\n' + *inner;
  }
  if (leaf.type.name.starts_with("message/") || leaf.type.name.starts_with("multipart/")) {
    return cannot("a part is of a kind that cannot be encoded");
  }
  if (!leaf.type.name.starts_with("text/")) {
    return head_with_encoding(leaf.head, "base64") + '\n' + octets_to_base64_lines(leaf.body);
  }
  std::string body;
  QuotedPrintable(body).add(leaf.body);
  return head_with_encoding(leaf.head, "quoted-printable") + '\n' + body;
}

Result<std::string> recoded_message(std::string_view message, int depth) {
  if (is_ascii(message)) return std::string(message);
  if (depth > deepest_attached_message) return cannot("messages are attached too deep in it");
  const MessageParts parts = split_message(message);
  if (find_field(parts.head, "DKIM-Signature") || find_field(parts.head, "ARC-Seal")) {
    return cannot("it is signed (DKIM, ARC)");
  }
  auto leaves = message_to_leaves(message);
  if (!leaves) return fail(leaves);
  std::string made;
  std::size_t at = 0;
  const auto keep_to = [&](std::size_t end) {
    const std::string_view kept = message.substr(at, end - at);
    made.append(kept);
    at = end;
    return is_ascii(kept);
  };
  for (Leaf& leaf : *leaves) {
    const auto begin = static_cast<std::size_t>(leaf.head.data() - message.data());
    const auto body = static_cast<std::size_t>(leaf.body.data() - message.data());
    const std::size_t end = body + leaf.body.size();
    if (!keep_to(begin) || !is_ascii(leaf.head))
      return cannot("8-bit text is not only in its parts");
    if (is_ascii(leaf.body)) {
      static_cast<void>(keep_to(end));
      continue;
    }
    std::string head(leaf.head);
    const bool is_message = begin == 0;
    if (is_message) complete_head(head, leaf.body);
    leaf.head = head;
    auto recoded = recoded_leaf(leaf, depth);
    if (!recoded) return recoded;
    if (!is_message && recoded->ends_with('\n') && !leaf.body.ends_with('\n')) recoded->pop_back();
    made.append(*recoded);
    at = end;
  }
  if (!keep_to(message.size())) return cannot("8-bit text is not only in its parts");
  return made;
}

}  // namespace

Result<std::string> message_to_7bit(std::string_view message) {
  return recoded_message(message, 0);
}

}  // namespace ml
