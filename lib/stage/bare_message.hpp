// A bare RFC 5322 message on its way into a stream: checked, with an id and a sender.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "list/name.hpp"

namespace ml {

struct BareMessage {
  std::string id;
  std::string sender;      // "<>": the null sender
  std::string text;        // LF line ends, with Date and Message-ID
  std::string attributes;  // "\tlist=..." or empty
};

struct BareMessageOptions {
  std::optional<std::string> sender;  // else the list's bounce address
  std::optional<std::string> id;      // else made from the message
  std::optional<ListName> list;
};

// 65 for a message with a NUL or without From; 75 where nothing tells the sender. A missing Date
// is now, a missing Message-ID is made from the id, so that the same message keeps it.
[[nodiscard]] Result<BareMessage> octets_to_bare_message(std::string octets,
                                                         const BareMessageOptions& options);

// "<>" and "" are the null sender; all else must be an address.
[[nodiscard]] Result<std::string> text_to_sender(std::string_view text);

}  // namespace ml
