#include "queue/journals.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/directory.hpp"
#include "base/text.hpp"
#include "queue/fields.hpp"
#include "queue/journal_files.hpp"
#include "queue/queue.hpp"

namespace ml {
namespace {

// "ID", "ID.2-4", "ID~1".
bool is_of(std::string_view name, std::string_view id) {
  return name == id || (name.starts_with(id) && (name[id.size()] == '.' || name[id.size()] == '~'));
}

std::optional<JournalFacts> read_facts(const std::string& directory, const std::string& name) {
  const std::string path = directory + '/' + name;
  const auto fields = read_fields(path + "/head");
  if (!fields || !*fields) return std::nullopt;
  const HeadFields& head = **fields;
  JournalFacts facts{path,
                     name,
                     std::string(head.value("id")),
                     std::string(head.value("list")),
                     std::string(head.value("message-id")),
                     number<std::int64_t>(head.value("begun")).value_or(0),
                     {}};
  if (const auto closed = read_closed(path)) facts.closed = *closed;
  return facts;
}

using WantedName = std::function<bool(const std::string& directory, const std::string& name)>;

Result<> each_of(const Home& home, const std::optional<std::string>& id, const WantedName& wanted,
                 const std::function<Result<>(const JournalFacts&)>& call) {
  const std::string all = home.path("journal");
  auto hashes =
      id ? std::vector{journal_path(*id, "").substr(8, 2)} : names_in(all, Missing::is_empty);
  if (!hashes) return fail(hashes);
  for (const std::string& hash : *hashes) {
    std::string directory = all;
    directory.append(1, '/').append(hash);
    const auto names = names_in(directory, Missing::is_empty);
    if (!names) return fail(names);
    for (const std::string& name : *names) {
      if (!wanted(directory, name)) continue;
      const auto facts = read_facts(directory, name);
      if (!facts) continue;
      if (auto called = call(*facts); !called) return called;
    }
  }
  return {};
}

}  // namespace

Result<> each_journal(const Home& home, const std::optional<std::string>& id,
                      const std::function<Result<>(const JournalFacts&)>& call) {
  const auto wanted = [&](const std::string&, const std::string& name) {
    return !id || is_of(name, *id);
  };
  return each_of(home, id, wanted, call);
}

Result<> each_unpruned_journal(const Home& home,
                               const std::function<Result<>(const JournalFacts&)>& call) {
  const auto has_log = [](const std::string& directory, const std::string& name) {
    return exists(fmt::format("{}/{}/log.0000", directory, name));
  };
  return each_of(home, {}, has_log, call);
}

Result<OutcomeCounts> count_outcomes(const JournalFacts& facts) {
  OutcomeCounts counts;
  std::vector<Slot> slots(slots_a_segment);
  const std::uint32_t segments = count_segments(facts.directory);
  for (std::uint32_t number = 0; number < segments; ++number) {
    auto read = read_slots(segment_path(facts.directory, number), slots);
    if (!read) return fail(read);
    for (const Slot& slot : std::span(slots).first(*read)) {
      if (is_kept(slot.state())) {
        ++counts.left;
        continue;
      }
      if (is_given_up(slot.state())) {
        ++counts.given_up;
        continue;
      }
      switch (letter_to_outcome(slot.state())) {
        case Outcome::delivered: ++counts.delivered; break;
        case Outcome::refused: ++counts.refused; break;
        case Outcome::left:
        case Outcome::given_up: break;
        case Outcome::deferred: ++counts.deferred; break;
        case Outcome::unanswered:
        case Outcome::in_flight: ++counts.unanswered; break;
      }
    }
  }
  return counts;
}

// ---- entries

Result<WaitingEntries> WaitingEntries::read(const Home& home, BounceRecords records) {
  auto queues = Queue::names(home);
  if (!queues) return fail(queues);
  WaitingEntries waiting;
  for (const std::string& name : *queues) {
    if (records == BounceRecords::pass_over && name == "bounces") continue;
    auto queue = Queue::open(home, name, Create::no);
    if (!queue) return fail(queue);
    auto done = queue->each([&](const EntryFacts& entry) { waiting.names_.push_back(entry.name); });
    if (!done) return fail(done);
  }
  std::ranges::sort(waiting.names_);
  return waiting;
}

// "ID", "ID.HASH" beside it, "ID@QUEUE" where it failed.
bool WaitingEntries::has(const std::string& id) const {
  auto name = std::ranges::lower_bound(names_, id);
  for (; name != names_.end() && name->starts_with(id); ++name) {
    if (name->size() == id.size() || (*name)[id.size()] == '.' || (*name)[id.size()] == '@') {
      return true;
    }
  }
  return false;
}

// ---- pruning

namespace {

struct Ages {
  std::int64_t now, idle, kept;
};

bool is_aside(const JournalFacts& facts) {
  return facts.name.find('~') != std::string::npos;
}

// When it was closed, or begun.
std::int64_t time_of(const JournalFacts& facts) {
  return facts.closed ? facts.closed->time : facts.begun;
}

bool is_idle(const JournalFacts& facts, const Ages& ages) {
  struct stat about{};
  return (facts.closed || is_aside(facts)) && stat(facts.directory.c_str(), &about) == 0 &&
         ages.now - std::max<std::int64_t>(time_of(facts), about.st_mtime) >= ages.idle;
}

// Files of a journal that a stub does without.
bool goes_first(std::string_view name) {
  return name.starts_with("log.") || name.starts_with("slots.") || name == "entry" ||
         name.starts_with('.');
}

// True if anything went. Its lock is held.
Result<bool> prune(const JournalFacts& facts, const Ages& ages) {
  if (is_aside(facts) || ages.now - time_of(facts) >= ages.kept) {
    std::error_code failed;
    return std::filesystem::remove_all(facts.directory, failed) > 0 && !failed;
  }
  bool any = false;
  struct stat about{};
  const auto names = names_in(facts.directory);
  if (!names) return fail(names);
  if (stat(facts.directory.c_str(), &about) != 0) return false;
  for (const std::string& name : *names) {
    if (goes_first(name)) any = unlink((facts.directory + '/' + name).c_str()) == 0 || any;
  }
  // The directory's time says how long it was idle; what we did does not count.
  const std::array<timespec, 2> times{about.st_atim, about.st_mtim};
  utimensat(AT_FDCWD, facts.directory.c_str(), times.data(), 0);
  return any;
}

}  // namespace

Result<std::uint64_t> prune_journals(const Home& home, std::int64_t now, std::int64_t idle,
                                     std::int64_t kept) {
  const Ages ages{now, idle, kept};
  std::uint64_t count = 0;
  std::optional<Result<WaitingEntries>> waiting;
  auto done = each_journal(home, {}, [&](const JournalFacts& facts) -> Result<> {
    auto lock = open_file(facts.directory + "/lock", O_RDWR);
    if (!lock || flock(lock->get(), LOCK_EX | LOCK_NB) != 0) return {};
    if (!is_idle(facts, ages)) return {};
    // Whoever queues another entry closes its journal again: one look at the queues is enough.
    if (!waiting) waiting.emplace(WaitingEntries::read(home, BounceRecords::count));
    if (!*waiting) return fail(*waiting);
    if ((*waiting)->has(facts.id)) return {};
    auto pruned = prune(facts, ages);
    if (!pruned) return fail(pruned);
    if (*pruned) ++count;
    return {};
  });
  if (!done) return fail(done);
  return count;
}

}  // namespace ml
