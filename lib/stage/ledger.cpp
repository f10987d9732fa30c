#include "stage/ledger.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/digest.hpp"
#include "base/octets.hpp"
#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/id.hpp"
#include "mail/message.hpp"
#include "queue/entry.hpp"
#include "queue/queue.hpp"
#include "stage/entry_mark.hpp"
#include "stage/handover.hpp"
#include "stage/runner.hpp"
#include "stage/wire_envelope.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

// Each holds a lock, a log and a segment, and all of that twice, and a directory, while it is
// synced: of 1024 descriptors, a usual limit, most are left for connections.
constexpr std::size_t most_sections = 64;

// For who has put an entry into the queue, to write that down and let go of the journal: the runner
// takes the entry at once.
constexpr std::chrono::seconds time_to_hand_over(10);

// Anybody else who remains is left.
bool is_refused(const Remains::Kept& one, const Ledger::Blown& blown) {
  return one.refused_by && !blown(*one.refused_by);
}

}  // namespace

// Those who are refused, or those who are left, and where they go.
struct Ledger::Share {
  std::vector<Place> places{};  // by section
  Wanted is_theirs;

  [[nodiscard]] static bool leads(Place place, Into into) {
    if (into == Into::queue) return place == Place::queue;
    return place == Place::given || place == Place::file;
  }
  [[nodiscard]] bool any(Into into) const {
    return std::ranges::any_of(places, [&](Place place) { return leads(place, into); });
  }
  // Lives as long as this.
  [[nodiscard]] Wanted going(Into into) const {
    return [this, into](const Remains::Kept& one) {
      return leads(places[one.section], into) && is_theirs(one);
    };
  }
};

Ledger::Ledger(Terms terms)
    : terms_(std::move(terms)), remains_({home_directory(terms_.home), "/var/tmp", "/tmp"}) {
  const auto is_file = [](const std::optional<std::string>& given) {
    return given && given != "queue" && given != "-";
  };
  if (is_file(terms_.undelivered)) left_file_.emplace(*terms_.undelivered);
  if (is_file(terms_.refused)) refused_file_.emplace(*terms_.refused);
}

Result<> Ledger::open() {
  if (refused_file_) {
    if (auto begun = refused_file_->begin(); !begun) return begun;
  }
  if (left_file_) {
    if (auto begun = left_file_->begin(); !begun) return begun;
  }
  return check_apart();
}

// The file of the left is replaced, and what runs write over each other on standard output is lost.
// Two names of one file are known by the file.
Result<> Ledger::check_apart() const {
  const auto& refused = terms_.refused;
  const auto& left = terms_.undelivered;
  if (!refused || !left || refused == "queue" || left == "queue") return {};
  const bool is_one =
      is_one_file(*refused, *left) || (left_file_ && is_one_file(*refused, left_file_->place()));
  if (!is_one) return {};
  return retry("{} is the file of --undelivered too: name another one for --refused", *refused);
}

Result<std::uint64_t> Ledger::finish(Whole whole) {
  if (!left_file_) return 0;
  return left_file_->finish(whole);
}

Result<const Home*> Ledger::home() {
  if (!home_) {
    auto opened = open_home(terms_.home, Create::yes);
    if (!opened) return fail(opened);
    home_.emplace(std::move(*opened));
  }
  return &*home_;
}

bool Ledger::must_conclude_before(std::string_view id) const {
  return sections_.size() >= most_sections || std::ranges::count(sections_, id, &Section::id) > 0;
}

// ---- a section

Result<std::optional<Closed>> Ledger::begin(const MessageRecord& record,
                                            const Remains::MessageLine& line, std::int64_t now) {
  Section section;
  section.id = record.id;
  section.part = record.attributes.value("part").value_or("");
  section.has_list = record.attributes.raw("list").has_value();
  sections_.push_back(std::move(section));
  remains_.section(line, sections_.size() - 1);
  if (terms_.journaling == Journaling::off) return std::nullopt;
  return open_journal(record, line.message, now);
}

