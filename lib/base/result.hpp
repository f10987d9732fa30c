// Failure as a value, and the exit statuses that every mail server understands.
//
// A function that can fail returns Result<T>. Its error carries the status that a
// command should leave with and one line for people: what, which, why, what to do.
//
//   Result<Fd> open_for_reading(const std::string& path);
//   auto file = open_for_reading(path);
//   if (!file) return fail(file);                    // passed up unchanged
//   return retry("{}: no such list (make it with: ml-list create {})", name, name);
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace ml {

// What a process leaves with. Only done, rejected, retry and denied may leave a filter: they
// mean the same to Postfix, Exim, OpenSMTPD, Sendmail, qmail and Courier. Tools for people
// (ml-store, ml-list) also use no and usage.
enum class Status {
  done = 0,
  no = 1,         // a tool for people: asked, and the answer is no
  usage = 64,     // a tool for people: the command line makes no sense
  rejected = 65,  // the message is at fault; its text begins with an enhanced code (5.x.x)
  retry = 75,     // everything else: try the same again later
  denied = 77,    // the author may not; its text begins with an enhanced code (5.x.x)
};

struct Error {
  Status status = Status::retry;
  std::string text;  // one line, no LF at the end; empty: leave in silence (EPIPE)
};

template <class T = void>
using Result = std::expected<T, Error>;
using Failure = std::unexpected<Error>;

template <class... Args>
[[nodiscard]] Failure failure(Status status, fmt::format_string<Args...> form, Args&&... args) {
  return Failure(Error{status, fmt::format(form, std::forward<Args>(args)...)});
}

template <class... Args>
[[nodiscard]] Failure retry(fmt::format_string<Args...> form, Args&&... args) {
  return failure(Status::retry, form, std::forward<Args>(args)...);
}

// The error of another result, to be returned as our own.
template <class T>
[[nodiscard]] Failure fail(const Result<T>& result) {
  return Failure(result.error());
}

// 75 with the meaning of `code` (an errno value), e.g. "cannot open FILE: Permission denied".
// EPIPE gives an empty text: the reader of our output has left and will say why itself.
[[nodiscard]] Failure system_failure(std::string_view doing, int code);

}  // namespace ml
