#include "queue/sync_thread.hpp"

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace ml {

bool SyncThread::is_busy() {
  const std::lock_guard guard(mutex_);
  return !files_.empty();
}

void SyncThread::begin(std::vector<Fd> files) {
  const std::lock_guard guard(mutex_);
  files_ = std::move(files);
  if (!thread_.joinable()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  wake_.notify_all();
}

void SyncThread::finish() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return files_.empty(); });
}

void SyncThread::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (wake_.wait(lock, stop, [this] { return !files_.empty(); })) {
    lock.unlock();
    for (const Fd& file : files_) {
      if (fdatasync(file.get()) != 0) error_ = errno;
    }
    lock.lock();
    files_.clear();
    wake_.notify_all();
  }
}

}  // namespace ml