Result<std::optional<Closed>> Ledger::open_journal(const MessageRecord& record,
                                                   std::string_view message, std::int64_t now) {
  Section& section = sections_.back();
  const auto at = home();
  if (!at) return fail(at);
  JournalTerms terms;
  terms.id = section.id;
  terms.part = section.part;
  terms.mark = record.attributes.value(entry_mark).value_or("");
  if (!terms.mark.empty()) terms.wait = time_to_hand_over;
  terms.list = record.attributes.value("list").value_or("");
  const MessageParts parts = split_message(message);
  if (const auto field = find_field(parts.head, "Message-ID")) {
    terms.message_id = trim(unfolded(field->value));
  }
  if (!is_message_id(section.id, "rx")) terms.message = sha256(message);
  const std::string path = journal_path(section.id, section.part);
  terms.goes_on = closed_.contains(path);
  terms.sync = terms_.sync;
  if (terms_.again == Again::yes && terms.mark.empty() && !begun_.contains(path)) {
    if (auto anew = Journal::begin_anew(**at, terms); !anew) return fail(anew);
    begun_.insert(path);
  }
  auto journal = Journal::open(**at, terms, now);
  if (!journal) return fail(journal);
  if (journal->closed() && journal->is_stub()) return was_sent(*journal->closed());
  section.from_entry = journal->is_from_entry();
  section.journal.emplace(std::move(*journal));
  return std::nullopt;
}

// Of a message that is done: 0 for a mail server that asks again, 75 for people.
Result<std::optional<Closed>> Ledger::was_sent(const Closed& closed) {
  const Section& section = sections_.back();
  if (!is_message_id(section.id, "r")) {
    return retry("{} was sent on {} to {}; --again sends anew", section.id,
                 time_to_text(closed.time), closed.totals.delivered);
  }
  // An attempt that left some to the queue may have failed to wake its runner.
  const bool ours = !terms_.undelivered && section.has_list && outbound_is_run();
  if (closed.totals.left > 0 && ours) to_wake_.insert("outbound");
  return closed;
}

Result<std::optional<Closed>> Ledger::end(Ended how) {
  Section& section = sections_.back();
  section.ended_well = how == Ended::well;
  if (!section.ended_well || !section.journal || !section.journal->closed()) return std::nullopt;
  return was_sent(*section.journal->closed());
}

// ---- a recipient

Result<Ledger::Claim> Ledger::claim(std::string_view address, std::string_view as_given) {
  auto& journal = sections_.back().journal;
  if (!journal) return Claim{};
  if (has_capitals(address)) address = lowered_ = lower(address);
  auto before = journal->before(address);
  if (!before) return fail(before);
  if (journal->is_settled(*before)) {
    if (auto logged = journal->complete_log(*before, as_given); !logged) return fail(logged);
    const bool tell = before->outcome == Outcome::refused && !before->told;
    return Claim{.kind = tell ? Claim::Kind::refused_earlier : Claim::Kind::done,
                 .slot = before->slot};
  }
  auto slot = journal->reserve(*before);
  if (!slot) return fail(slot);
  return Claim{.unanswered = before->outcome == Outcome::unanswered, .slot = *slot};
}

void Ledger::fly(std::optional<SlotNumber> slot, std::int64_t now) {
  if (slot) sections_.back().journal->fly(*slot, now);
}

Result<> Ledger::settle(const Party& party, Outcome outcome, std::string_view relay,
                        const Reply& reply, std::int64_t now) {
  if (!party.slot) return {};
  owes_sync_ = true;
  return sections_.back().journal->settle(*party.slot, outcome, {party.address, relay, reply.said},
                                          now);
}

Result<> Ledger::delivered(const Party& party, std::string_view relay, const Reply& reply,
                           std::int64_t now) {
  return settle(party, Outcome::delivered, relay, reply, now);
}

Result<> Ledger::refused(const Party& party, std::size_t relay_number, std::string_view relay,
                         const Reply& reply, std::int64_t now) {
  ++sections_.back().refused;
  if (auto settled = settle(party, Outcome::refused, relay, reply, now); !settled) return settled;
  return remains_.refuse(relay_number, party.slot, party.address, party.sender, party.attributes);
}

