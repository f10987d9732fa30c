// Sorts any number of lines in a stated amount of memory: sorted runs, on disk where they do not
// fit, then one merge.
//
// Stable. A load of lines is taken in, small enough for the processor's caches, while another
// thread sorts the one before and puts it to the runs. Lines that come in order already are
// recognised: a load that is in order is not sorted, and one that follows the run before it goes on
// with that run, so that a sorted input of any length becomes one run and is copied. Lines that fit
// into memory touch no disk. Runs that had to be sorted say of each record where its parts end, so
// that the merge need not look for them again.
//
//   Sorter<ByDomain> sorter(ByDomain(ByDomain::Within::local), 64 << 20, {"/var/tmp"});
//   if (auto added = sorter.add(line, key.place(line)); !added) return fail(added);  // each line
//   if (auto sorted = sorter.finish(); !sorted) return fail(sorted);
//   auto given = sorter.give([&](std::string_view lines) { ...; return Result<>(); });
//   sorter.clear();                                                    // for the next section
//
// Memory: as given, and the longest line. A line may be any text without LF.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/spill.hpp"
#include "stage/load.hpp"
#include "stage/sort_keys.hpp"
#include "stage/sort_octets.hpp"

namespace ml {

// A part of a spill: sorted records, each ended by LF; with a RunMark in front where they are
// marked.
struct Run {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  bool marked = false;
};

// The records of one run, one after the other: where they are in memory, or by blocks.
class RunReader {
 public:
  RunReader(Spill& spill, Run run, std::size_t block, std::size_t head);

  // False at the end of the run.
  [[nodiscard]] Result<bool> next();
  // The same without a detour for nearly every record. False: next() knows.
  [[nodiscard]] bool take();
  [[nodiscard]] std::string_view record() const { return record_; }  // its LF stands behind it
  [[nodiscard]] RunMark told() const { return told_; }

 private:
  [[nodiscard]] Result<> fill();

  Spill* spill_;
  Run run_;  // what is not yet read
  std::size_t head_;
  std::size_t size_;
  std::unique_ptr<char[]> block_;
  const char* at_ = nullptr;  // what is read and not yet given out
  const char* end_ = nullptr;
  std::string_view record_;
  RunMark told_;
};

inline bool RunReader::take() {
  const char* begin = at_;
  RunMark told;
  if (run_.marked) {
    if (static_cast<std::size_t>(end_ - begin) < sizeof told) return false;
    std::memcpy(&told, begin, sizeof told);
    begin += sizeof told;
  }
  const auto held = static_cast<std::size_t>(end_ - begin);
  std::size_t size = told.size;
  if (size == RunMark::untold_size) {
    const void* const lf = held > head_ ? std::memchr(begin + head_, '\n', held - head_) : nullptr;
    if (!lf) return false;
    size = static_cast<std::size_t>(static_cast<const char*>(lf) - begin);
  }
  if (held <= size) return false;
  record_ = {begin, size};
  told_ = told;
  at_ = begin + size + 1;
  return true;
}

// Short texts gathered, so that whoever takes them is called seldom.
template <class Call>
class Gathering {
 public:
  explicit Gathering(Call call) : call_(std::move(call)) {}

  [[nodiscard]] Result<> put(std::string_view text) {
    if (text.size() > size - used_) {
      if (auto given = give(); !given) return given;
      if (text.size() > size) return call_(text);
    }
    copy_octets(text, block_.get() + used_);
    used_ += text.size();
    return {};
  }
  [[nodiscard]] Result<> give() {
    const std::string_view all(block_.get(), std::exchange(used_, 0));
    return all.empty() ? Result<>() : call_(all);
  }

 private:
  static constexpr std::size_t size = std::size_t{128} << 10;

  Call call_;
  std::unique_ptr<char[]> block_ = std::make_unique_for_overwrite<char[]>(size);
  std::size_t used_ = 0;
};

template <class Key>
class Sorter {
 public:
  class Cursor;

