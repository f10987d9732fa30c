#include "queue/journal.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include "base/directory.hpp"
#include "queue/journal_files.hpp"
#include "queue/recall.hpp"
#include "queue/sync_thread.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_mark = 64;
constexpr std::uint64_t outcomes_a_sync = 10'000;

std::string file_name(std::string_view id, std::string_view part) {
  std::string name(id);
  if (!part.empty()) {
    name += '.';
    for (const char c : part) name += c == '/' ? '-' : c;
  }
  return name;
}

}  // namespace

std::string journal_path(std::string_view id, std::string_view part) {
  const std::string hash = base32(sha256(id)).substr(0, 2);
  return fmt::format("journal/{}/{}", hash, file_name(id, part));
}

// --- the open journal --------------------------------------------------------------------------

struct Journal::Inside {
  // A segment as long as a slot of it is reserved, or new slots come from it.
  struct Mapped {
    Segment segment;
    std::uint32_t reserved = 0;
    bool dirty = false;
  };

  std::string directory;
  JournalLock lock;
  SipKey key{};
  std::int64_t begun = 0;
  std::string mark;  // of the entries that keep what is left
  bool from_entry = false;
  std::optional<Closed> closed;
  bool has_closed = false;  // the file is there
  Totals forgotten;         // of recipients that were pruned
  Recall recall;
  std::optional<Recall> everybody;  // this run's too
  SlotNumber next = 0;
  std::map<std::uint32_t, Mapped> mapped;
  std::uint32_t last_number = UINT32_MAX;  // of the segment asked for last
  Mapped* last = nullptr;
  std::vector<Segment> unmapped;  // done with, but not yet synced

  JournalLog log;
  std::optional<std::vector<char>> logged;  // by slot: the outcome that earlier runs logged last

  bool has_new_files = true;  // names that are not yet synced
  std::uint64_t since_sync = 0;
  std::int64_t last_sync = 0;
  std::int64_t seconds_a_sync = 1;
  bool failed = false;  // a write or a sync: nothing of it is synced again
  SyncThread syncs;

  Result<> read_files(const Home& home, const JournalTerms& terms, std::int64_t now);
  Result<> heed_closed(const JournalTerms& terms);
  Result<> reopen();
  Result<Mapped*> segment_of(SlotNumber number) {
    const auto segment = static_cast<std::uint32_t>(number / slots_a_segment);
    if (segment == last_number) return last;
    return map_segment(segment);
  }
  Result<Mapped*> map_segment(std::uint32_t segment);
  // The same of a slot that is reserved: it is mapped.
  Mapped& reserved_segment(SlotNumber number) {
    const auto segment = static_cast<std::uint32_t>(number / slots_a_segment);
    if (segment != last_number) {
      last = &mapped.at(segment);
      last_number = segment;
    }
    return *last;
  }
  Result<> record(Mapped& segment, SlotNumber number, Outcome outcome, const LogLine& line,
                  std::int64_t now);
  Result<> record_as(char letter, Mapped& segment, SlotNumber number, Outcome outcome,
                     const LogLine& line, std::int64_t now);
  Result<> read_logged();
  Result<> check_sync();
  Result<std::vector<Fd>> take_unsynced(std::int64_t now);
  // A failure is for good.
  Result<> lasting(Result<> done) {
    failed = failed || !done;
    return done;
  }
  struct Count {
    Totals totals;
    std::uint64_t waiting = 0;  // neither final nor an entry's
  };
  Result<Count> count();
  [[nodiscard]] AddressHash hash(std::string_view address) const {
    return siphash128(key, address);
  }
  [[nodiscard]] char letter_of(Outcome outcome) const {
    const char letter = static_cast<char>(outcome);
    const bool open = outcome == Outcome::in_flight || outcome == Outcome::unanswered;
    return from_entry && open ? static_cast<char>(letter - 'A' + 'a') : letter;
  }
  [[nodiscard]] std::uint32_t seconds(std::int64_t now) const {
    return static_cast<std::uint32_t>(std::max<std::int64_t>(0, now - begun));
  }
  Slot& slot(Mapped& segment, SlotNumber number) {
    return segment.segment.slots()[number % slots_a_segment];
  }
};

