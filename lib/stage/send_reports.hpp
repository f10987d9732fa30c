// What ml-send tells machines about its recipients: a line each (RecipientLog) and counters
// (SendMetrics), whichever were asked for.
//
//   SendReports reports({.recipient_log = "stderr", .metrics = "ml-send.prom"});
//   if (auto opened = reports.open(); !opened) return fail(opened);
//   reports.note({address, Outcome::delivered, relay, reply, id}, now);
//   reports.flush_due(Clock::now());     // as often as you like
//   reports.flush();                     // at the end
//
// One that cannot be written any more is told of once and done without: no mail waits for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "queue/journal.hpp"
#include "smtp/reply.hpp"
#include "stage/recipient_log.hpp"
#include "stage/send_metrics.hpp"

namespace ml {

class SendReports {
 public:
  using Clock = std::chrono::steady_clock;
  struct Terms {
    std::optional<std::string> recipient_log{};  // where the lines go, see RecipientLog
    std::optional<std::string> metrics{};        // the file of the counters, see SendMetrics
  };
  // What became of a recipient. Views live during the call.
  struct Settled {
    std::string_view address;
    Outcome outcome;
    std::string_view relay;
    const Reply& reply;
    std::string_view id;  // of the message
  };

  explicit SendReports(Terms terms);

  // 75 where what was asked for cannot be written.
  [[nodiscard]] Result<> open();
  // `now`: seconds since the epoch.
  void note(const Settled& one, std::int64_t now) {
    if (log_ || metrics_) note_down(one, now);
  }
  // Lines at once, counters every ten seconds.
  void flush_due(Clock::time_point now);
  void flush();

 private:
  void note_down(const Settled& one, std::int64_t now);
  void flush_log();
  void flush_metrics();

  Terms terms_;
  std::optional<RecipientLog> log_;
  std::optional<SendMetrics> metrics_;
  Clock::time_point metrics_due_;
};

}  // namespace ml
