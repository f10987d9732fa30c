// Sorts any number of lines in a stated amount of memory: sorted runs on disk, then one merge.
//
// Stable. Lines that come in order already are recognised: a load that is in order is not sorted,
// and one that follows the run before it goes on with that run, so that a sorted input of any
// length becomes one run and is copied. Lines that fit into memory touch no disk.
//
//   Sorter<ByDomain> sorter(ByDomain(ByDomain::Within::local), 64 << 20, {"/var/tmp"});
//   if (auto added = sorter.add(line); !added) return fail(added);     // each line
//   if (auto sorted = sorter.finish(); !sorted) return fail(sorted);
//   auto cursor = sorter.cursor();
//   while (auto more = cursor.next()) {                                // a failure ends it
//     if (!*more) break;
//     use(cursor.line());                                              // valid until next()
//   }
//   sorter.clear();                                                    // for the next section
//
// Memory: as given, and the longest line. A line may be any text without LF.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/spill.hpp"
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
  [[nodiscard]] std::string_view record() const { return record_; }  // without its LF

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
      : key_(std::move(key)),
        memory_(std::clamp(memory, least_memory, most_memory)),
        directories_(std::move(directories)),
        spill_(directories_) {}

  // `number`: for a key that takes one.
  [[nodiscard]] Result<> add(std::string_view line, std::uint64_t number = 0);
  // After the last line, before the first cursor.
  [[nodiscard]] Result<> finish();
  // From the start; several may be used side by side, each with its part of the memory.
  [[nodiscard]] Cursor cursor(std::size_t part_of_memory = 1) {
    return Cursor(*this, part_of_memory);
  }
  void clear();

  // How often the disk was needed; for tests.
  [[nodiscard]] std::size_t runs() const { return runs_.size(); }

 private:
  static constexpr std::size_t least_memory = std::size_t{16} << 10;
  static constexpr std::size_t most_memory = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::size_t least_block = std::size_t{2} << 10;
  static constexpr std::size_t ahead = 16;  // sorted records lie anywhere: fetched early
  static constexpr std::size_t largest_block = std::size_t{256} << 10;

  [[nodiscard]] std::size_t needed(std::size_t record) const {
    return used_ + record + (count_ + 1) * sizeof(Mark) + key_.memory();
  }
  [[nodiscard]] Records records() const { return {room_.get(), used_}; }
  [[nodiscard]] std::string_view record_of(std::size_t mark) const {
    if (mark + ahead < marks_.size()) __builtin_prefetch(room_.get() + marks_[mark + ahead].offset);
    return records().at(marks_[mark].offset, Key::head);
  }
  [[nodiscard]] std::size_t runs_at_once() const {
    return std::max<std::size_t>(2, memory_ / 32768);
  }

  void make_room(std::size_t record);
  void place_last(std::size_t offset);
  void mark_all();
  void sort_load();
  void clear_load();
  [[nodiscard]] Result<> spill_load();
  [[nodiscard]] Result<> merge_runs();

  // Calls with each record of the load, LF included, in order.
  template <class Call>
  [[nodiscard]] Result<> each_record(Call&& call) const;

  Key key_;
  std::size_t memory_;
  std::vector<std::string> directories_;

  // The load: what was added since the last run was written.
  std::unique_ptr<char[]> room_;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
  std::size_t count_ = 0;
  bool in_order_ = true;  // so far; then there are no marks yet
  std::size_t last_ = 0;  // the record added last
  typename Key::Place last_place_{};
  std::vector<Mark> marks_;

  Spill spill_;
  std::vector<Run> runs_;
  std::string end_of_run_;  // the last record of the last run
};

// Reads a finished sorter's lines in order.
template <class Key>
class Sorter<Key>::Cursor {
 public:
  [[nodiscard]] Result<bool> next();
  // Without its LF and without the key's head.
  [[nodiscard]] std::string_view line() const { return record_.substr(Key::head); }

 private:
  friend class Sorter;
  struct Source {
    RunReader reader;
    typename Key::Place place;
    bool over = false;
  };

  Cursor(Sorter& sorter, std::size_t part_of_memory);
  [[nodiscard]] Result<bool> next_in_memory();
  [[nodiscard]] Result<> start();
  [[nodiscard]] Result<> advance(std::size_t source);
  [[nodiscard]] bool before(std::size_t a, std::size_t b) const;
  void play(std::size_t source);

  static constexpr std::size_t nobody = std::numeric_limits<std::size_t>::max();

  Sorter* sorter_;
  std::string_view record_;
  std::size_t position_ = 0;  // in memory: the next mark, or the next octet where all is in order
  std::vector<Source> sources_;
  std::vector<std::size_t> losers_;  // a tree: [0] the winner, [n] who lost at node n
  bool started_ = false;
};

template <class Key>
Result<> Sorter<Key>::add(std::string_view line, std::uint64_t number) {
  const std::size_t size = Key::head + line.size() + 1;
  if (used_ > 0 && (needed(size) > memory_ || used_ + size > capacity_)) {
    if (auto spilled = spill_load(); !spilled) return fail(spilled);
  }
  make_room(size);
  const std::size_t offset = used_;
  char* to = room_.get() + offset;
  for (std::size_t i = 0; i < Key::head; ++i) {
    *to++ = static_cast<char>(number >> (8 * (Key::head - 1 - i)) & 0xFF);
  }
  std::memcpy(to, line.data(), line.size());
  to[line.size()] = '\n';
  used_ += size;
  place_last(offset);
  return {};
}

