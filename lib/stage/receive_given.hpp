// What ml-receive was given, made into what it does: one post on standard input begins a stream,
// or a Maildir or a batch of SMTP goes into the queues.
//
//   ReceiveGiven given;                                          // from the command line
//   if (goes_into_queues(given)) return receive_into_queues(given, 0);
//   if (auto fits = check_given(given); !fits) return fail(fits);
//   given.post.sender = environment_sender(...);
//   return receive(given.post, 0, out);
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "stage/receive.hpp"

namespace ml {

struct ReceiveGiven {
  ReceiveOptions post{};  // of these, the queues' ways may be told only `home` and `log`
  std::optional<std::string> list{};
  std::optional<std::string> maildir{};
  bool watch = false;  // the Maildir
  bool bsmtp = false;
};

[[nodiscard]] bool goes_into_queues(const ReceiveGiven& given);

// 75 where something that was given does not go with the rest, or LIST is missing.
[[nodiscard]] Result<> check_given(const ReceiveGiven& given);

// Checks them first. `input`: the batch.
[[nodiscard]] Result<Status> receive_into_queues(const ReceiveGiven& given, int input);

}  // namespace ml
