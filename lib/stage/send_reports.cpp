#include "stage/send_reports.hpp"

#include <utility>

#include "base/diag.hpp"
#include "stage/log.hpp"

namespace ml {
namespace {

constexpr auto pause_between_metrics = std::chrono::seconds(10);

}  // namespace

SendReports::SendReports(Terms terms)
    : terms_(std::move(terms)), metrics_due_(Clock::now() + pause_between_metrics) {}

Result<> SendReports::open() {
  if (terms_.recipient_log) {
    auto opened = RecipientLog::open(*terms_.recipient_log);
    if (!opened) return fail(opened);
    log_.emplace(std::move(*opened));
  }
  if (!terms_.metrics) return {};
  metrics_.emplace(*terms_.metrics);
  return metrics_->write();
}

void SendReports::note_down(const Settled& one, std::int64_t now) {
  const std::string_view outcome = outcome_to_text(one.outcome);
  if (log_) log_->add(one.address, outcome, now, one.relay, one.reply, one.id);
  if (metrics_) metrics_->count(one.relay, outcome, one.reply);
}

void SendReports::flush_due(Clock::time_point now) {
  flush_log();
  if (now < metrics_due_) return;
  metrics_due_ = now + pause_between_metrics;
  flush_metrics();
}

void SendReports::flush() {
  flush_log();
  flush_metrics();
}

void SendReports::flush_log() {
  if (!log_) return;
  auto flushed = log_->flush();
  if (flushed) return;
  say(flushed.error().text + "; no more recipients are logged");
  log_.reset();
}

void SendReports::flush_metrics() {
  if (!metrics_) return;
  auto written = metrics_->write();
  if (written) return;
  say(written.error().text + "; no more metrics are written");
  metrics_.reset();
}

}  // namespace ml