Result<> Journal::Inside::read_files(const Home& home, const JournalTerms& terms,
                                     std::int64_t now) {
  auto head = open_head(home, terms, now);
  if (!head) return fail(head);
  key = head->key;
  begun = head->begun;
  auto borne = read_mark(directory);
  if (!borne) return fail(borne);
  mark = std::move(*borne);
  // A mark that went with the recipients when this was pruned cannot be compared.
  const bool is_mark = !terms.mark.empty() && terms.mark.size() <= longest_mark;
  from_entry = is_mark && (mark.empty() || terms.mark == mark);
  if (!from_entry || !mark.empty()) return {};
  // From here on it is the journal's: entries that are made later have it too.
  mark = terms.mark;
  return write_mark(directory, mark);
}

// Its totals, as long as they hold; and what of them is in no record any more.
Result<> Journal::Inside::heed_closed(const JournalTerms& terms) {
  auto done = read_closed(directory);
  if (!done) return fail(done);
  if (!*done) return {};
  has_closed = true;
  const Totals all = (*done)->totals;
  if (recall.recorded() < all.all()) {
    auto known = count();
    if (!known) return fail(known);
    const auto beyond = [](std::uint64_t then, std::uint64_t now) {
      return then - std::min(then, now);
    };
    const Totals& in_slots = known->totals;
    forgotten = {beyond(all.delivered, in_slots.delivered), beyond(all.refused, in_slots.refused),
                 beyond(all.left, in_slots.left)};
  }
  const bool is_expected = terms.goes_on && forgotten.all() == 0;
  if (terms.mark.empty() && !is_expected) closed = *done;
  return {};
}

Result<> Journal::Inside::reopen() {
  if (!has_closed || forgotten.all() > 0) return {};
  has_closed = false;
  closed.reset();
  return lasting(remove_closed(directory));
}

Result<> Journal::Inside::read_logged() {
  logged.emplace(recall.used());
  return each_outcome(directory, [&](const OutcomeLine& line) -> Result<> {
    if (line.slot < logged->size()) (*logged)[line.slot] = static_cast<char>(line.outcome);
    return {};
  });
}

Result<Journal::Inside::Mapped*> Journal::Inside::map_segment(std::uint32_t segment) {
  auto found = mapped.find(segment);
  if (found == mapped.end()) {
    auto opened = Segment::open(segment_path(directory, segment));
    if (!opened) return fail(opened);
    // Those that nobody needs any more wait for the next sync, then go.
    for (auto at = mapped.begin(); at != mapped.end();) {
      const bool idle = at->second.reserved == 0 && at->first != next / slots_a_segment;
      if (idle && at->second.dirty) unmapped.push_back(std::move(at->second.segment));
      at = idle ? mapped.erase(at) : std::next(at);
    }
    found = mapped.emplace(segment, Mapped{std::move(*opened)}).first;
    has_new_files = true;
  }
  last_number = segment;
  last = &found->second;
  return last;
}

inline Result<> Journal::Inside::record(Mapped& segment, SlotNumber number, Outcome outcome,
                                        const LogLine& what, std::int64_t now) {
  // What an entry keeps stays with it, whatever came of the attempt.
  if (from_entry && outcome == Outcome::deferred) outcome = Outcome::left;
  return record_as(letter_of(outcome), segment, number, outcome, what, now);
}

inline Result<> Journal::Inside::record_as(char letter, Mapped& segment, SlotNumber number,
                                           Outcome outcome, const LogLine& what, std::int64_t now) {
  segment.dirty = true;
  slot(segment, number).change(seconds(now), letter);
  // There was room for the outcome: whoever is still heard out after a failure is not forgotten.
  if (failed) return retry("the journal {} has failed", directory);
  ++since_sync;
  return lasting(log.append(number, outcome, what, now));
}

