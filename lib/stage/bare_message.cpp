#include "stage/bare_message.hpp"

#include <chrono>
#include <utility>

#include "base/attributes.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/date.hpp"
#include "mail/header.hpp"
#include "mail/id.hpp"
#include "mail/mailboxes.hpp"
#include "mail/message.hpp"
#include "stream/record.hpp"

namespace ml {
namespace {

Result<std::string> sender_of(const BareMessageOptions& options) {
  if (options.sender) return text_to_sender(*options.sender);
  if (options.list) return options.list->address(Role::bounces);
  return retry(
      "the message has no envelope sender: say who gets the bounces with --sender ADDRESS, "
      "or name a LIST");
}

// A domain of ours for the Message-ID: the sender's, or where that is <> the author's.
std::string domain_of(std::string_view sender, std::string_view from) {
  if (const auto address = text_to_address(sender)) return address->domain;
  const auto authors = mailboxes(from);
  return authors.empty() ? "localhost" : authors.front().domain;
}

}  // namespace

Result<std::string> text_to_sender(std::string_view text) {
  if (text.empty() || text == "<>") return "<>";
  const auto address = text_to_address(text);
  if (!address) return retry("--sender: {}", address.error().text);
  return address_to_text(*address);
}

Result<BareMessage> octets_to_bare_message(std::string octets, const BareMessageOptions& options) {
  auto intake = octets_to_message(std::move(octets));
  if (!intake) return fail(intake);
  const MessageParts parts = split_message(intake->message);
  const auto from = find_field(parts.head, "From");
  if (!from) return failure(Status::rejected, "5.6.0 the message has no From field");

  auto sender = sender_of(options);
  if (!sender) return fail(sender);
  BareMessage message;
  message.sender = std::move(*sender);
  // Made before Date and Message-ID are added, so that a second try has the same.
  const std::string made =
      message_id_of('x', options.list ? options.list->text() : message.sender, intake->message);
  message.id = options.id.value_or(made);
  std::string head(parts.head);
  if (!find_field(head, "Date")) {
    append_field(head, "Date", time_to_date(std::chrono::system_clock::now()));
  }
  if (!find_field(head, "Message-ID")) {
    append_field(head, "Message-ID", make_message_id(made, domain_of(message.sender, from->value)));
  }
  message.text = std::move(head);
  message.text.append(parts.separator).append(parts.body);
  if (options.list) append_attribute(message.attributes, "list", options.list->text());
  return message;
}

}  // namespace ml
