#include "queue/journal.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::string_view format_line = "mlpipe journal 1";
constexpr std::size_t largest_head = 4096;
constexpr std::size_t log_buffer = std::size_t{64} << 10;
constexpr std::uint64_t largest_log = std::uint64_t{28} << 20;
constexpr std::uint64_t outcomes_a_sync = 10'000;
constexpr std::int64_t seconds_a_sync = 1;

std::string hex(std::span<const std::uint8_t> octets) {
  std::string text;
  for (const std::uint8_t octet : octets) {
    fmt::format_to(std::back_inserter(text), "{:02x}", octet);
  }
  return text;
}

std::string file_name(std::string_view id, std::string_view part) {
  std::string name(id);
  if (!part.empty()) {
    name += '.';
    for (const char c : part) name += c == '/' ? '-' : c;
  }
  return name;
}

// A small file, whole or not there: written beside, synced, renamed, its directory synced.
Result<> place_file(const std::string& directory, const std::string& name, std::string_view text) {
  const std::string draft = directory + "/." + name;
  auto file = open_file(draft, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file) return fail(file);
  if (auto written = write_all(*file, text, draft); !written) return fail(written);
  if (auto synced = sync(*file, draft); !synced) return fail(synced);
  const std::string path = directory + '/' + name;
  if (rename(draft.c_str(), path.c_str()) != 0) {
    return system_failure("cannot rename " + draft, errno);
  }
  return sync_directory(directory);
}

// "key value" lines behind the format line.
using Fields = std::map<std::string, std::string, std::less<>>;
Result<Fields> read_fields(const std::string& path) {
  auto text = read_file(path, largest_head);
  if (!text) return fail(text);
  Fields fields;
  for (const std::string_view line : split(*text, '\n')) {
    const auto blank = line.find(' ');
    if (blank == std::string_view::npos) continue;
    fields.emplace(line.substr(0, blank), line.substr(blank + 1));
  }
  if (!text->starts_with(format_line) || !text->ends_with('\n')) {
    return retry("{}: no head of a journal that this version reads", path);
  }
  return fields;
}

bool exists(const std::string& path) {
  struct stat about{};
  return stat(path.c_str(), &about) == 0;
}

