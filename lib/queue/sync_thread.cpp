#include "queue/sync_thread.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace ml {

bool SyncThread::is_busy() {
  const std::lock_guard guard(mutex_);
  return !files_.empty();
}

void SyncThread::begin(std::vector<Fd> files) {
  const std::lock_guard guard(mutex_);
  files_ = std::move(files);
  if (thread_.joinable() || has_thread()) return wake_.notify_all();
  sync(files_);
  files_.clear();
}

bool SyncThread::has_thread() {
  try {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

void SyncThread::sync(std::span<const Fd> files) {
  for (const Fd& file : files) {
    if (fdatasync(file.get()) != 0) error_ = errno;
  }
}

void SyncThread::finish() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return files_.empty(); });
}

void SyncThread::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (wake_.wait(lock, stop, [this] { return !files_.empty(); })) {
    lock.unlock();
    sync(files_);
    lock.lock();
    files_.clear();
    wake_.notify_all();
  }
}

}  // namespace ml