// What the thread found.
Result<> Journal::Inside::check_sync() {
  if (const int code = syncs.error(); code != 0 && !failed) {
    failed = true;
    return system_failure("cannot sync the journal " + directory, code);
  }
  if (failed) return retry("the journal {} has failed", directory);
  return {};
}

// Whatever was recorded is in these files, and written to them.
Result<std::vector<Fd>> Journal::Inside::take_unsynced(std::int64_t now) {
  if (auto flushed = lasting(log.flush()); !flushed) return fail(flushed);
  std::vector<Fd> files;
  const auto add = [&](const Fd& file) {
    files.emplace_back(fcntl(file.get(), F_DUPFD_CLOEXEC, 3));
  };
  const auto add_segment = [&](Segment& segment) {
    segment.unmap_pages();
    add(segment.fd());
  };
  for (Segment& segment : unmapped) add_segment(segment);
  for (auto& [number, segment] : mapped) {
    if (segment.dirty) add_segment(segment.segment);
  }
  add(log.fd());
  if (has_new_files) {
    auto own = open_file(directory, O_RDONLY | O_DIRECTORY);
    if (!own) return fail(lasting(fail(own)));
    files.push_back(std::move(*own));
  }
  has_new_files = false;
  unmapped.clear();
  for (auto& [number, segment] : mapped) segment.dirty = false;
  since_sync = 0;
  last_sync = now;
  return files;
}

