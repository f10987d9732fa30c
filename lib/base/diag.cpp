#include "base/diag.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <ctime>
#include <exception>
#include <string>
#include <utility>

#include "base/fd.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_line = 2000;

struct Diagnostics {
  std::string program = "mlpipe";  // openlog keeps a pointer to it
  enum class To { standard_error, system_log, file } to = To::standard_error;
  Fd file;
};

Diagnostics& diagnostics() {
  static Diagnostics the;
  return the;
}

// Without memory of its own.
[[noreturn]] void end_at_once(std::string_view why) noexcept {
  const std::string_view name = program();
  const auto part = [](std::string_view text) {
    return iovec{const_cast<char*>(text.data()), text.size()};
  };
  const std::array line{part(name), part(": "), part(why), part("\n")};
  static_cast<void>(writev(2, line.data(), static_cast<int>(line.size())));
  _exit(static_cast<int>(Status::retry));
}

// Nobody is left to tell when stderr itself fails.
void write_line(int fd, std::string line) {
  line.push_back('\n');
  static_cast<void>(write_all(fd, line, "the log"));
}

}  // namespace

void set_program(std::string_view name) {
  diagnostics().program = name;
}
std::string_view program() {
  return diagnostics().program;
}

void say(std::string_view text) {
  write_line(2, fmt::format("{}: {}", program(), printable(text, longest_line)));
}

Result<> log_to(std::string_view where) {
  auto& the = diagnostics();
  if (where == "stderr") {
    the.to = Diagnostics::To::standard_error;
  } else if (where == "syslog") {
    openlog(the.program.c_str(), LOG_PID, LOG_MAIL);
    the.to = Diagnostics::To::system_log;
  } else {
    auto file = open_file(std::string(where), O_WRONLY | O_CREAT | O_APPEND);
    if (!file) return fail(file);
    the.file = std::move(*file);
    the.to = Diagnostics::To::file;
  }
  return {};
}

void log(std::string_view text) {
  auto& the = diagnostics();
  if (the.to != Diagnostics::To::file) {
    return the.to == Diagnostics::To::system_log ? log_said(text) : say(text);
  }
  log_said(fmt::format("{}: {}", the.program, text));
}

void log_said(std::string_view line) {
  auto& the = diagnostics();
  std::string shown = printable(line, longest_line);
  switch (the.to) {
    case Diagnostics::To::standard_error: return write_line(2, std::move(shown));
    case Diagnostics::To::system_log: return syslog(LOG_INFO, "%s", shown.c_str());
    case Diagnostics::To::file:
      return write_line(the.file.get(), time_to_stamp(std::time(nullptr)) + ' ' + shown);
  }
}

int leave(const Result<Status>& result) {
  if (result) return static_cast<int>(*result);
  const Error& error = result.error();
  if (error.text.empty()) return static_cast<int>(error.status);
  if (error.status == Status::rejected || error.status == Status::denied) {
    write_line(2, printable(error.text, longest_line));
  } else {
    say(error.text);
  }
  return static_cast<int>(error.status);
}

void leave_without_memory() noexcept {
  end_at_once("there is not enough memory");
}

void leave_by_exception() noexcept {
  constexpr auto unnamed = "it has met a fault of its own";
  try {
    if (const auto thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::exception& exception) {
    end_at_once(exception.what());
  } catch (...) {
    end_at_once(unnamed);
  }
  end_at_once(unnamed);
}

}  // namespace ml
