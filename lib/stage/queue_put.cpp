#include "stage/queue_put.hpp"

#include <fcntl.h>

#include <array>
#include <chrono>
#include <span>
#include <string_view>

#include "base/diag.hpp"
#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/out.hpp"
#include "queue/entry.hpp"
#include "stage/runner.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

constexpr std::size_t most_at_once = 256;  // drafts held open

// In the order of their making, and never the same twice.
std::string own_name() {
  using namespace std::chrono;
  const auto now = duration_cast<microseconds>(system_clock::now().time_since_epoch());
  std::string name = "q";
  append_base32(name, static_cast<std::uint64_t>(now.count()), 11);
  append_base32(name, random_number(), 6);
  return name;
}

// The draft of one input; none where a stream has nothing to send.
using Drafted = Result<std::optional<QueueEntry>>;

class Drafter {
 public:
  Drafter(const Queue& queue, const std::optional<std::string>& name)
      : queue_(queue), name_(name) {}

  Drafted draft(int fd) {
    const auto first = begun(fd);
    return first ? draft(fd, *first) : fail(first);
  }
  // `first`: what has been read of it.
  Drafted draft(int fd, std::string_view first) {
    if (begins_stream(first)) return draft_stream(fd, first);
    return draft_octets(fd, first);
  }

  // The octets that an input begins with, which must be more than none.
  static Result<std::string> begun(int fd) {
    auto first = first_octets(fd);
    if (!first) return fail(first);
    if (first->empty()) return retry("the input is empty: nothing is stored");
    if (!begins_stream(*first) && may_begin_stream(*first)) {
      return retry("the input is a cut stream: nothing is stored");
    }
    return std::move(*first);
  }

 private:
  Drafted draft_stream(int fd, std::string_view first) {
    Reader in(fd, first);
    Verdict verdict;
    std::optional<QueueEntry> entry;
    std::optional<Out> out;
    bool in_section = false;
    for (;;) {
      switch (in.next()) {
        case Record::message:
          if (!entry) {
            auto made = begin(in.message().id);
            if (!made) return fail(made);
            entry.emplace(std::move(*made));
            out.emplace(entry->fd(), queue_.path(entry->draft()));
          }
          in_section = true;
          put_line(*out, in.line());
          break;
        case Record::rcpt: put_line(*out, in.line()); break;
        case Record::end:
          verdict.add(in.end());
          if (in_section) put_line(*out, "end\t0");
          in_section = false;
          break;
        case Record::none:
          if (verdict.failed()) return fail(verdict.result());
          if (out) {
            if (auto written = out->flush(); !written) return fail(written);
          }
          return entry;
      }
      if (out && out->failed()) return fail(out->flush());
    }
  }

  Drafted draft_octets(int fd, std::string_view first) {
    auto entry = begin(own_name());
    if (!entry) return fail(entry);
    const std::string name = queue_.path(entry->draft());
    if (auto written = write_all(entry->fd(), first, name); !written) return fail(written);
    std::array<char, 65536> room;
    for (;;) {
      auto got = read_some(fd, room, "standard input");
      if (!got) return fail(got);
      if (*got == 0) return std::optional(std::move(*entry));
      auto written = write_all(entry->fd(), std::string_view(room.data(), *got), name);
      if (!written) return fail(written);
    }
  }

  Result<QueueEntry> begin(std::string_view otherwise) {
    return QueueEntry::create(queue_, name_ ? std::string_view(*name_) : otherwise);
  }

  static void put_line(Out& out, std::string_view line) {
    out.put(line);
    out.put('\n');
  }

  const Queue& queue_;
  const std::optional<std::string>& name_;
};

Result<bool> put_begun(int fd, std::string_view first, const Queue& queue,
                       const std::optional<std::string>& name) {
  auto entry = Drafter(queue, name).draft(fd, first);
  if (!entry) return fail(entry);
  if (!*entry) return false;
  if (auto kept = (*entry)->keep(name ? Same::replace : Same::beside); !kept) return fail(kept);
  return true;
}

// True if any entry is there now.
Result<bool> put_files(const std::vector<std::string>& files, const Queue& queue) {
  bool any = false;
  const std::optional<std::string> no_name;
  std::vector<QueueEntry> drafts;
  Syncer syncer;
  for (std::size_t i = 0; i < files.size(); ++i) {
    auto file = open_file(files[i], O_RDONLY);
    if (!file) return fail(file);
    auto entry = Drafter(queue, no_name).draft(file->get());
    if (!entry) {
      const Error& error = entry.error();
      return failure(error.status, "{} ({})", error.text, files[i]);
    }
    if (*entry) drafts.push_back(std::move(**entry));
    if (drafts.size() < most_at_once && i + 1 < files.size()) continue;
    if (auto kept = QueueEntry::keep_all(drafts, syncer, Same::beside); !kept) return fail(kept);
    any = any || !drafts.empty();
    drafts.clear();
  }
  return any;
}

}  // namespace

Result<Status> put_into(const Home& home, const std::string& queue,
                        const std::vector<std::string>& files,
                        const std::optional<std::string>& name) {
  if (name && !files.empty()) return retry("--name is for one entry, from standard input");
  // First, so that for an input of nothing no queue is made.
  const auto first = files.empty() ? Drafter::begun(0) : Result<std::string>(std::string());
  if (!first) return fail(first);
  const auto opened = Queue::open(home, queue, Create::yes);
  if (!opened) return fail(opened);
  const auto stored =
      files.empty() ? put_begun(0, *first, *opened, name) : put_files(files, *opened);
  if (!stored) return fail(stored);
  const Runner runner = runner_of(home, *opened);
  if (*stored && runner != Runner::held && runner != Runner::unit) {
    say(fmt::format("stored; nobody runs the queue {0} (ml-queue run {0} -- COMMAND)", queue));
  }
  return Status::done;
}

}  // namespace ml
