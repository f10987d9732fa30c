#include "queue/entry.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

bool is_file_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.front() != '.' &&
         std::ranges::all_of(
             text, [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

std::string directory_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

std::string entry_path(std::string_view queue, std::string_view name) {
  const std::string hash = base32(sha256(name)).substr(0, 2);
  return fmt::format("queue/{}/{}/{}", queue, hash, name);
}

QueueEntry::QueueEntry(const Home& home, std::string queue, std::string name, std::string draft,
                       Fd fd)
    : home_(&home),
      queue_(std::move(queue)),
      name_(std::move(name)),
      draft_(std::move(draft)),
      fd_(std::move(fd)) {}

QueueEntry::QueueEntry(QueueEntry&& other) noexcept
    : home_(other.home_),
      queue_(std::move(other.queue_)),
      name_(std::move(other.name_)),
      draft_(std::exchange(other.draft_, {})),
      fd_(std::move(other.fd_)) {}

QueueEntry::~QueueEntry() {
  if (!draft_.empty()) unlinkat(home_->fd().get(), draft_.c_str(), 0);
}

Result<QueueEntry> QueueEntry::create(const Home& home, std::string_view queue,
                                      std::string_view name) {
  if (!is_file_name(queue) || !is_file_name(name)) {
    return retry("'{}' in the queue '{}' cannot be the name of an entry", printable(name, 80),
                 printable(queue, 80));
  }
  const std::string drafts = fmt::format("queue/{}/tmp", queue);
  if (auto made = home.make_directory(drafts); !made) return fail(made);
  std::string draft = fmt::format("{}/{}.", drafts, name);
  append_base32(draft, random_number(), 12);
  auto fd = open_beneath(home.fd(), draft, O_WRONLY | O_CREAT | O_EXCL);
  if (!fd) return fail(fd);
  return QueueEntry(home, std::string(queue), std::string(name), std::move(draft), std::move(*fd));
}

Result<> QueueEntry::keep() {
  if (auto synced = sync(fd_, home_->path(draft_)); !synced) return synced;
  const std::string path = entry_path(queue_, name_);
  std::string directory = directory_of(path);
  if (auto made = home_->make_directory(directory); !made) return made;
  const int home = home_->fd().get();
  if (renameat(home, draft_.c_str(), home, path.c_str()) != 0) {
    return system_failure("cannot make the entry " + home_->path(path), errno);
  }
  draft_.clear();
  // Those above too: whoever made them may have died before they were durable.
  for (; directory != "queue"; directory = directory_of(directory)) {
    if (auto synced = sync_directory(home_->path(directory)); !synced) return synced;
  }
  for (const std::string& above : {home_->path("queue"), home_->directory()}) {
    if (auto synced = sync_directory(above); !synced) return synced;
  }
  return {};
}

}  // namespace ml
