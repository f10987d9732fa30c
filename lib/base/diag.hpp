// What a program says to people, and how it leaves. Nothing else in lib prints.
//
//   set_program("ml-sort");
//   return leave(sort(...));     // says the failure, if there is one, and gives the exit status
#pragma once

#include <string_view>

#include "base/result.hpp"

namespace ml {

// The name in front of every line.
void set_program(std::string_view name);
[[nodiscard]] std::string_view program();

// One line on stderr, `ml-sort: text`, in one write, controls escaped.
void say(std::string_view text);

// Where events go: "stderr" (default), "syslog", or a file to append to.
[[nodiscard]] Result<> log_to(std::string_view where);

// An event that is no failure, e.g. a loop that was dropped: a line to the log.
void log(std::string_view text);

// A whole line that a program of ours has said, with its name in it, passed on to the log.
void log_said(std::string_view line);

// Says a failure and gives its status. A rejection (65, 77) is said bare, so that it begins
// with its enhanced code, which mail servers quote; all else begins with the program's name,
// so that no 75 can be taken for a rejection. An empty text is said by nobody.
[[nodiscard]] int leave(const Result<Status>& result);

// There is no memory: says so and ends the process with 75, at once. Mail servers take a process
// that dies of a signal for one that has rejected the message.
[[noreturn]] void leave_without_memory() noexcept;
// The same over an exception that nobody expected: a std::terminate_handler.
[[noreturn]] void leave_by_exception() noexcept;

}  // namespace ml