  // `memory` is in octets. `directories` as Spill takes them.
  Sorter(Key key, std::size_t memory, std::vector<std::string> directories)
      : memory_(std::max(memory, least_memory)),
        directories_(std::move(directories)),
        key_(std::move(key)),
        loads_{Load<Key>(key_, load_memory()), Load<Key>(key_, load_memory())},
        spill_(directories_, memory_ - 2 * load_memory()) {}
  Sorter(const Sorter&) = delete;
  Sorter& operator=(const Sorter&) = delete;
  ~Sorter() { stop(); }

  // `place`: the line's, in the order of the key.
  [[nodiscard]] Result<> add(std::string_view line, const typename Key::Place& place) {
    if (!loads_[filling_].takes(line.size())) {
      if (auto handed = hand_over(); !handed) return fail(handed);
    }
    loads_[filling_].add(line, place);
    return {};
  }
  // After the last line, before they are read.
  [[nodiscard]] Result<> finish();
  // Calls with the lines in order, LF included, any number of octets at a time.
  template <class Call>
  [[nodiscard]] Result<> give(Call&& call);
  // From the start, line by line; several may be used side by side, each with its part of the
  // memory.
  [[nodiscard]] Cursor cursor(std::size_t part_of_memory = 1) {
    return Cursor(*this, part_of_memory);
  }
  void clear();

  // How often the disk was needed; for tests.
  [[nodiscard]] std::size_t runs() const { return runs_.size(); }

 private:
  static constexpr std::size_t least_memory = std::size_t{16} << 10;
  static constexpr std::size_t least_block = std::size_t{2} << 10;
  static constexpr std::size_t largest_block = std::size_t{256} << 10;

  static constexpr std::size_t largest_load = std::size_t{4} << 20;

  [[nodiscard]] std::size_t load_memory() const { return std::min(memory_ / 4, largest_load); }
  // A merge has the memory of the loads.
  [[nodiscard]] std::size_t runs_at_once() const {
    return std::max<std::size_t>(2, 2 * load_memory() / 32768);
  }
  // The load before the one that is being filled.
  [[nodiscard]] Load<Key>& older() { return loads_[1 - filling_]; }

  [[nodiscard]] Result<> hand_over();
  [[nodiscard]] Result<> wait();
  void stop() {  // whatever came of it
    if (at_work_.valid()) at_work_.wait();
    at_work_ = {};
  }
  [[nodiscard]] Result<> spill(Load<Key>& load);
  [[nodiscard]] Result<> append_marked(const Load<Key>& load);
  [[nodiscard]] Result<> merge_runs();

  std::size_t memory_;
  std::vector<std::string> directories_;
  Key key_;
  std::array<Load<Key>, 2> loads_;
  std::size_t filling_ = 0;

  Spill spill_;
  std::vector<Run> runs_;
  std::string end_of_run_;         // the last record of the last run
  std::future<Result<>> at_work_;  // on older() and the four above
};

// Reads a finished sorter's lines in order.
template <class Key>
class Sorter<Key>::Cursor {
 public:
  [[nodiscard]] Result<bool> next();
  // The same without a detour for nearly every line. False: next() knows.
  [[nodiscard]] bool take();
  // Without its LF, which stands behind it, and without the key's head.
  [[nodiscard]] std::string_view line() const { return record_.substr(Key::head); }

 private:
  friend class Sorter;
  Cursor(Sorter& sorter, std::size_t part_of_memory);
  [[nodiscard]] Result<bool> start();
  // All bits where it stands before, else none. Equal records keep the order of their runs, which
  // is that of input.
  [[nodiscard]] std::size_t before(std::size_t a, std::size_t b) const {
    const int order = sorter_->key_.compare(standings_[a], standings_[b]);
    const std::ptrdiff_t with_ties = 2 * order - static_cast<int>(a < b);
    return static_cast<std::size_t>(with_ties >> (8 * sizeof with_ties - 1));
  }
  void stand(std::size_t source) {
    sorter_->key_.stand(standings_[source], sources_[source].record(), sources_[source].told());
  }
  void build();
  void play(std::size_t source);
  [[nodiscard]] bool settle() {
    record_ = sources_[losers_.front()].record();
    return true;
  }

