// Whose mail a section is: a post, for the list's subscribers, or of another role, for few people
// and never for them. The message line says it from the moment it was taken in until the last copy
// has left, through queues, release and what a relay left.
//
//   append_attribute(attributes, received_attribute, "owner");
//   role_besides_post(in.message().attributes)     // "owner"
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/attributes.hpp"

namespace ml {

// ml.received=ROLE: the section has its sender and its fields, as ml-receive writes it, and came to
// that role.
inline constexpr std::string_view received_attribute = "ml.received";
// ml.role=ROLE, with ml.recipient=: the message as it came, for the whole pipeline of that role,
// which may be post.
inline constexpr std::string_view raw_attribute = "ml.role";

// The role; nothing: it is a post, or was never for a list.
[[nodiscard]] std::optional<std::string> role_besides_post(const Attributes& attributes);

}  // namespace ml