Result<> Ledger::refused_earlier(const Party& party) {
  ++sections_.back().refused;
  return remains_.refuse(SIZE_MAX, party.slot, party.address, party.sender, party.attributes);
}

Result<> Ledger::left(const Party& party, std::string_view relay, const Reply& reply, Doubt doubt,
                      std::int64_t now) {
  ++sections_.back().left;
  const Outcome outcome = doubt == Doubt::none ? Outcome::deferred : Outcome::unanswered;
  if (auto settled = settle(party, outcome, relay, reply, now); !settled) return settled;
  return remains_.leave(party.slot, party.address, party.sender, party.attributes);
}

Result<> Ledger::sync_if_due(std::int64_t now) {
  if (!owes_sync_) return {};
  const bool all = std::exchange(looked_at_, now) != now;
  bool owes = false;
  for (std::size_t i = all ? 0 : sections_.size() - 1; i < sections_.size(); ++i) {
    auto& journal = sections_[i].journal;
    if (!journal) continue;
    if (auto synced = journal->sync_if_due(now); !synced) return synced;
    owes = owes || journal->owes_sync();
  }
  if (all) owes_sync_ = owes;
  return {};
}

// ---- the end

bool Ledger::is_run(std::string_view queue, May start) {
  const auto at = home();
  if (!at) return false;
  const Runner runner = runner_of(**at, queue);
  return runner == Runner::held || runner == Runner::unit ||
         (runner == Runner::startable && start == May::start);
}

Ledger::Place Ledger::place_of_left(const Section& section) {
  // An entry is not queued beside itself: the same again would be taken for it, and go with it.
  const bool is_queue = terms_.undelivered == "queue";
  if (section.from_entry && (is_queue || !terms_.undelivered)) return Place::entry;
  if (terms_.undelivered) return is_queue ? Place::queue : Place::given;
  if (!section.journal || !section.has_list) return Place::file;
  return outbound_is_run() ? Place::queue : Place::caller;
}

bool Ledger::outbound_is_run() {
  return is_run("outbound", terms_.via == Via::site ? May::start : May::not_start);
}

Ledger::Place Ledger::place_of_refused(const Section& section) {
  if (terms_.refused && *terms_.refused != "queue") return Place::given;
  if (terms_.refused) return section.has_list ? Place::queue : Place::file;
  const bool tells = section.journal && section.has_list;
  return tells && is_run("bounces", May::start) ? Place::queue : Place::file;
}

Result<Ledger::Conclusion> Ledger::conclude(const Blown& blown, std::int64_t now) {
  Conclusion conclusion;
  Result<> state = take_back(blown, now);
  const auto add = [&](Result<> done) {
    if (state) state = std::move(done);
  };
  add(hand_over_refused(blown, conclusion, now));
  add(hand_over_left(blown, conclusion, now));
  if (state && left_file_) state = answer_left_file();
  // What is not handed over keeps its journal open; it is synced all the same.
  add(end_journals(state ? MayClose::yes : MayClose::no, now));
  remains_.clear();
  sections_.clear();
  owes_sync_ = false;
  add(wake_runners());
  if (!state) return fail(state);
  return conclusion;
}

// When the journals are let go: whom we wake will want them.
Result<> Ledger::wake_runners() {
  Result<> state;
  for (const std::string& queue : std::exchange(to_wake_, {})) {
    const auto at = home();
    Result<> woken = at ? wake_runner(**at, queue) : Result<>(fail(at));
    if (state && !woken) state = std::move(woken);
  }
  return state;
}

// Refusals by a relay that had something against us are none.
Result<> Ledger::take_back(const Blown& blown, std::int64_t now) {
  return remains_.each([&](const Remains::Kept& one) -> Result<> {
    if (!one.refused_by || is_refused(one, blown)) return {};
    Section& section = sections_[one.section];
    --section.refused;
    ++section.left;
    if (!one.slot) return {};
    return section.journal->amend(*one.slot, Outcome::deferred,
                                  {one.address, "-", "the fuse took its refusal back"}, now);
  });
}

