// The records that a sorter has in memory together: taken in, sorted, read in order, forgotten.
//
// One block of memory: the records from its front, the marks they are sorted by from its end. There
// are no marks while records come in order. Pages that are never written cost nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "stage/sort_keys.hpp"
#include "stage/sort_octets.hpp"

namespace ml {

template <class Key>
class Load {
 public:
  // `memory`: in octets, of records, marks and what the key keeps beside them.
  Load(Key key, std::size_t memory)
      : key_(std::move(key)), memory_(std::min<std::size_t>(memory, most_memory)) {}

  // False: it is full. A load that is empty takes any line.
  [[nodiscard]] bool takes(std::size_t line) const {
    return count_ == 0 ||
           used_ + Key::head + line + 1 + 2 * (count_ + 1) * sizeof(Mark) + key_.memory() <=
               memory_;
  }
  void add(std::string_view line, const typename Key::Place& place);
  // In any thread, while nobody else uses it.
  void sort();
  void clear();
  void give_back();  // clear(), and its memory to the system

  [[nodiscard]] std::size_t size() const { return count_; }

  // After sort(): if the records came in order, they stand one behind the other, LF included.
  [[nodiscard]] bool in_order() const { return in_order_; }
  [[nodiscard]] std::string_view text() const { return {block_.get(), used_}; }
  [[nodiscard]] std::string_view first() const {
    return in_order_ ? record(0) : record(sorted_.front());
  }
  [[nodiscard]] std::string_view last() const {
    return in_order_ ? record(last_) : record(sorted_.back());
  }

  // After sort(): the records, from the front; without their LF.
  class Cursor {
   public:
    explicit Cursor(const Load& load) : load_(&load) {}
    [[nodiscard]] bool next() {
      if (load_->in_order_) {
        if (at_ == load_->used_) return false;
        record_ = load_->record(at_);
        at_ += record_.size() + 1;
        return true;
      }
      const auto marks = load_->sorted_;
      if (at_ == marks.size()) return false;
      if (at_ + ahead < marks.size()) {  // sorted records lie anywhere
        load_->records().fetch(marks[at_ + ahead].offset());
      }
      record_ = load_->record(marks[at_++]);
      return true;
    }
    [[nodiscard]] std::string_view record() const { return record_; }
    // What to say of it in a run, where the records were out of order.
    [[nodiscard]] RunMark told() const {
      const Mark& mark = load_->sorted_[at_ - 1];
      RunMark told;
      if (const auto local = mark.local()) told.local = static_cast<std::uint8_t>(*local);
      if (mark.size()) told.size = static_cast<std::uint16_t>(record_.size());
      told.same_domain = at_ > 1 && load_->sorted_[at_ - 2].domain() == mark.domain();
      return told;
    }

   private:
    static constexpr std::size_t ahead = 16;
    const Load* load_;
    std::size_t at_ = 0;
    std::string_view record_;
  };

 private:
  static constexpr std::size_t most_memory = Mark::most_octets;

  [[nodiscard]] std::string_view record(std::size_t offset) const {
    return records().at(offset, Key::head);
  }
  [[nodiscard]] std::string_view record(const Mark& mark) const {
    return records().at(mark, Key::head);
  }
  [[nodiscard]] Records records() const { return {block_.get(), used_}; }
  // As many marks as there are records: the first set from the end, in front of it the second.
  [[nodiscard]] std::span<Mark> marks(std::size_t set) const {
    return {reinterpret_cast<Mark*>(block_.get() + capacity_) - set * count_, count_};
  }
  void set_mark(std::size_t index, std::size_t offset, std::size_t size,
                const typename Key::Place& place) {
    reinterpret_cast<Mark*>(block_.get() + capacity_)[-1 - static_cast<std::ptrdiff_t>(index)] =
        key_.mark(place, offset, size);
  }
  void make_room(std::size_t record);
  void mark_all();

  Key key_;
  std::size_t memory_;
  std::unique_ptr<char[]> block_;
  std::size_t capacity_ = 0;  // a multiple of a mark's alignment
  std::size_t used_ = 0;
  std::size_t count_ = 0;
  std::span<Mark> sorted_;
  bool in_order_ = true;  // so far
  std::size_t last_ = 0;  // the record added last
  typename Key::Place last_place_{};
};

template <class Key>
void Load<Key>::add(std::string_view line, const typename Key::Place& place) {
  const std::size_t size = Key::head + line.size() + 1;
  if (count_ == 0) make_room(size);
  if (in_order_ && count_ > 0 && key_.compare(last_place_, place) > 0) mark_all();
  char* to = block_.get() + used_;
  for (std::size_t i = 0; i < Key::head; ++i) {
    *to++ = static_cast<char>(place.first >> (8 * (Key::head - 1 - i)) & 0xFF);
  }
  copy_octets(line, to);
  to[line.size()] = '\n';
  last_place_ = place.moved(line.data(), to);
  if (!in_order_) set_mark(count_, used_, size - 1, last_place_);
  last_ = used_;
  used_ += size;
  ++count_;
}

template <class Key>
void Load<Key>::make_room(std::size_t record) {
  const std::size_t least = record + 3 * sizeof(Mark);
  if (capacity_ >= std::max(memory_, least)) return;
  capacity_ = std::max(memory_, least) / alignof(Mark) * alignof(Mark);
  block_ = std::make_unique_for_overwrite<char[]>(capacity_);
}

// The first record out of order: from here on there are marks, also for those before it.
template <class Key>
void Load<Key>::mark_all() {
  in_order_ = false;
  for (std::size_t at = 0, i = 0; i < count_; ++i) {
    const auto its_record = record(at);
    set_mark(i, at, its_record.size(), key_.place(its_record));
    at += its_record.size() + 1;
  }
}

template <class Key>
void Load<Key>::sort() {
  if (!in_order_) sorted_ = key_.sort(marks(1), marks(2), records());
}

template <class Key>
void Load<Key>::clear() {
  used_ = 0;
  count_ = 0;
  in_order_ = true;
  key_.clear();
}

template <class Key>
void Load<Key>::give_back() {
  clear();
  block_.reset();
  capacity_ = 0;
}

}  // namespace ml
