#include "store/sorted.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "base/octets.hpp"
#include "store/octets.hpp"

namespace ml {
namespace {

// A record: length of the key (4 octets), of the value (4), key, value.
constexpr std::size_t head = 8;
constexpr std::size_t few = std::size_t{1} << 20;  // octets of records: more get all the memory
constexpr std::size_t smallest_buffer = std::size_t{64} << 10;
constexpr std::size_t largest_buffer = std::size_t{1} << 20;

struct View {
  std::string_view key;
  std::string_view value;
  [[nodiscard]] std::size_t size() const { return head + key.size() + value.size(); }
};

void put_big4(char* to, std::size_t number) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<char>(number >> (8 * (3 - i)) & 0xFF);
}

// The record that `text` begins with, which must be whole.
View view(std::string_view text) {
  const char* const octets = text.data();
  const std::size_t key = big4(octets);
  return {{octets + head, key}, {octets + head + key, big4(octets + 4)}};
}

// A key is compared by so many of its octets at a time, and by whether it ends there: the number's
// last octet tells how many of them there were.
constexpr std::size_t octets_compared = 15;

KeyOctets octets_at(std::string_view key, std::size_t depth) {
  const std::string_view rest = key.substr(std::min(depth, key.size())).substr(0, octets_compared);
  std::array<unsigned char, 16> octets{};
  if (!rest.empty()) std::memcpy(octets.data(), rest.data(), rest.size());
  octets[octets_compared] = static_cast<unsigned char>(rest.size());
  std::array<std::uint64_t, 2> words{};
  std::memcpy(words.data(), octets.data(), octets.size());
  if constexpr (std::endian::native == std::endian::little) {
    for (std::uint64_t& word : words) word = __builtin_bswap64(word);
  }
  return KeyOctets{words[0]} << 64 | words[1];
}

bool goes_on(KeyOctets octets) {
  return (octets & 0xFF) == octets_compared;
}

// The same, or nothing where it is cut off.
bool is_whole(std::string_view text) {
  return text.size() >= head && text.size() >= view(text).size();
}

}  // namespace

SortedRecords::SortedRecords(std::string directory, std::size_t memory)
    : memory_(memory), spill_({std::move(directory)}) {}

Result<> SortedRecords::add(std::string_view key, std::string_view value) {
  const std::size_t size = head + key.size() + value.size();
  const bool rises = added_ == 0 || last_key() < key;
  // Only what must be sorted needs room for that.
  const std::size_t items = run_in_order_ && rises ? 0 : count_ + 1;
  if (count_ > 0 && data_.size() + size + items * sizeof(Item) > memory_) {
    if (auto spilt = spill(); !spilt) return fail(spilt);
  }
  if (data_.size() + size > data_.capacity()) {
    data_.reserve(data_.capacity() < few ? few : std::max(memory_, data_.size() + size));
  }
  if (!rises) {
    all_in_order_ = false;
    if (count_ > 0) run_in_order_ = false;
  }
  ++added_;
  ++count_;
  last_start_ = data_.size();
  data_.resize_and_overwrite(last_start_ + size, [&](char* all, std::size_t) {
    char* to = all + last_start_;
    put_big4(to, key.size());
    put_big4(to + 4, value.size());
    copy_octets(key, to + head);
    copy_octets(value, to + head + key.size());
    return last_start_ + size;
  });
  return {};
}

std::string_view SortedRecords::last_key() const {
  return count_ == 0 ? std::string_view(last_spilt_)
                     : view(std::string_view(data_).substr(last_start_)).key;
}

// By the octets of the keys from `depth` on; what is equal there goes on behind them.
void SortedRecords::sort_items(std::span<Item> items, std::size_t depth) {
  const std::string_view data(data_);
  for (Item& item : items) {
    item.octets = octets_at(view(data.substr(item.start)).key, depth);
  }
  std::ranges::sort(items, [](const Item& a, const Item& b) {
    return a.octets != b.octets ? a.octets < b.octets : a.start < b.start;
  });
  for (auto from = items.begin(); from != items.end();) {
    const auto to = std::find_if(from + 1, items.end(),
                                 [&](const Item& item) { return item.octets != from->octets; });
    if (to - from > 1 && goes_on(from->octets)) sort_items({from, to}, depth + octets_compared);
    from = to;
  }
}

// The last of each key stays.
void SortedRecords::sort_memory() {
  order_.clear();
  if (run_in_order_) return;
  const std::string_view data(data_);
  std::vector<Item> items(count_);
  std::size_t start = 0;
  for (Item& item : items) {
    item.start = start;
    start += view(data.substr(start)).size();
  }
  sort_items(items, 0);
  const auto key_of = [&](const Item& item) { return view(data.substr(item.start)).key; };
  order_.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const bool repeated = i + 1 < items.size() && items[i].octets == items[i + 1].octets &&
                          key_of(items[i]) == key_of(items[i + 1]);
    if (!repeated) order_.push_back(items[i].start);
  }
}

