// Sorts any number of lines in a stated amount of memory: sorted runs, on disk where they do not
// fit, then one merge.
//
// Stable. A load of lines is taken in, small enough for the processor's caches, while another
// thread sorts the one before and puts it to the runs. Lines that come in order already are
// recognised: a load that is in order is not sorted, and one that follows the run before it goes on
// with that run, so that a sorted input of any length becomes one run and is copied. Lines that fit
// into memory touch no disk.
//
//   Sorter<ByDomain> sorter(ByDomain(ByDomain::Within::local), 64 << 20, {"/var/tmp"});
//   if (auto added = sorter.add(line); !added) return fail(added);     // each line
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
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "base/spill.hpp"
#include "stage/load.hpp"
#include "stage/sort_keys.hpp"

namespace ml {

// A part of a spill: sorted records.
struct Run {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// The records of one run, one after the other, by blocks.
class RunReader {
 public:
  RunReader(Spill& spill, Run run, std::size_t block, std::size_t head)
      : spill_(&spill), run_(run), head_(head), size_(block) {}

  // False at the end of the run.
  [[nodiscard]] Result<bool> next();
  [[nodiscard]] std::string_view record() const { return record_; }  // its LF stands behind it

 private:
  [[nodiscard]] Result<> fill();

  Spill* spill_;
  Run run_;  // what is not yet in the block
  std::size_t head_;
  std::size_t size_;
  std::unique_ptr<char[]> block_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string_view record_;
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

  // `number`: for a key that takes one.
  [[nodiscard]] Result<> add(std::string_view line, std::uint64_t number = 0) {
    if (!loads_[filling_].takes(line.size())) {
      if (auto handed = hand_over(); !handed) return fail(handed);
    }
    loads_[filling_].add(line, number);
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
  // Without its LF, which stands behind it, and without the key's head.
  [[nodiscard]] std::string_view line() const { return record_.substr(Key::head); }

 private:
  friend class Sorter;
  struct Source {
    std::variant<RunReader, typename Load<Key>::Cursor> records;
    typename Key::Standing standing{};
    bool over = false;
  };

  Cursor(Sorter& sorter, std::size_t part_of_memory);
  [[nodiscard]] Result<> start();
  [[nodiscard]] Result<> advance(std::size_t source);
  [[nodiscard]] bool before(std::size_t a, std::size_t b) const;
  void play(std::size_t source);
  [[nodiscard]] std::string_view record_of(const Source& source) const {
    return std::visit([](const auto& records) { return records.record(); }, source.records);
  }

  static constexpr std::size_t nobody = std::numeric_limits<std::size_t>::max();

  Sorter* sorter_;
  std::string_view record_;
  std::vector<Source> sources_;
  std::vector<std::size_t> losers_;  // a tree: [0] the winner, [n] who lost at node n
  bool started_ = false;
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
  const bool goes_on =
      !runs_.empty() && key_.compare(key_.place(end_of_run_), key_.place(load.first())) <= 0;
  if (!goes_on) runs_.push_back({spill_.size(), spill_.size()});
  if (load.in_order()) {
    if (auto kept = spill_.append(load.text()); !kept) return fail(kept);
  } else {
    for (typename Load<Key>::Cursor cursor(load); cursor.next();) {
      const auto record = cursor.record();
      if (auto kept = spill_.append({record.data(), record.size() + 1}); !kept) return fail(kept);
    }
  }
  runs_.back().end = spill_.size();
  end_of_run_ = load.last();
  load.clear();
  return {};
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
    for (;;) {
      const auto more = merged.next();
      if (!more) return fail(more);
      if (!*more) break;
      const auto record = merged.record_;
      if (auto kept = longer.append({record.data(), record.size() + 1}); !kept) return fail(kept);
    }
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
    if (runs_.size() == 1) {
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
  for (;;) {
    const auto more = all.next();
    if (!more) return fail(more);
    if (!*more) return {};
    const auto line = all.line();
    if (auto called = call({line.data(), line.size() + 1}); !called) return called;
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
    sources_.push_back({typename Load<Key>::Cursor(sorter.loads_[sorter.filling_])});
    return;
  }
  const std::size_t block = std::clamp(
      2 * sorter.load_memory() / part_of_memory / sorter.runs_.size(), least_block, largest_block);
  for (const Run& run : sorter.runs_) {
    sources_.push_back({RunReader(sorter.spill_, run, block, Key::head)});
  }
}

template <class Key>
Result<bool> Sorter<Key>::Cursor::next() {
  if (sources_.empty()) return false;
  if (!started_) {
    if (auto begun = start(); !begun) return fail(begun);
  } else {
    const std::size_t source = losers_.front();
    if (auto advanced = advance(source); !advanced) return fail(advanced);
    play(source);
  }
  const Source& winner = sources_[losers_.front()];
  if (winner.over) return false;
  record_ = record_of(winner);
  return true;
}

template <class Key>
Result<> Sorter<Key>::Cursor::start() {
  started_ = true;
  losers_.assign(sources_.size(), nobody);
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (auto advanced = advance(i); !advanced) return fail(advanced);
    play(i);
  }
  return {};
}

template <class Key>
Result<> Sorter<Key>::Cursor::advance(std::size_t source) {
  Source& one = sources_[source];
  const auto more =
      std::visit([](auto& records) { return Result<bool>(records.next()); }, one.records);
  if (!more) return fail(more);
  one.over = !*more;
  if (*more && sources_.size() > 1) sorter_->key_.stand(one.standing, record_of(one));
  return {};
}

// Equal records keep the order of their runs, which is that of input.
template <class Key>
bool Sorter<Key>::Cursor::before(std::size_t a, std::size_t b) const {
  if (sources_[a].over || sources_[b].over) return !sources_[a].over;
  const int order = sorter_->key_.compare(sources_[a].standing, sources_[b].standing);
  return order != 0 ? order < 0 : a < b;
}

// Up the tree from a leaf. While it is being built, the first at a node waits there for the other.
template <class Key>
void Sorter<Key>::Cursor::play(std::size_t source) {
  std::size_t winner = source;
  for (std::size_t node = (source + sources_.size()) / 2; node > 0; node /= 2) {
    if (losers_[node] == nobody) {
      losers_[node] = winner;
      return;
    }
    if (before(losers_[node], winner)) std::swap(losers_[node], winner);
  }
  losers_.front() = winner;
}

}  // namespace ml
