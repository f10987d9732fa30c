// A line a recipient, for machines, as the relay answers: the fields of ml-log(1), with a TAB
// between them.
//
//   ann@example.org  delivered  2026-11-22T15:04:05Z  smtp://localhost:25  250 2.0.0 Ok  x1
//
//   auto log = RecipientLog::open("stderr");         // "stderr", "syslog" or a file to append to
//   log->add("ann@example.org", "delivered", now, relay, reply, "x1");
//   if (auto flushed = log->flush(); !flushed) ...
//
// Lines of several processes in one file stay whole.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "smtp/reply.hpp"

namespace ml {

class RecipientLog {
 public:
  [[nodiscard]] static Result<RecipientLog> open(const std::string& where);

  void add(std::string_view address, std::string_view outcome, std::int64_t now,
           std::string_view relay, const Reply& reply, std::string_view id);
  [[nodiscard]] Result<> flush();

 private:
  enum class To { file, standard_error, system_log };
  RecipientLog(To to, Fd file, std::string name)
      : to_(to), file_(std::move(file)), name_(std::move(name)) {}

  To to_;
  Fd file_;
  std::string name_;
  std::string lines_;
};

}  // namespace ml