Result<> SortedRecords::spill() {
  const std::uint64_t begin = spill_.size();
  if (run_in_order_) {
    if (auto kept = spill_.append(data_); !kept) return fail(kept);
  } else {
    sort_memory();
    for (const std::size_t start : order_) {
      const auto rest = std::string_view(data_).substr(start);
      if (auto kept = spill_.append(rest.substr(0, view(rest).size())); !kept) return fail(kept);
    }
  }
  if (all_in_order_ && !stretches_.empty()) {
    stretches_.back().end = spill_.size();  // one long run, nothing to merge
  } else {
    stretches_.push_back({begin, spill_.size()});
  }
  last_spilt_ = last_key();
  data_.clear();
  order_.clear();
  count_ = 0;
  run_in_order_ = true;
  return {};
}

Result<> SortedRecords::rewind() {
  next_ = 0;
  if (stretches_.empty()) {
    if (order_.empty()) sort_memory();
    return {};
  }
  if (count_ > 0) {
    if (auto spilt = spill(); !spilt) return fail(spilt);
    data_ = {};
    order_ = {};
  }
  runs_.clear();
  heap_.clear();
  const std::size_t room = std::clamp(memory_ / stretches_.size(), smallest_buffer, largest_buffer);
  for (const Stretch& stretch : stretches_) {
    Run run{stretch.begin, stretch.end, {}, 0, {}};
    run.buffer.reserve(room);
    runs_.push_back(std::move(run));
    auto filled = fill(runs_.back());
    if (!filled) return fail(filled);
    heap_.push_back(heap_.size());
  }
  for (std::size_t place = heap_.size(); place > 0; --place) sink(place - 1);
  return {};
}

// Moves the rest of the buffer to its front and reads on until a whole record stands there.
Result<bool> SortedRecords::fill(Run& run) {
  run.buffer.erase(0, run.at);
  run.at = 0;
  while (!is_whole(run.buffer)) {
    if (run.next == run.end) return false;
    const std::size_t held = run.buffer.size();
    const std::size_t room = std::max(run.buffer.capacity() - held, smallest_buffer / 16);
    const std::size_t more = std::min<std::uint64_t>(room, run.end - run.next);
    run.buffer.resize_and_overwrite(held + more, [&](char*, std::size_t) { return held + more; });
    auto got = spill_.read(run.next, std::span(run.buffer).subspan(held));
    if (!got) return fail(got);
    run.next += more;
  }
  run.key = view(run.buffer).key;
  return true;
}

Result<bool> SortedRecords::advance(Run& run) {
  run.at += view(std::string_view(run.buffer).substr(run.at)).size();
  const auto rest = std::string_view(run.buffer).substr(run.at);
  if (!is_whole(rest)) return fill(run);
  run.key = view(rest).key;
  return true;
}

// Smaller keys first, and of equal keys the one added later.
bool SortedRecords::is_before(std::size_t a, std::size_t b) const {
  const int order = runs_[a].key.compare(runs_[b].key);
  return order != 0 ? order < 0 : a > b;
}

void SortedRecords::sink(std::size_t place) {
  for (;;) {
    std::size_t below = 2 * place + 1;
    if (below >= heap_.size()) return;
    if (below + 1 < heap_.size() && is_before(heap_[below + 1], heap_[below])) ++below;
    if (!is_before(heap_[below], heap_[place])) return;
    std::swap(heap_[place], heap_[below]);
    place = below;
  }
}

Result<bool> SortedRecords::next() {
  if (stretches_.empty()) return next_of_memory();
  return stretches_.size() == 1 ? next_of_one() : next_of_runs();
}

Result<bool> SortedRecords::next_of_memory() {
  if (next_ == (run_in_order_ ? data_.size() : order_.size())) return false;
  const std::size_t start = run_in_order_ ? next_ : order_[next_];
  const View record = view(std::string_view(data_).substr(start));
  next_ += run_in_order_ ? record.size() : 1;
  key_ = record.key;
  value_ = record.value;
  return true;
}

// Nothing to merge: the records are given out where they stand.
Result<bool> SortedRecords::next_of_one() {
  Run& run = runs_.front();
  if (next_++ > 0) {
    if (auto more = advance(run); !more || !*more) return more;
  }
  const View record = view(std::string_view(run.buffer).substr(run.at));
  key_ = record.key;
  value_ = record.value;
  return true;
}

Result<bool> SortedRecords::next_of_runs() {
  bool found = false;
  while (!heap_.empty()) {
    Run& run = runs_[heap_.front()];
    if (found && run.key != key_) break;
    if (!found) {  // an older record with the same key is passed over
      const std::string_view rest = std::string_view(run.buffer).substr(run.at);
      merged_.assign(rest.substr(0, view(rest).size()));
      const View copy = view(merged_);
      key_ = copy.key;
      value_ = copy.value;
      found = true;
    }
    auto more = advance(run);
    if (!more) return fail(more);
    if (!*more) {
      heap_.front() = heap_.back();
      heap_.pop_back();
    }
    sink(0);
  }
  return found;
}

}  // namespace ml