Journal::Journal(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Journal::Journal(Journal&&) noexcept = default;
Journal& Journal::operator=(Journal&&) noexcept = default;

// What is buffered of the log is worth a try; the outcomes themselves are mapped already.
Journal::~Journal() {
  if (inside_ && !inside_->failed) static_cast<void>(inside_->log.flush());
}

Result<Journal> Journal::open(const Home& home, const JournalTerms& terms, std::int64_t now) {
  auto inside = std::make_unique<Inside>();
  const std::string below = journal_path(terms.id, terms.part);
  if (auto made = home.make_directory(below); !made) return fail(made);
  // By names of ours from here on, but for links that lead elsewhere.
  if (auto own = open_beneath(home.fd(), below, O_RDONLY | O_DIRECTORY); !own) return fail(own);
  inside->directory = home.path(below);
  auto lock = lock_journal(inside->directory, terms.id, terms.wait);
  if (!lock) return fail(lock);
  inside->lock = std::move(*lock);
  if (auto read = inside->read_files(home, terms, now); !read) return fail(read);
  auto log = JournalLog::open(inside->directory);
  if (!log) return fail(log);
  inside->log = std::move(*log);
  auto recall = Recall::open(inside->directory, count_segments(inside->directory));
  if (!recall) return fail(recall);
  inside->recall = std::move(*recall);
  inside->next = inside->recall.used();
  if (auto heeded = inside->heed_closed(terms); !heeded) return fail(heeded);
  inside->last_sync = now;
  inside->seconds_a_sync = terms.sync;
  return Journal(std::move(inside));
}

Result<> Journal::begin_anew(const Home& home, const JournalTerms& terms) {
  const std::string directory = home.path(journal_path(terms.id, terms.part));
  if (!exists(directory)) return {};
  auto lock = lock_journal(directory, terms.id, terms.wait);
  if (!lock) return fail(lock);
  for (unsigned age = 1;; ++age) {
    const std::string aside = fmt::format("{}~{}", directory, age);
    if (exists(aside)) continue;
    if (rename(directory.c_str(), aside.c_str()) != 0) {
      return system_failure("cannot rename " + directory, errno);
    }
    return sync_directory(directory_of(directory));
  }
}

const std::optional<Closed>& Journal::closed() const {
  return inside_->closed;
}

bool Journal::is_stub() const {
  return inside_->forgotten.all() > 0;
}

bool Journal::is_from_entry() const {
  return inside_->from_entry;
}

void recall_into(Journal::Before& before, const Recall::Found& found) {
  before.slot = found.number;
  before.outcome = letter_to_outcome(found.state);
  before.kept = is_kept(found.state);
  before.given_up = is_given_up(found.state);
  if (before.outcome == Outcome::in_flight) before.outcome = Outcome::unanswered;
  before.told = found.state == refused_and_told;
}

Result<Journal::Before> Journal::before(std::string_view address) {
  Before before;
  before.hash = inside_->hash(address);
  if (inside_->recall.all_met()) return before;
  auto found = inside_->recall.find(before.hash);
  if (!found) return fail(found);
  if (*found) recall_into(before, **found);
  return before;
}

Result<bool> Journal::waits_unmet(std::string_view address) {
  Inside& in = *inside_;
  if (!in.everybody) {
    auto all = Recall::open(in.directory, count_segments(in.directory));
    if (!all) return fail(all);
    in.everybody = std::move(*all);
  }
  auto found = in.everybody->find(in.hash(address));
  if (!found) return fail(found);
  if (!*found) return true;
  const SlotNumber number = (*found)->number;
  if (number >= in.recall.used() || in.recall.is_met(number)) return false;
  Before before;
  recall_into(before, **found);
  const bool is_told_of = before.outcome != Outcome::refused || before.told;
  return !is_settled(before) || !is_told_of;
}

bool Journal::is_settled(const Before& before) const {
  if (!before.outcome) return false;
  if (before.kept) return !inside_->from_entry;
  return *before.outcome == Outcome::delivered || *before.outcome == Outcome::refused;
}

Result<> Journal::complete_log(const Before& before, std::string_view address) {
  Inside& in = *inside_;
  if (!is_settled(before) || before.outcome == Outcome::unanswered || in.failed) return {};
  if (!in.logged) {
    if (auto read = in.read_logged(); !read) return read;
  }
  char& logged = (*in.logged)[*before.slot];
  if (logged == static_cast<char>(*before.outcome)) return {};
  logged = static_cast<char>(*before.outcome);
  auto segment = in.segment_of(*before.slot);
  if (!segment) return fail(segment);
  const std::int64_t then = in.begun + in.slot(**segment, *before.slot).seconds;
  return in.lasting(in.log.append(*before.slot, *before.outcome,
                                  {address, "-", "not known: the run ended before it was written"},
                                  then));
}

Result<SlotNumber> Journal::reserve(const Before& before) {
  if (inside_->failed) return retry("the journal {} has failed", inside_->directory);
  // What an entry takes up again it keeps again.
  const bool is_entrys = before.kept || (before.given_up && inside_->from_entry);
  if (!is_entrys) {
    if (auto reopened = inside_->reopen(); !reopened) return fail(reopened);
  }
  const SlotNumber number = before.slot ? *before.slot : inside_->next;
  auto segment = inside_->segment_of(number);
  if (!segment) return fail(segment);
  if (auto room = (*segment)->segment.make_room(number % slots_a_segment + 1); !room) {
    return fail(room);
  }
  if (!before.slot) {
    ++inside_->next;
    inside_->slot(**segment, number).hash = before.hash;
  }
  ++(*segment)->reserved;
  return number;
}

void Journal::fly(SlotNumber number, std::int64_t now) {
  auto& segment = inside_->reserved_segment(number);
  segment.dirty = true;
  inside_->slot(segment, number)
      .change(inside_->seconds(now), inside_->letter_of(Outcome::in_flight));
}

Result<> Journal::settle(SlotNumber number, Outcome outcome, const LogLine& line,
                         std::int64_t now) {
  auto& segment = inside_->reserved_segment(number);
  --segment.reserved;
  return inside_->record(segment, number, outcome, line, now);
}

Result<> Journal::amend(SlotNumber number, Outcome outcome, const LogLine& line, std::int64_t now) {
  auto segment = inside_->segment_of(number);
  if (!segment) return fail(segment);
  return inside_->record(**segment, number, outcome, line, now);
}

Result<> Journal::give_up(const Before& before, const LogLine& line, std::int64_t now) {
  if ((!before.kept && !before.given_up) || !inside_->from_entry) return {};
  auto segment = inside_->segment_of(*before.slot);
  if (!segment) return fail(segment);
  const bool doubt = before.outcome == Outcome::unanswered;
  const char letter = doubt ? given_up_in_doubt : static_cast<char>(Outcome::given_up);
  return inside_->record_as(letter, **segment, *before.slot, Outcome::given_up, line, now);
}

Result<> Journal::sync(std::int64_t now) {
  Inside& in = *inside_;
  in.syncs.finish();
  if (auto checked = in.check_sync(); !checked) return checked;
  auto files = in.take_unsynced(now);
  if (!files) return fail(files);
  in.syncs.sync(*files);
  return in.check_sync();
}

Result<> Journal::sync_if_due(std::int64_t now) {
  Inside& in = *inside_;
  const bool due = in.since_sync >= outcomes_a_sync ||
                   (in.since_sync > 0 && now - in.last_sync >= in.seconds_a_sync);
  if (!due) return {};
  if (in.since_sync >= outcomes_a_sync) in.syncs.finish();  // the disk sets the pace
  if (auto checked = in.check_sync(); !checked) return checked;
  if (in.syncs.is_busy()) return {};  // the disk is slower than we are
  auto files = in.take_unsynced(now);
  if (!files) return fail(files);
  in.syncs.begin(std::move(*files));
  return {};
}

bool Journal::owes_sync() const {
  return inside_->since_sync > 0;
}

Result<> Journal::told(SlotNumber number) {
  Inside& in = *inside_;
  auto segment = in.segment_of(number);
  if (!segment) return fail(segment);
  Slot& slot = in.slot(**segment, number);
  slot.change(slot.seconds, refused_and_told);
  (*segment)->dirty = true;
  return {};
}

Result<std::string> Journal::mark() {
  if (inside_->mark.empty()) {
    const std::string fresh = fmt::format("{:016x}", random_number());
    auto placed = inside_->lasting(write_mark(inside_->directory, fresh));
    if (!placed) return fail(placed);
    inside_->mark = fresh;
  }
  return inside_->mark;
}

// From the slots themselves: earlier runs count, and recipients that were in their streams only.
Result<Journal::Inside::Count> Journal::Inside::count() {
  Count count;
  for (SlotNumber number = 0; number < next; ++number) {
    auto segment = segment_of(number);
    if (!segment) return fail(segment);
    const std::size_t index = number % slots_a_segment;
    if (index >= (*segment)->segment.slots().size()) continue;
    const char letter = slot(**segment, number).state();
    if (letter == static_cast<char>(Outcome::delivered)) {
      ++count.totals.delivered;
    } else if (letter_to_outcome(letter) == Outcome::refused) {
      ++count.totals.refused;
    } else if (is_kept(letter) || is_given_up(letter)) {
      ++count.totals.left;
    } else if (letter != 0) {
      ++count.waiting;
    }
  }
  return count;
}

Result<Totals> Journal::close(std::int64_t now) {
  if (auto synced = sync(now); !synced) return fail(synced);
  auto counted = inside_->count();
  if (!counted) return fail(counted);
  Totals totals = counted->totals;
  // Of those that were pruned, whom an entry kept has a record again.
  const Totals& missing = inside_->forgotten;
  totals.delivered += missing.delivered;
  totals.refused += missing.refused;
  const std::uint64_t again = inside_->next - inside_->recall.used();
  totals.left += missing.left - std::min(missing.left, again);
  Result<> placed;
  if (counted->waiting == 0) {
    placed = inside_->lasting(write_closed(inside_->directory, {now, totals}));
    inside_->has_closed = true;
  } else {
    placed = inside_->reopen();
  }
  if (!placed) return fail(placed);
  return totals;
}

Result<Totals> Journal::renew(std::int64_t now) {
  if (inside_->has_closed) return close(now);
  if (auto synced = sync(now); !synced) return fail(synced);
  auto counted = inside_->count();
  if (!counted) return fail(counted);
  return counted->totals;
}

}  // namespace ml