// Pages of it that are never written cost nothing.
template <class Key>
void Sorter<Key>::make_room(std::size_t record) {
  if (used_ + record <= capacity_) return;
  capacity_ = std::max(memory_, record);
  room_ = std::make_unique_for_overwrite<char[]>(capacity_);
}

template <class Key>
void Sorter<Key>::place_last(std::size_t offset) {
  const std::string_view record(room_.get() + offset, used_ - offset - 1);
  const auto place = key_.place(record);
  if (in_order_ && count_ > 0 && key_.compare(last_place_, place) > 0) mark_all();
  if (!in_order_) marks_.push_back(key_.mark(place, offset));
  last_place_ = place;
  last_ = offset;
  ++count_;
}

// The first record out of order: from here on there are marks, also for those before it.
template <class Key>
void Sorter<Key>::mark_all() {
  in_order_ = false;
  for (std::size_t at = 0, i = 0; i < count_; ++i) {
    const auto record = records().at(at, Key::head);
    marks_.push_back(key_.mark(key_.place(record), at));
    at += record.size() + 1;
  }
}

template <class Key>
void Sorter<Key>::sort_load() {
  if (in_order_) return;
  key_.sort(marks_, records());
  last_ = marks_.back().offset;
}

template <class Key>
void Sorter<Key>::clear_load() {
  used_ = 0;
  count_ = 0;
  in_order_ = true;
  marks_.clear();
  key_.clear();
}

template <class Key>
template <class Call>
Result<> Sorter<Key>::each_record(Call&& call) const {
  if (in_order_) return call(std::string_view(room_.get(), used_));
  for (std::size_t mark = 0; mark < marks_.size(); ++mark) {
    const auto record = record_of(mark);
    if (auto called = call(std::string_view(record.data(), record.size() + 1)); !called) {
      return called;
    }
  }
  return {};
}

template <class Key>
Result<> Sorter<Key>::spill_load() {
  sort_load();
  const std::size_t first = in_order_ ? 0 : marks_.front().offset;
  const bool goes_on =
      !runs_.empty() &&
      key_.compare(key_.place(end_of_run_), key_.place(records().at(first, Key::head))) <= 0;
  if (!goes_on) runs_.push_back({spill_.size(), spill_.size()});
  const auto kept = each_record([this](std::string_view text) { return spill_.append(text); });
  if (!kept) return fail(kept);
  runs_.back().end = spill_.size();
  end_of_run_ = records().at(last_, Key::head);
  clear_load();
  return {};
}

template <class Key>
Result<> Sorter<Key>::finish() {
  if (runs_.empty()) {
    sort_load();
    return {};
  }
  if (count_ > 0) {
    if (auto spilled = spill_load(); !spilled) return fail(spilled);
  }
  room_.reset();  // the merge has the memory now
  capacity_ = 0;
  marks_ = {};
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
      if (auto kept = longer.append(merged.record_); !kept) return fail(kept);
      if (auto kept = longer.append("\n"); !kept) return fail(kept);
    }
    fewer.back().end = longer.size();
  }
  spill_ = std::move(longer);
  runs_ = std::move(fewer);
  return {};
}

template <class Key>
void Sorter<Key>::clear() {
  clear_load();
  if (runs_.empty()) return;
  runs_.clear();
  spill_.clear();
}

template <class Key>
Sorter<Key>::Cursor::Cursor(Sorter& sorter, std::size_t part_of_memory) : sorter_(&sorter) {
  if (sorter.runs_.empty()) return;
  const std::size_t block =
      std::clamp(sorter.memory_ / part_of_memory / sorter.runs_.size(), least_block, largest_block);
  for (const Run& run : sorter.runs_) {
    sources_.push_back({RunReader(sorter.spill_, run, block, Key::head), {}, false});
  }
}

template <class Key>
Result<bool> Sorter<Key>::Cursor::next() {
  if (sources_.empty()) return next_in_memory();
  if (!started_) {
    if (auto begun = start(); !begun) return fail(begun);
  } else {
    const std::size_t source = losers_.front();
    if (auto advanced = advance(source); !advanced) return fail(advanced);
    play(source);
  }
  const Source& winner = sources_[losers_.front()];
  if (winner.over) return false;
  record_ = winner.reader.record();
  return true;
}

template <class Key>
Result<bool> Sorter<Key>::Cursor::next_in_memory() {
  const Sorter& sorter = *sorter_;
  if (position_ >= (sorter.in_order_ ? sorter.used_ : sorter.marks_.size())) return false;
  record_ =
      sorter.in_order_ ? sorter.records().at(position_, Key::head) : sorter.record_of(position_);
  position_ += sorter.in_order_ ? record_.size() + 1 : 1;
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
  const auto more = one.reader.next();
  if (!more) return fail(more);
  one.over = !*more;
  if (*more) one.place = sorter_->key_.place(one.reader.record());
  return {};
}

// Equal records keep the order of their runs, which is that of input.
template <class Key>
bool Sorter<Key>::Cursor::before(std::size_t a, std::size_t b) const {
  if (sources_[a].over || sources_[b].over) return !sources_[a].over;
  const int order = sorter_->key_.compare(sources_[a].place, sources_[b].place);
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
