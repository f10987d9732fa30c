// Syncs files while its owner goes on, in a thread of its own that begins with the first of them.
//
//   SyncThread syncs;
//   if (!syncs.is_busy()) syncs.begin(std::move(files));
//   if (syncs.error() != 0) ...                       // some file of some round: for good
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/fd.hpp"

namespace ml {

class SyncThread {
 public:
  // With the last ones.
  [[nodiscard]] bool is_busy();
  // It must not be busy. The files are closed when they are synced; where no thread is to be had,
  // that is when this returns.
  void begin(std::vector<Fd> files);
  // The same for whoever waits for it: they are synced when this returns, and stay the caller's.
  void sync(std::span<const Fd> files);
  // Returns when nothing is under way.
  void finish();
  // What has failed so far, an errno value, or 0.
  [[nodiscard]] int error() const { return error_; }

 private:
  [[nodiscard]] bool has_thread();
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<Fd> files_;  // empty: nothing to do
  std::atomic<int> error_ = 0;
  std::jthread thread_;  // last, so that it ends before what it uses
};

}  // namespace ml
