#include "queue/queue.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <set>
#include <utility>

#include "base/digest.hpp"
#include "base/directory.hpp"
#include "base/text.hpp"
#include "queue/note.hpp"

namespace ml {
namespace {

constexpr unsigned most_runners = 1000;

bool is_name(std::string_view text, std::size_t longest, std::string_view marks) {
  return !text.empty() && text.size() <= longest && text.front() != '.' &&
         std::ranges::all_of(text,
                             [&](char c) { return is_alnum(c) || marks.find(c) != marks.npos; });
}

// The names in a directory that `wanted` likes; a directory that is not there has none. Bare
// getdents: a runner reads all its directories before it knows that nothing is due, and
// opendir would double what that costs.
template <class Wanted>
Result<std::vector<std::string>> list(const Fd& above, const std::string& below,
                                      const Wanted& wanted) {
  std::vector<std::string> names;
  const Fd fd(openat(above.get(), below.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.open() && errno == ENOENT) return names;
  if (!fd.open()) return system_failure("cannot open the directory " + below, errno);
  alignas(dirent64) std::array<char, 32768> room;
  for (;;) {
    const ssize_t got = getdents64(fd.get(), room.data(), room.size());
    if (got == 0 || (got < 0 && errno == ENOENT)) return names;  // at its end, or just removed
    if (got < 0) return system_failure("cannot read the directory " + below, errno);
    for (ssize_t at = 0; at < got;) {
      const auto* const entry = reinterpret_cast<const dirent64*>(room.data() + at);
      at += entry->d_reclen;
      if (wanted(std::string_view(entry->d_name))) names.emplace_back(entry->d_name);
    }
  }
}

// All of a queue's directories below `fd`, durable.
Result<> make_directories(const Fd& fd) {
  const auto make = [&](const std::string& name) { return mkdirat(fd.get(), name.c_str(), 0700); };
  for (const char hash : Queue::hashes) {
    if (make(std::string(1, hash)) != 0) return system_failure("cannot make a queue", errno);
  }
  for (const char* const name : {"tmp", "later", "held"}) {
    if (make(name) != 0) return system_failure("cannot make a queue", errno);
  }
  if (syncfs(fd.get()) != 0) return system_failure("cannot sync a new queue", errno);
  return {};
}

void remove_directories(const Home& home, const std::string& draft) {
  const int fd = home.fd().get();
  const auto drop = [&](const std::string& name) { unlinkat(fd, name.c_str(), AT_REMOVEDIR); };
  for (const char hash : Queue::hashes) drop(fmt::format("{}/{}", draft, hash));
  for (const char* const name : {"tmp", "later", "held"}) drop(fmt::format("{}/{}", draft, name));
  drop(draft);
}

// Makes the whole queue aside and renames it into its place; whoever was first has made it.
Result<> make_queue(const Home& home, const std::string& place) {
  if (auto made = home.make_directory("queue"); !made) return made;
  std::string draft = "queue/.new.";
  append_base32(draft, random_number(), 12);
  const int at = home.fd().get();
  if (mkdirat(at, draft.c_str(), 0700) != 0) {
    return system_failure("cannot make the queue " + home.path(place), errno);
  }
  auto fd = open_beneath(home.fd(), draft, O_RDONLY | O_DIRECTORY);
  Result<> made = fd ? make_directories(*fd) : fail(fd);
  if (made && renameat(at, draft.c_str(), at, place.c_str()) != 0 && errno != EEXIST &&
      errno != ENOTEMPTY) {
    made = system_failure("cannot make the queue " + home.path(place), errno);
  }
  remove_directories(home, draft);
  return made;
}

// Its name made durable, once: whoever made the queue may have died before.
Result<> sync_above(const Home& home, const Fd& queue) {
  if (faccessat(queue.get(), "synced", F_OK, 0) == 0) return {};
  if (auto synced = sync_directory(home.path("queue")); !synced) return synced;
  if (auto synced = sync_directory(home.directory()); !synced) return synced;
  const Fd mark(openat(queue.get(), "synced", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (mark.open()) return {};
  return system_failure("cannot mark a queue as synced", errno);
}

std::string runner_file(unsigned number) {
  return fmt::format("runner.{}", number);
}

}  // namespace

bool is_queue_name(std::string_view text) {
  return is_name(text, 64, "._-");
}
bool is_entry_name(std::string_view text) {
  return is_name(text, 200, "._-@");
}

std::string due_place(std::string_view name) {
  return fmt::format("{}/{}", base32(sha256(name)).front(), name);
}

std::string_view name_at(std::string_view place) {
  return place.substr(place.rfind('/') + 1);
}

Create create_if_own(std::string_view name) {
  constexpr std::array<std::string_view, 3> own = {"post", "outbound", "bounces"};
  return std::ranges::find(own, name) == own.end() ? Create::no : Create::yes;
}

std::time_t growing_pause(std::time_t age, std::time_t first, std::time_t longest,
                          std::uint64_t random) {
  const std::time_t pause = std::clamp(age, first, std::max(first, longest));
  const auto quarter = static_cast<std::uint64_t>(pause / 4);
  return std::max<std::time_t>(pause + static_cast<std::time_t>(random % (quarter + 1)), 1);
}

Result<Queue> Queue::open(const Home& home, std::string_view name, Create create) {
  if (!is_queue_name(name)) {
    return retry("'{}' cannot be the name of a queue: letters, digits, '.', '_' and '-', up to 64",
                 printable(name, 80));
  }
  const std::string place = fmt::format("queue/{}", name);
  constexpr int flags = O_RDONLY | O_DIRECTORY;
  Fd fd(openat(home.fd().get(), place.c_str(), flags | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.open() && errno == ENOENT) {
    if (create == Create::no) {
      return retry("there is no queue {} in {} (ml-queue put makes it)", name, home.directory());
    }
    if (auto made = make_queue(home, place); !made) return fail(made);
    auto opened = open_beneath(home.fd(), place, flags);
    if (!opened) return fail(opened);
    fd = std::move(*opened);
  }
  if (!fd.open()) return system_failure("cannot open the queue " + home.path(place), errno);
  if (auto synced = sync_above(home, fd); !synced) return fail(synced);
  return Queue(home.path(place), std::string(name), std::move(fd));
}

Result<std::vector<std::string>> Queue::names(const Home& home) {
  auto found = list(home.fd(), "queue", is_queue_name);
  if (found) std::ranges::sort(*found);
  return found;
}

std::string Queue::path(std::string_view below) const {
  return fmt::format("{}/{}", directory_, below);
}

Result<std::optional<Fd>> Queue::become_runner(unsigned runners) const {
  for (unsigned i = 0; i < std::min(runners, most_runners); ++i) {
    auto file = open_beneath(fd_, runner_file(i), O_RDWR | O_CREAT);
    if (!file) return fail(file);
    struct flock whole{};
    whole.l_type = F_WRLCK;
    if (fcntl(file->get(), F_OFD_SETLK, &whole) == 0) return std::optional(std::move(*file));
    if (errno != EAGAIN && errno != EACCES) {
      return system_failure("cannot lock " + path(runner_file(i)), errno);
    }
  }
  return std::optional<Fd>();
}

bool Queue::has_runner() const {
  for (unsigned i = 0; i < most_runners; ++i) {
    const Fd file(openat(fd_.get(), runner_file(i).c_str(), O_RDWR | O_CLOEXEC));
    if (!file.open()) return false;
    struct flock whole{};
    whole.l_type = F_WRLCK;
    if (fcntl(file.get(), F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK) return true;
  }
  return false;
}

Result<std::vector<std::string>> Queue::places(const std::string& directory) const {
  auto names = list(fd_, directory, is_entry_name);
  if (!names) return names;
  for (std::string& name : *names) name.insert(0, directory + '/');
  return names;
}

Result<std::vector<std::time_t>> Queue::later() const {
  std::vector<std::time_t> times;
  auto names = list(fd_, "later", [&](std::string_view name) {
    if (const auto time = number<std::time_t>(name)) times.push_back(*time);
    return false;
  });
  if (!names) return fail(names);
  std::ranges::sort(times);
  return times;
}

std::string Queue::later_directory(std::time_t time) {
  return fmt::format("later/{}", time);
}

void Queue::drop_later(std::time_t time) const {
  unlinkat(fd_.get(), later_directory(time).c_str(), AT_REMOVEDIR);
}

Result<Fd> Queue::lock(std::string_view name) const {
  const std::string directory = directory_of(due_place(name));
  auto fd = open_beneath(fd_, directory, O_RDONLY | O_DIRECTORY);
  if (!fd) return fail(fd);
  while (flock(fd->get(), LOCK_EX) != 0) {
    if (errno != EINTR) return system_failure("cannot lock " + path(directory), errno);
  }
  return fd;
}

bool Queue::has(const std::string& place) const {
  return faccessat(fd_.get(), place.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<std::optional<std::string>> Queue::find(std::string_view name) const {
  if (!is_entry_name(name)) return std::optional<std::string>();
  if (std::string place = due_place(name); has(place)) return std::optional(std::move(place));
  auto times = later();
  if (!times) return fail(times);
  for (const std::time_t time : *times) {
    std::string place = fmt::format("{}/{}", later_directory(time), name);
    if (has(place)) return std::optional(std::move(place));
  }
  if (std::string place = fmt::format("held/{}", name); has(place)) {
    return std::optional(std::move(place));
  }
  return std::optional<std::string>();
}

// What is due comes a second time, for what came back from `later` after the first.
Result<> Queue::each(const std::function<void(const EntryFacts&)>& call) const {
  std::set<std::string, std::less<>> told;
  const auto in_directory = [&](const std::string& directory, Waits waits,
                                std::time_t next) -> Result<> {
    auto found = places(directory);
    if (!found) return fail(found);
    for (std::string& place : *found) {
      if (told.contains(name_at(place))) continue;
      const Fd file(openat(fd_.get(), place.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
      struct stat about{};
      if (!file.open() || fstat(file.get(), &about) != 0) continue;  // gone meanwhile
      EntryFacts facts{std::string(name_at(place)),
                       std::move(place),
                       waits,
                       next,
                       about.st_mtime,
                       static_cast<std::uint64_t>(about.st_size),
                       read_note(file)};
      told.insert(facts.name);
      call(facts);
    }
    return {};
  };
  const auto due = [&]() -> Result<> {
    for (const char hash : hashes) {
      if (auto done = in_directory(std::string(1, hash), Waits::due, 0); !done) return done;
    }
    return {};
  };
  if (auto done = due(); !done) return done;
  auto times = later();
  if (!times) return fail(times);
  for (const std::time_t time : *times) {
    if (auto done = in_directory(later_directory(time), Waits::later, time); !done) return done;
  }
  if (auto done = in_directory("held", Waits::held, 0); !done) return done;
  return due();
}

Result<bool> Queue::has_waiting() const {
  const auto any = [&](const std::string& directory) -> Result<bool> {
    auto found = places(directory);
    if (!found) return fail(found);
    return !found->empty();
  };
  for (const char hash : hashes) {
    auto found = any(std::string(1, hash));
    if (!found || *found) return found;
  }
  auto times = later();
  if (!times) return fail(times);
  for (const std::time_t time : *times) {
    auto found = any(later_directory(time));
    if (!found || *found) return found;
  }
  return false;
}

void Queue::remove_litter() const {
  constexpr std::time_t a_day = 86400;
  auto drafts = list(fd_, "tmp", is_entry_name);
  if (!drafts) return;
  for (const std::string& name : *drafts) {
    const std::string draft = "tmp/" + name;
    const Fd file(openat(fd_.get(), draft.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    struct stat about{};
    if (!file.open() || fstat(file.get(), &about) != 0) continue;
    if (about.st_mtime > std::time(nullptr) - a_day) continue;
    if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) unlinkat(fd_.get(), draft.c_str(), 0);
  }
}

}  // namespace ml
