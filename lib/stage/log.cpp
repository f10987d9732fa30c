#include "stage/log.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "queue/journal_log.hpp"
#include "queue/journals.hpp"
#include "store/sorted.hpp"

namespace ml {
namespace {

constexpr std::size_t memory = std::size_t{64} << 20;

constexpr std::array words_of_outcomes{
    std::pair{Outcome::delivered, std::string_view("delivered")},
    std::pair{Outcome::refused, std::string_view("refused")},
    std::pair{Outcome::deferred, std::string_view("deferred")},
    std::pair{Outcome::unanswered, std::string_view("unanswered")},
    std::pair{Outcome::left, std::string_view("left")},
    std::pair{Outcome::given_up, std::string_view("given-up")},
};

std::string_view bare(std::string_view message_id) {
  if (message_id.starts_with('<')) message_id.remove_prefix(1);
  if (message_id.ends_with('>')) message_id.remove_suffix(1);
  return message_id;
}

bool is_asked_for(const JournalFacts& facts, const LogQuery& query) {
  return (!query.list || same_nocase(facts.list, *query.list)) &&
         (!query.message_id || bare(facts.message_id) == bare(*query.message_id));
}

bool is_in_use(const JournalFacts& facts) {
  const auto lock = open_file(facts.directory + "/lock", O_RDONLY);
  return lock && flock(lock->get(), LOCK_SH | LOCK_NB) != 0;
}

// A report's lines: text with TABs, or an array of objects.
class LogReport {
 public:
  LogReport(Out& out, Form form) : out_(out), form_(form) {}

  void begin() {
    if (form_ == Form::text) return;
    out_.put(count_ == 0 ? "[{" : ",\n {");
    first_ = true;
  }
  void text(std::string_view key, std::string_view value) {
    if (form_ == Form::text) return field(value);
    name(key);
    append_json(out_.buffer(), value);
  }
  void number(std::string_view key, std::uint64_t value) {
    if (form_ == Form::text) return field(fmt::format_int(value).c_str());
    name(key);
    out_.put(fmt::format_int(value).c_str());
  }
  void end() {
    out_.put(form_ == Form::text ? "\n" : "}");
    first_ = true;
    ++count_;
  }
  void end_all() {
    if (form_ == Form::json) out_.put(count_ == 0 ? "[]\n" : "]\n");
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  void field(std::string_view value) {
    if (!std::exchange(first_, false)) out_.put('\t');
    out_.put(value);
  }
  void name(std::string_view key) {
    if (!std::exchange(first_, false)) out_.put(',');
    append_json(out_.buffer(), key);
    out_.put(':');
  }

  Out& out_;
  Form form_;
  bool first_ = true;
  std::uint64_t count_ = 0;
};

// Those that wait in queues, once they are asked for.
class Entries {
 public:
  explicit Entries(const Home& home) : home_(home) {}
  Result<bool> has(const std::string& id) {
    if (!waiting_) {
      auto read = WaitingEntries::read(home_, BounceRecords::pass_over);
      if (!read) return fail(read);
      waiting_ = std::move(*read);
    }
    return waiting_->has(id);
  }

 private:
  const Home& home_;
  std::optional<WaitingEntries> waiting_;
};

// What becomes of those who do not have it yet.
Result<std::string_view> state_of(Entries& entries, const JournalFacts& facts,
                                  const OutcomeCounts& counts) {
  if (!facts.closed) return is_in_use(facts) ? "sending" : "unfinished";
  if (counts.left > 0) {
    const auto waits = entries.has(facts.id);
    if (!waits) return fail(waits);
    return *waits ? "queued" : "given-up";
  }
  if (counts.deferred + counts.unanswered > 0) return "unfinished";
  return counts.given_up > 0 ? "given-up" : "done";
}

Result<> write_message(LogReport& report, Entries& entries, const JournalFacts& facts) {
  auto counts = count_outcomes(facts);
  if (!counts) return fail(counts);
  // A pruned journal has its totals only.
  if (facts.closed && counts->delivered == 0) counts->delivered = facts.closed->totals.delivered;
  if (facts.closed && counts->refused == 0) counts->refused = facts.closed->totals.refused;
  const auto state = state_of(entries, facts, *counts);
  if (!state) return fail(state);
  report.begin();
  report.text("id", facts.name);
  report.text("begun", time_to_stamp(facts.begun));
  report.number("delivered", counts->delivered);
  report.number("refused", counts->refused);
  report.number("open", counts->open());
  report.text("state", *state);
  report.text("list", facts.list);
  report.text("message-id", facts.message_id);
  report.end();
  return {};
}

// Records for sorting: key "ADDRESS NUL ID [NUL COUNT]", value the line's other fields.
class Recipients {
 public:
  Recipients(const Home& home, const LogQuery& query)
      : query_(query), sorted_(home.directory(), memory) {}

  Result<> add(const JournalFacts& facts) {
    return each_outcome(facts.directory, [&](const OutcomeLine& line) -> Result<> {
      if (query_.address && !same_nocase(line.address, *query_.address)) return {};
      if (query_.every_attempt && query_.outcome && line.outcome != *query_.outcome) return {};
      key_.assign(line.address).append(1, '\0').append(facts.name);
      if (query_.every_attempt) key_.append(fmt::format("{}{:020}", '\0', sorted_.added()));
      value_ = fmt::format("{}\t{}\t{}\t{}", static_cast<char>(line.outcome), line.time, line.relay,
                           line.reply);
      return sorted_.add(key_, value_);
    });
  }

  Result<> write(LogReport& report) {
    if (auto ready = sorted_.rewind(); !ready) return ready;
    for (;;) {
      auto more = sorted_.next();
      if (!more) return fail(more);
      if (!*more) return {};
      write_one(report);
    }
  }

 private:
  void write_one(LogReport& report) const {
    const auto key = split(sorted_.key(), '\0');
    const auto value = split(sorted_.value(), '\t');
    const auto outcome = static_cast<Outcome>(value[0].front());
    if (query_.outcome && outcome != *query_.outcome) return;
    report.begin();
    report.text("address", key[0]);
    report.text("outcome", outcome_to_text(outcome));
    report.text("time", time_to_stamp(number<std::int64_t>(value[1]).value_or(0)));
    report.text("relay", value[2]);
    report.text("reply", value[3]);
    report.text("id", key[1]);
    report.end();
  }

  const LogQuery& query_;
  SortedRecords sorted_;
  std::string key_;
  std::string value_;
};

}  // namespace

std::string_view outcome_to_text(Outcome outcome) {
  for (const auto& [one, word] : words_of_outcomes) {
    if (one == outcome) return word;
  }
  return "?";
}

std::optional<Outcome> text_to_outcome(std::string_view text) {
  for (const auto& [outcome, word] : words_of_outcomes) {
    if (word == text) return outcome;
  }
  return std::nullopt;
}

Result<std::uint64_t> look_up(const Home& home, const LogQuery& query, Out& out) {
  LogReport report(out, query.form);
  Recipients recipients(home, query);
  Entries entries(home);
  auto read = each_journal(home, query.id, [&](const JournalFacts& facts) -> Result<> {
    if (!is_asked_for(facts, query)) return {};
    return query.asks_for_recipients() ? recipients.add(facts)
                                       : write_message(report, entries, facts);
  });
  if (!read) return fail(read);
  if (query.asks_for_recipients()) {
    if (auto written = recipients.write(report); !written) return fail(written);
  }
  report.end_all();
  return report.count();
}

}  // namespace ml