bool is_same_file(const Fd& fd, const std::string& path) {
  struct stat ours{};
  struct stat named{};
  return fstat(fd.get(), &ours) == 0 && stat(path.c_str(), &named) == 0 &&
         ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

// Held until it is closed. A lock file that was taken away meanwhile is not the lock.
Result<Fd> take_lock(const std::string& directory, std::string_view id) {
  const std::string path = directory + "/lock";
  for (;;) {
    auto file = open_file(path, O_RDWR | O_CREAT);
    if (!file) return fail(file);
    if (flock(file->get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      const auto pid = read_file(path, 64);
      return retry("process {} is sending {} just now: one at a time",
                   pid && !pid->empty() ? trim(*pid) : "?", id);
    }
    if (!is_same_file(*file, path)) continue;
    if (ftruncate(file->get(), 0) != 0) return system_failure("cannot write " + path, errno);
    const std::string pid = fmt::format("{}\n", getpid());
    if (auto written = write_all(*file, pid, path); !written) return fail(written);
    return file;
  }
}

std::uint32_t count_segments(const std::string& directory) {
  std::uint32_t count = 0;
  while (exists(segment_path(directory, count))) ++count;
  return count;
}

std::string log_path(const std::string& directory, std::uint32_t number) {
  return fmt::format("{}/log.{:04}", directory, number);
}

}  // namespace

std::string journal_path(std::string_view id, std::string_view part) {
  const std::string hash = base32(sha256(id)).substr(0, 2);
  return fmt::format("journal/{}/{}", hash, file_name(id, part));
}

// --- the open journal --------------------------------------------------------------------------

struct Journal::Inside {
  // A segment as long as a slot of it is in flight, or new slots come from it.
  struct Mapped {
    Segment segment;
    std::uint32_t in_flight = 0;
    bool dirty = false;
  };

  std::string directory;
  Fd lock;
  SipKey key{};
  std::int64_t begun = 0;
  std::string entry;  // the entry that keeps what is left
  bool from_entry = false;
  std::optional<Closed> closed;
  Recall recall;
  SlotNumber next = 0;
  std::map<std::uint32_t, Mapped> mapped;
  std::vector<Segment> unmapped;  // done with, but not yet synced

  Fd log;
  std::uint32_t log_number = 0;
  std::uint64_t log_size = 0;
  std::string log_text;

  std::uint64_t since_sync = 0;
  std::int64_t last_sync = 0;
  bool failed = false;  // a write or a sync: nothing of it is synced again

  Result<> read_head(const JournalTerms& terms, std::int64_t now);
  Result<> make_head(const JournalTerms& terms, std::int64_t now);
  Result<> read_closed();
  Result<> open_log();
  Result<> flush_log();
  Result<Mapped*> segment_of(SlotNumber number);
  void append_log(Outcome outcome, const Record& record, std::int64_t now);
  [[nodiscard]] AddressHash hash(std::string_view address) const {
    return siphash128(key, address);
  }
  [[nodiscard]] std::uint32_t seconds(std::int64_t now) const {
    return static_cast<std::uint32_t>(std::max<std::int64_t>(0, now - begun));
  }
  Slot& slot(Mapped& segment, SlotNumber number) {
    return segment.segment.slots()[number % slots_a_segment];
  }
};

Result<> Journal::Inside::make_head(const JournalTerms& terms, std::int64_t now) {
  random_octets(key);
  begun = now;
  const std::string head =
      fmt::format("{}\nid {}\npart {}\nmessage {}\nkey {}\nbegun {}\n", format_line, terms.id,
                  terms.part.empty() ? "-" : terms.part, hex(terms.message), hex(key), now);
  return place_file(directory, "head", head);
}

Result<> Journal::Inside::read_head(const JournalTerms& terms, std::int64_t now) {
  const std::string path = directory + "/head";
  if (!exists(path)) return make_head(terms, now);
  const auto fields = read_fields(path);
  if (!fields) return fail(fields);
  const auto field = [&](std::string_view name) {
    const auto found = fields->find(name);
    return found == fields->end() ? std::string_view() : std::string_view(found->second);
  };
  if (field("message") != hex(terms.message)) {
    return retry("another message was sent under the id {}: give this one a name of its own (--id)",
                 terms.id);
  }
  const std::string_view key_text = field("key");
  const auto begun_at = number<std::int64_t>(field("begun"));
  if (key_text.size() != 2 * key.size() || !begun_at) return retry("{} is damaged", path);
  for (std::size_t i = 0; i < key.size(); ++i) {
    const std::string_view octet = key_text.substr(2 * i, 2);
    if (std::from_chars(octet.data(), octet.data() + 2, key[i], 16).ptr != octet.data() + 2) {
      return retry("{} is damaged", path);
    }
  }
  begun = *begun_at;
  return {};
}

Result<> Journal::Inside::read_closed() {
  const std::string path = directory + "/closed";
  if (!exists(path)) return {};
  const auto fields = read_fields(path);
  if (!fields) return fail(fields);
  const auto count = [&](std::string_view name) {
    const auto found = fields->find(name);
    return found == fields->end() ? 0 : number<std::uint64_t>(found->second).value_or(0);
  };
  closed = Closed{static_cast<std::int64_t>(count("time")),
                  {count("delivered"), count("refused"), count("left")}};
  return {};
}

Result<> Journal::Inside::open_log() {
  while (exists(log_path(directory, log_number + 1))) ++log_number;
  const std::string path = log_path(directory, log_number);
  auto file = open_file(path, O_WRONLY | O_CREAT | O_APPEND);
  if (!file) return fail(file);
  struct stat about{};
  if (fstat(file->get(), &about) != 0) return system_failure("cannot look at " + path, errno);
  log = std::move(*file);
  log_size = static_cast<std::uint64_t>(about.st_size);
  return {};
}

Result<> Journal::Inside::flush_log() {
  if (log_text.empty()) return {};
  if (log_size + log_text.size() > largest_log) {
    if (fdatasync(log.get()) != 0) return system_failure("cannot sync " + directory, errno);
    ++log_number;
    if (auto opened = open_log(); !opened) return fail(opened);
  }
  if (auto written = write_all(log, log_text, directory + "/log"); !written) return fail(written);
  log_size += log_text.size();
  log_text.clear();
  return {};
}

// OUTCOME TAB time TAB address TAB relay TAB reply. One that a kill cuts short is passed over.
void Journal::Inside::append_log(Outcome outcome, const Record& record, std::int64_t now) {
  log_text.push_back(static_cast<char>(outcome));
  fmt::format_to(std::back_inserter(log_text), "\t{}\t", now);
  for (const std::string_view field : {record.address, record.relay, record.reply}) {
    for (const char c : field) log_text.push_back(is_control(c) ? ' ' : c);
    log_text.push_back('\t');
  }
  log_text.back() = '\n';
}

Result<Journal::Inside::Mapped*> Journal::Inside::segment_of(SlotNumber number) {
  const auto segment = static_cast<std::uint32_t>(number / slots_a_segment);
  if (const auto found = mapped.find(segment); found != mapped.end()) return &found->second;
  auto opened = Segment::open(segment_path(directory, segment));
  if (!opened) return fail(opened);
  // Those that nobody needs any more wait for the next sync, then go.
  for (auto at = mapped.begin(); at != mapped.end();) {
    const bool idle = at->second.in_flight == 0 && at->first != next / slots_a_segment;
    if (idle && at->second.dirty) unmapped.push_back(std::move(at->second.segment));
    at = idle ? mapped.erase(at) : std::next(at);
  }
  return &mapped.emplace(segment, Mapped{std::move(*opened)}).first->second;
}

Journal::Journal(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Journal::Journal(Journal&&) noexcept = default;
Journal& Journal::operator=(Journal&&) noexcept = default;

// What is buffered of the log is worth a try; the outcomes themselves are mapped already.
Journal::~Journal() {
  if (inside_ && !inside_->failed) static_cast<void>(inside_->flush_log());
}

Result<Journal> Journal::open(const Home& home, const JournalTerms& terms, std::int64_t now) {
  auto inside = std::make_unique<Inside>();
  const std::string below = journal_path(terms.id, terms.part);
  if (auto made = home.make_directory(below); !made) return fail(made);
  inside->directory = home.path(below);
  auto lock = take_lock(inside->directory, terms.id);
  if (!lock) return fail(lock);
  inside->lock = std::move(*lock);
  if (auto read = inside->read_head(terms, now); !read) return fail(read);
  if (auto read = inside->read_closed(); !read) return fail(read);
  if (auto opened = inside->open_log(); !opened) return fail(opened);
  if (const std::string path = inside->directory + "/entry"; exists(path)) {
    auto name = read_file(path, largest_head);
    if (!name) return fail(name);
    inside->entry = trim(*name);
  }
  inside->from_entry = !terms.entry.empty() && terms.entry == inside->entry;
  auto recall = Recall::open(inside->directory, count_segments(inside->directory));
  if (!recall) return fail(recall);
  inside->recall = std::move(*recall);
  inside->next = inside->recall.used();
  inside->last_sync = now;
  return Journal(std::move(inside));
}

Result<> Journal::begin_anew(const Home& home, const JournalTerms& terms) {
  const std::string directory = home.path(journal_path(terms.id, terms.part));
  if (!exists(directory)) return {};
  auto lock = take_lock(directory, terms.id);
  if (!lock) return fail(lock);
  for (unsigned age = 1;; ++age) {
    const std::string aside = fmt::format("{}~{}", directory, age);
    if (exists(aside)) continue;
    if (rename(directory.c_str(), aside.c_str()) != 0) {
      return system_failure("cannot rename " + directory, errno);
    }
    return sync_directory(directory.substr(0, directory.rfind('/')));
  }
}

const std::optional<Closed>& Journal::closed() const {
  return inside_->closed;
}

std::uint64_t Journal::recorded() const {
  return inside_->recall.recorded();
}

Result<Journal::Before> Journal::before(std::string_view address) {
  auto found = inside_->recall.find(inside_->hash(address));
  if (!found) return fail(found);
  if (!*found) return Before{};
  auto outcome = static_cast<Outcome>((*found)->state);
  if (outcome == Outcome::in_flight) outcome = Outcome::unanswered;
  return Before{(*found)->number, outcome};
}

bool Journal::is_settled(const Before& before) const {
  if (!before.outcome) return false;
  if (*before.outcome == Outcome::left) return !inside_->from_entry;
  return *before.outcome == Outcome::delivered || *before.outcome == Outcome::refused;
}

Result<SlotNumber> Journal::begin(std::string_view address, const Before& before,
                                  std::int64_t now) {
  if (inside_->failed) return retry("the journal {} has failed", inside_->directory);
  const SlotNumber number = before.slot ? *before.slot : inside_->next;
  auto segment = inside_->segment_of(number);
  if (!segment) return fail(segment);
  if (!before.slot) ++inside_->next;
  ++(*segment)->in_flight;
  (*segment)->dirty = true;
  inside_->slot(**segment, number)
      .store(inside_->hash(address), inside_->seconds(now), static_cast<char>(Outcome::in_flight));
  return number;
}

Result<SlotNumber> Journal::note(std::string_view address, const Before& before, Outcome outcome,
                                 const Record& record, std::int64_t now) {
  auto number = begin(address, before, now);
  if (!number) return fail(number);
  if (auto settled = settle(*number, outcome, record, now); !settled) return fail(settled);
  return number;
}

Result<> Journal::settle(SlotNumber number, Outcome outcome, const Record& record,
                         std::int64_t now) {
  auto segment = inside_->segment_of(number);
  if (!segment) return fail(segment);
  Slot& slot = inside_->slot(**segment, number);
  if (slot.state() == static_cast<char>(Outcome::in_flight)) --(*segment)->in_flight;
  slot.change(inside_->seconds(now), static_cast<char>(outcome));
  (*segment)->dirty = true;
  inside_->append_log(outcome, record, now);
  ++inside_->since_sync;
  if (inside_->log_text.size() < log_buffer) return {};
  auto flushed = inside_->flush_log();
  if (!flushed) inside_->failed = true;
  return flushed;
}

bool Journal::sync_is_due(std::int64_t now) const {
  return inside_->since_sync >= outcomes_a_sync ||
         (inside_->since_sync > 0 && now - inside_->last_sync >= seconds_a_sync);
}

Result<> Journal::sync(std::int64_t now) {
  if (inside_->failed) return retry("the journal {} has failed", inside_->directory);
  const auto failed = [&](int code) {
    inside_->failed = true;
    return system_failure("cannot sync the journal " + inside_->directory, code);
  };
  if (auto flushed = inside_->flush_log(); !flushed) {
    inside_->failed = true;
    return flushed;
  }
  for (Segment& segment : inside_->unmapped) {
    if (const int code = segment.sync(); code != 0) return failed(code);
  }
  inside_->unmapped.clear();
  for (auto& [number, segment] : inside_->mapped) {
    if (!segment.dirty) continue;
    if (const int code = segment.segment.sync(); code != 0) return failed(code);
    segment.dirty = false;
  }
  if (fdatasync(inside_->log.get()) != 0) return failed(errno);
  if (auto synced = sync_directory(inside_->directory); !synced) return fail(synced);
  inside_->since_sync = 0;
  inside_->last_sync = now;
  return {};
}

Result<> Journal::name_entry(std::string_view entry) {
  inside_->entry = entry;
  return place_file(inside_->directory, "entry", std::string(entry) + '\n');
}

Result<> Journal::close(const Totals& totals, std::int64_t now) {
  if (auto synced = sync(now); !synced) return fail(synced);
  const std::string text =
      fmt::format("{}\ntime {}\ndelivered {}\nrefused {}\nleft {}\n", format_line, now,
                  totals.delivered, totals.refused, totals.left);
  return place_file(inside_->directory, "closed", text);
}

}  // namespace ml