  static constexpr std::size_t nobody = std::numeric_limits<std::size_t>::max();

  Sorter* sorter_;
  std::string_view record_;
  std::optional<typename Load<Key>::Cursor> load_;  // without runs; else
  std::vector<RunReader> sources_;                  // those that are not over, in order of input
  std::vector<typename Key::Standing> standings_;   // of each
  std::vector<std::size_t> losers_;  // a tree: [0] the winner, [n] who lost at node n
};

template <class Key>
Result<> Sorter<Key>::hand_over() {
  if (auto done = wait(); !done) return fail(done);
  filling_ = 1 - filling_;
  const auto work = [this] { return spill(older()); };
  try {
    at_work_ = std::async(std::launch::async, work);
  } catch (const std::system_error&) {  // no thread is to be had
    return work();
  }
  return {};
}

template <class Key>
Result<> Sorter<Key>::wait() {
  return at_work_.valid() ? at_work_.get() : Result<>();
}

template <class Key>
Result<> Sorter<Key>::spill(Load<Key>& load) {
  load.sort();
  const bool marked = !load.in_order();
  const bool goes_on = !runs_.empty() && runs_.back().marked == marked &&
                       key_.compare(key_.place(end_of_run_), key_.place(load.first())) <= 0;
  if (!goes_on) runs_.push_back({spill_.size(), spill_.size(), marked});
  if (auto kept = marked ? append_marked(load) : spill_.append(load.text()); !kept) {
    return fail(kept);
  }
  runs_.back().end = spill_.size();
  end_of_run_ = load.last();
  load.clear();
  return {};
}

template <class Key>
Result<> Sorter<Key>::append_marked(const Load<Key>& load) {
  Gathering gathering([this](std::string_view text) { return spill_.append(text); });
  for (typename Load<Key>::Cursor cursor(load); cursor.next();) {
    const auto record = cursor.record();
    const RunMark told = cursor.told();
    std::array<char, sizeof told> octets;
    std::memcpy(octets.data(), &told, sizeof told);
    if (auto kept = gathering.put({octets.data(), octets.size()}); !kept) return kept;
    if (auto kept = gathering.put({record.data(), record.size() + 1}); !kept) return kept;
  }
  return gathering.give();
}

template <class Key>
Result<> Sorter<Key>::finish() {
  Load<Key>& last = loads_[filling_];
  const bool handed_over = at_work_.valid() || !runs_.empty();
  if (auto done = wait(); !done) return fail(done);
  if (!handed_over) {
    last.sort();
    return {};
  }
  if (auto spilt = spill(last); !spilt) return fail(spilt);
  for (auto& load : loads_) load.give_back();  // the merge has the memory now
  while (runs_.size() > runs_at_once()) {
    if (auto merged = merge_runs(); !merged) return fail(merged);
  }
  return {};
}

// Too many runs for one merge: makes fewer and longer ones of neighbours.
template <class Key>
Result<> Sorter<Key>::merge_runs() {
  Spill longer(directories_);
  std::vector<Run> fewer;
  const auto all = std::exchange(runs_, {});
  for (std::size_t at = 0; at < all.size(); at += runs_at_once()) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(at);
    runs_.assign(begin,
                 begin + static_cast<std::ptrdiff_t>(std::min(runs_at_once(), all.size() - at)));
    fewer.push_back({longer.size(), 0});
    Cursor merged(*this, 1);
    Gathering gathering([&](std::string_view text) { return longer.append(text); });
    for (;;) {
      const auto more = merged.next();
      if (!more) return fail(more);
      if (!*more) break;
      const auto record = merged.record_;
      if (auto kept = gathering.put({record.data(), record.size() + 1}); !kept) return kept;
    }
    if (auto kept = gathering.give(); !kept) return kept;
    fewer.back().end = longer.size();
  }
  spill_ = std::move(longer);
  runs_ = std::move(fewer);
  return {};
}

