// What relays said to ml-send, in numbers for Prometheus: a file for the textfile collector.
//
//   mlpipe_send_recipients_total{relay="smtp://localhost:25",outcome="delivered",reply="2xx"} 480
//
// Counters that grow from run to run: what the file has is read, and this run's is added to it, one
// process at a time. The new file is written beside it and renamed to it.
//
//   SendMetrics metrics("/var/lib/node_exporter/ml-send.prom");
//   metrics.count("smtp://localhost:25", "delivered", reply);
//   if (auto written = metrics.write(); !written) ...      // counts what came since the last time
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "smtp/reply.hpp"

namespace ml {

class SendMetrics {
 public:
  explicit SendMetrics(std::string file) : file_(std::move(file)) {}

  // `reply` of our own making counts as "none".
  void count(std::string_view relay, std::string_view outcome, const Reply& reply);
  // Keeps the counts where it fails.
  [[nodiscard]] Result<> write();

 private:
  std::string file_;
  std::map<std::string, std::uint64_t, std::less<>> counts_;  // by series, since the last write
  std::string series_;                                        // room for count()
};

}  // namespace ml