Result<> Ledger::hand_over_refused(const Blown& blown, Conclusion& to, std::int64_t now) {
  Share refused{.is_theirs = [&](const auto& one) { return is_refused(one, blown); }};
  for (const Section& section : sections_) {
    refused.places.push_back(section.refused > 0 ? place_of_refused(section) : Place::caller);
    to.refused += section.refused;
  }
  if (to.refused == 0) return {};
  if (auto written = write_refused(refused, to); !written) {
    return retry("{} refused, and they cannot be handed over yet: {}", to.refused,
                 written.error().text);
  }
  auto told = remains_.each([&](const Remains::Kept& one) -> Result<> {
    if (!one.slot || !refused.is_theirs(one)) return {};
    return sections_[one.section].journal->told(*one.slot);
  });
  if (!told) return told;
  for (Section& section : sections_) {
    if (section.refused == 0 || !section.journal) continue;
    if (auto synced = section.journal->sync(now); !synced) return synced;
  }
  return {};
}

Result<> Ledger::write_refused(const Share& refused, Conclusion& to) {
  if (refused.any(Into::queue)) {
    to.refused_to = queue_of_refused;
    auto queued = enqueue("bounces", Entries::plain, refused.going(Into::queue));
    if (!queued) return queued;
    if (!terms_.refused) to_wake_.insert("bounces");
  }
  if (!refused.any(Into::file)) return {};
  const auto wanted = refused.going(Into::file);
  if (refused_file_) {
    to.refused_to = refused_file_->path();
    return refused_file_->append(
        [&](Writer& out) { return write_sections(out, Entries::plain, wanted); });
  }
  auto path = write_file(terms_.refused, "refused", Entries::plain, wanted);
  if (!path) return fail(path);
  to.refused_to = std::move(*path);
  return {};
}

Result<> Ledger::hand_over_left(const Blown& blown, Conclusion& to, std::int64_t now) {
  Share left{.is_theirs = [&](const auto& one) { return !is_refused(one, blown); }};
  for (const Section& section : sections_) {
    left.places.push_back(section.left > 0 ? place_of_left(section) : Place::caller);
    (left.places.back() == Place::queue ? to.queued : to.left) += section.left;
  }
  // What cannot be queued keeps nobody from writing the files of the others.
  Result<> state;
  if (to.queued > 0) {
    state = queue_left(left.going(Into::queue), now);
    if (!state) {
      state = retry("{} left, and they cannot be queued: {}", to.queued, state.error().text);
      to.left += std::exchange(to.queued, 0);
    }
    for (std::size_t i = 0; state && i < sections_.size(); ++i) {
      if (left.places[i] == Place::queue) sections_[i].left = 0;
    }
  }
  if (!left.any(Into::file)) return state;
  auto path = write_file(left_file_ ? left_file_->place() : terms_.undelivered, "left",
                         Entries::marked, left.going(Into::file));
  if (path) to.left_to = left_file_ ? left_file_->path() : *path;
  if (!path && state) {
    const std::string& why = path.error().text;  // empty: who reads our output has gone
    state = why.empty() ? Result<>(fail(path))
                        : retry("{} left, and they cannot be kept: {}", to.left, why);
  }
  return state;
}

// Durable before their journals say L.
Result<> Ledger::queue_left(const Wanted& wanted, std::int64_t now) {
  if (auto kept = enqueue("outbound", Entries::marked, wanted); !kept) return kept;
  if (!terms_.undelivered) to_wake_.insert("outbound");
  return remains_.each([&](const Remains::Kept& one) -> Result<> {
    if (!wanted(one) || !one.slot) return {};
    return sections_[one.section].journal->amend(*one.slot, Outcome::left,
                                                 {one.address, "-", "to the queue outbound"}, now);
  });
}

