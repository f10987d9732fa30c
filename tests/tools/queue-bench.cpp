// Measures a queue beside the plain way, for scripts/bench-queue:
//   queue-bench plain  DIR PROCESSES ENTRIES   write, fsync, rename, fsync of the directory, each
//   queue-bench entry  DIR PROCESSES ENTRIES   QueueEntry::keep(), one after another
//   queue-bench fill   DIR ENTRIES DUE         a queue "bench" with so many put off and so many due
// Prints entries a second, over all processes together.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string>

#include "base/diag.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "queue/entry.hpp"

using namespace ml;

namespace {

const std::string text(4096, 'x');

Result<> put_plainly(const Home& home, const std::string& name) {
  const std::string draft = home.path("tmp." + name);
  const std::string directory = home.path(std::string(1, due_place(name).front()));
  auto file = open_file(draft, O_WRONLY | O_CREAT | O_EXCL);
  if (!file) return fail(file);
  if (auto written = write_all(*file, text, draft); !written) return written;
  if (auto synced = sync(*file, draft); !synced) return synced;
  if (rename(draft.c_str(), (directory + '/' + name).c_str()) != 0) {
    return system_failure("cannot rename " + draft, errno);
  }
  return sync_directory(directory);
}

Result<> put_entry(const Home& home, const std::string& name) {
  auto entry = QueueEntry::create(home, "bench", name);
  if (!entry) return fail(entry);
  if (auto written = write_all(entry->fd(), text, name); !written) return written;
  return entry->keep();
}

// The work of each process in a process of its own, side by side.
Result<> side_by_side(unsigned processes, unsigned entries,
                      const std::function<Result<>(const std::string&)>& put) {
  for (unsigned i = 0; i < processes; ++i) {
    if (fork() != 0) continue;
    for (unsigned j = 0; j < entries / processes; ++j) {
      if (auto done = put(fmt::format("e{}.{}", i, j)); !done) _exit(leave(fail(done)));
    }
    _exit(0);
  }
  bool well = true;
  for (int status = 0; wait(&status) > 0;) well = well && status == 0;
  if (!well) return retry("one of the processes failed");
  return {};
}

// Those put off as put_off() would have left them, without its syncs; those due half of each kind.
Result<> fill(const Home& home, unsigned entries, unsigned due) {
  auto queue = Queue::open(home, "bench", Create::yes);
  if (!queue) return fail(queue);
  for (unsigned i = 0; i < entries + due; ++i) {
    const std::string name = fmt::format("e{}", i);
    std::string place = due_place(name);
    if (i >= due || i % 2 == 0) {
      const std::time_t pause = i < due ? -64 : std::time_t{600 + 64 * (i % 50)};
      const std::string later = Queue::later_directory((std::time(nullptr) + pause) / 64 * 64);
      mkdirat(queue->fd().get(), later.c_str(), 0700);
      place = fmt::format("{}/{}", later, name);
    }
    const Fd file(openat(queue->fd().get(), place.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!file.open()) return system_failure("cannot make an entry", errno);
    if (auto written = write_all(file, "text\n", place); !written) return written;
  }
  return {};
}

Result<Status> bench(const std::vector<std::string>& words) {
  if (words.size() != 5) return failure(Status::usage, "see the head of its source");
  auto home = open_home(words[2], Create::yes);
  if (!home) return fail(home);
  const unsigned first = number<unsigned>(words[3]).value_or(1);
  const unsigned second = number<unsigned>(words[4]).value_or(1);
  Result<> done;
  const auto begin = std::chrono::steady_clock::now();
  if (words[1] == "plain") {
    done = side_by_side(first, second, [&](const auto& name) { return put_plainly(*home, name); });
  } else if (words[1] == "entry") {
    done = side_by_side(first, second, [&](const auto& name) { return put_entry(*home, name); });
  } else {
    done = fill(*home, first, second);
  }
  if (!done) return fail(done);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  auto said = write_all(1, fmt::format("{:.0f}\n", second / took.count()), "standard output");
  if (!said) return fail(said);
  return Status::done;
}

}  // namespace

int main(int argc, char** argv) {
  if (auto started = start("queue-bench"); !started) return leave(fail(started));
  return leave(bench({argv, argv + argc}));
}
