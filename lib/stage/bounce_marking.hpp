// A bounce of one recipient of one message, that somebody believes: what it leaves in the store and
// what follows from it.
//
//   BounceMarking marking(home, steps, list, number);
//   auto why_not = marking.mark(recipient, tag, mark_text(report), "the relay said ...");
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "list/name.hpp"
#include "mail/address.hpp"
#include "mail/bounce.hpp"
#include "stage/bounce_home.hpp"
#include "stage/bounce_steps.hpp"

namespace ml {

class BounceMarking {
 public:
  // `home` and `steps` must outlive it.
  BounceMarking(BounceHome& home, BounceSteps& steps, ListName list, ListNumber number)
      : home_(home), steps_(steps), list_(std::move(list)), number_(number) {}

  // Why nobody is marked; empty: somebody is. `status`, as mark_text() gives it, is nothing where
  // the recipient is not to blame, and its refusal speaks of the message alone; `said` is then why.
  [[nodiscard]] Result<std::string> mark(const Address& recipient, std::uint32_t tag,
                                         const std::optional<std::string>& status,
                                         std::string_view said);

 private:
  [[nodiscard]] Result<bool> is_message_to_blame(const Refused& refused, std::uint32_t tag);
  [[nodiscard]] Result<std::string> why_unmarked(const Address& recipient) const;

  BounceHome& home_;
  BounceSteps& steps_;
  ListName list_;
  ListNumber number_;
};

// What is kept of a bounce, "5.1.1 mailbox".
[[nodiscard]] std::string mark_text(const Report& report);

}  // namespace ml