template <class Key>
template <class Call>
Result<> Sorter<Key>::give(Call&& call) {
  if constexpr (Key::head == 0) {  // what is in order goes out as it stands
    if (runs_.empty() && loads_[filling_].in_order()) return call(loads_[filling_].text());
    if (runs_.size() == 1 && !runs_.front().marked) {
      std::string block(largest_block, '\0');
      for (Run rest = runs_.front(); rest.begin < rest.end;) {
        const std::size_t size = std::min<std::uint64_t>(block.size(), rest.end - rest.begin);
        const auto text = spill_.view(rest.begin, std::span(block).first(size));
        if (!text) return fail(text);
        if (auto called = call(*text); !called) return called;
        rest.begin += size;
      }
      return {};
    }
  }
  Cursor all = cursor();
  Gathering gathering(std::forward<Call>(call));
  for (;;) {
    if (!all.take()) {
      const auto more = all.next();
      if (!more) return fail(more);
      if (!*more) return gathering.give();
    }
    const auto line = all.line();
    if (auto put = gathering.put({line.data(), line.size() + 1}); !put) return put;
  }
}

template <class Key>
void Sorter<Key>::clear() {
  stop();
  for (auto& load : loads_) load.clear();
  if (runs_.empty()) return;
  runs_.clear();
  spill_.clear();
}

template <class Key>
Sorter<Key>::Cursor::Cursor(Sorter& sorter, std::size_t part_of_memory) : sorter_(&sorter) {
  if (sorter.runs_.empty()) {
    load_.emplace(sorter.loads_[sorter.filling_]);
    return;
  }
  const std::size_t block = std::clamp(
      2 * sorter.load_memory() / part_of_memory / sorter.runs_.size(), least_block, largest_block);
  for (const Run& run : sorter.runs_) {
    sources_.emplace_back(sorter.spill_, run, block, Key::head);
  }
  standings_.resize(sources_.size());
}

template <class Key>
bool Sorter<Key>::Cursor::take() {
  if (load_) {
    if (!load_->next()) return false;
    record_ = load_->record();
    return true;
  }
  if (losers_.empty()) return false;
  const std::size_t winner = losers_.front();
  if (!sources_[winner].take()) return false;
  play(winner);
  return settle();
}

template <class Key>
Result<bool> Sorter<Key>::Cursor::next() {
  if (take()) return true;
  if (sources_.empty()) return false;
  if (losers_.empty()) return start();
  const std::size_t winner = losers_.front();
  const auto more = sources_[winner].next();
  if (!more) return fail(more);
  if (*more) {
    play(winner);
    return settle();
  }
  sources_.erase(sources_.begin() + static_cast<std::ptrdiff_t>(winner));
  standings_.erase(standings_.begin() + static_cast<std::ptrdiff_t>(winner));
  if (sources_.empty()) return false;
  build();
  return settle();
}

template <class Key>
Result<bool> Sorter<Key>::Cursor::start() {
  for (std::size_t source = 0; source < sources_.size(); ++source) {
    if (const auto begun = sources_[source].next(); !begun) return fail(begun);  // no run is empty
    stand(source);
  }
  build();
  return settle();
}

// Up the tree from each leaf: the first at a node waits there for the other.
template <class Key>
void Sorter<Key>::Cursor::build() {
  losers_.assign(sources_.size(), nobody);
  for (std::size_t source = 0; source < sources_.size(); ++source) {
    std::size_t winner = source;
    std::size_t node = (source + sources_.size()) / 2;
    for (; node > 0 && losers_[node] != nobody; node /= 2) {
      if (before(losers_[node], winner) != 0) std::swap(losers_[node], winner);
    }
    losers_[node] = winner;
  }
}

// Where `source` stands has changed.
template <class Key>
void Sorter<Key>::Cursor::play(std::size_t source) {
  stand(source);
  std::size_t winner = source;
  for (std::size_t node = (source + sources_.size()) / 2; node > 0; node /= 2) {
    // A swap, or none, without a branch.
    const std::size_t loser = losers_[node];
    const std::size_t change = (loser ^ winner) & before(loser, winner);
    losers_[node] = loser ^ change;
    winner ^= change;
  }
  losers_.front() = winner;
}

}  // namespace ml