// What the file has of our messages gives way, but for those who wait and did not come. In a trial
// nobody knows who they are.
Result<> Ledger::answer_left_file() {
  for (Section& section : sections_) {
    if (!section.ended_well) continue;
    const auto waits = [&](std::string_view address) -> Result<bool> {
      if (!section.journal) return true;
      return section.journal->waits_unmet(address_in_journal(address));
    };
    auto answered = left_file_->answer(section.id, section.part, waits);
    if (!answered) return answered;
  }
  return {};
}

// Gives where they are then. What was handed over before, in this run, stays where it is and has
// this behind it.
Result<std::string> Ledger::write_file(const std::optional<std::string>& given,
                                       std::string_view kind, Entries entries,
                                       const Wanted& wanted) {
  const auto before = files_.find(kind);
  std::optional<std::string> to;  // nothing: a new one in the home
  if (given != "queue") to = given;
  if (before != files_.end()) to = before->second;
  auto path = hand_over(to, terms_.home, kind, sections_.front().id,
                        [&](Writer& out) { return write_sections(out, entries, wanted); });
  if (path && !path->empty()) files_.emplace(kind, *path);
  return path;
}

// Those of their recipients who are wanted, and an `end 0` for each.
Result<> Ledger::write_sections(Writer& out, Entries entries, const Wanted& wanted) {
  std::optional<std::size_t> section;
  auto written = remains_.each([&](const Remains::Kept& one) -> Result<> {
    if (!wanted(one)) return {};
    if (section != one.section) {
      if (section) out.end(Status::done, "");
      out.pass(entries == Entries::plain ? without_mark(one.message) : std::string(one.message));
      section = one.section;
    }
    out.pass(one.rcpt);
    return {};
  });
  if (section) out.end(Status::done, "");
  return written;
}

// An entry a section.
Result<> Ledger::enqueue(std::string_view queue_name, Entries entries, const Wanted& wanted) {
  const auto at = home();
  if (!at) return fail(at);
  auto queue = Queue::open(**at, queue_name, Create::yes);
  if (!queue) return fail(queue);
  std::optional<std::size_t> section;
  std::optional<QueueEntry> entry;
  std::optional<Writer> out;
  const auto finish = [&]() -> Result<> {
    if (!entry) return {};
    out->end(Status::done, "");
    if (auto flushed = out->flush(); !flushed) return flushed;
    auto kept = entry->keep(Same::beside);
    out.reset();
    entry.reset();
    return kept;
  };
  const auto begin = [&](const Remains::Kept& one) -> Result<> {
    if (auto finished = finish(); !finished) return finished;
    Section& here = sections_[one.section];
    auto made = QueueEntry::create(*queue, here.id);
    if (!made) return fail(made);
    entry.emplace(std::move(*made));
    out.emplace(entry->fd(), queue->path(entry->draft()));
    const bool is_marked = entries == Entries::marked;
    const bool bears_its_mark = is_marked && here.from_entry;
    out->buffer().append(bears_its_mark ? std::string(one.message) : without_mark(one.message));
    if (is_marked && here.journal && !here.from_entry) {
      auto mark = here.journal->mark();
      if (!mark) return fail(mark);
      append_attribute(out->buffer(), entry_mark, *mark);
    }
    out->buffer().push_back('\n');
    out->settle();
    section = one.section;
    return {};
  };
  auto written = remains_.each([&](const Remains::Kept& one) -> Result<> {
    if (!wanted(one)) return {};
    if (section != one.section) {
      if (auto begun = begin(one); !begun) return begun;
    }
    out->pass(one.rcpt);
    return {};
  });
  if (!written) return written;
  return finish();
}

Result<> Ledger::end_journals(MayClose may_close, std::int64_t now) {
  Result<> state;
  for (Section& section : sections_) {
    if (!section.journal || section.journal->closed()) continue;  // nobody was new
    const bool done = may_close == MayClose::yes && section.ended_well && section.left == 0;
    Result<> kept;
    if (done) {
      auto closed = section.journal->close(now);
      if (closed) closed_.insert(journal_path(section.id, section.part));
      if (!closed) kept = fail(closed);
    } else {
      kept = section.journal->sync(now);
    }
    if (state && !kept) state = std::move(kept);
  }
  return state;
}

}  // namespace ml
