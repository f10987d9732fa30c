#include "store/sorted.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <span>
#include <utility>

#include "store/octets.hpp"

namespace ml {
namespace {

// A record: length of the key (2 octets), of the value (4), key, value.
constexpr std::size_t head = 6;
constexpr std::size_t smallest_buffer = std::size_t{64} << 10;
constexpr std::size_t largest_buffer = std::size_t{1} << 20;

struct View {
  std::string_view key;
  std::string_view value;
  [[nodiscard]] std::size_t size() const { return head + key.size() + value.size(); }
};

// The record that `text` begins with.
View view(std::string_view text) {
  const auto key = static_cast<std::size_t>(big(text.substr(0, 2)));
  const auto value = static_cast<std::size_t>(big(text.substr(2, 4)));
  return {text.substr(head, key), text.substr(head + key, value)};
}

// The same, or nothing where it is cut off.
bool is_whole(std::string_view text) {
  return text.size() >= head &&
         text.size() >= head + big(text.substr(0, 2)) + big(text.substr(2, 4));
}

Result<std::size_t> read_at(const Fd& file, std::span<char> room, std::uint64_t offset) {
  for (;;) {
    const ssize_t got = pread(file.get(), room.data(), room.size(), static_cast<off_t>(offset));
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0) return retry("a temporary file became shorter while it was read");
    if (errno != EINTR) return system_failure("cannot read a temporary file", errno);
  }
}

}  // namespace

SortedRecords::SortedRecords(std::string directory, std::size_t memory)
    : directory_(std::move(directory)), memory_(memory) {}

Result<> SortedRecords::add(std::string_view key, std::string_view value) {
  const std::size_t size = head + key.size() + value.size();
  if (!starts_.empty() &&
      data_.size() + size + (starts_.size() + 1) * sizeof(std::size_t) > memory_) {
    if (auto spilt = spill(); !spilt) return fail(spilt);
  }
  if (added_ > 0 && key <= last_added_) all_in_order_ = run_in_order_ = false;
  last_added_ = key;
  ++added_;
  starts_.push_back(data_.size());
  append_big<2>(data_, key.size());
  append_big<4>(data_, value.size());
  data_.append(key).append(value);
  return {};
}

Result<> SortedRecords::open_file_without_name() {
  const int fd = open(directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) {
    file_.reset(fd);
    return {};
  }
  // Not every file system has O_TMPFILE.
  std::string name = directory_ + "/sorting-XXXXXX";
  file_.reset(mkostemp(name.data(), O_CLOEXEC));
  if (!file_.open()) return system_failure("cannot make a temporary file in " + directory_, errno);
  unlink(name.c_str());
  return {};
}

void SortedRecords::sort_memory() {
  if (run_in_order_) return;
  const auto key_at = [this](std::size_t start) {
    return view(std::string_view(data_).substr(start)).key;
  };
  std::ranges::sort(starts_, [&](std::size_t a, std::size_t b) {
    const int order = key_at(a).compare(key_at(b));
    return order != 0 ? order < 0 : a < b;
  });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < starts_.size(); ++i) {  // the last of each key stays
    if (i + 1 < starts_.size() && key_at(starts_[i]) == key_at(starts_[i + 1])) continue;
    starts_[kept++] = starts_[i];
  }
  starts_.resize(kept);
}

Result<> SortedRecords::spill() {
  if (!file_.open()) {
    if (auto opened = open_file_without_name(); !opened) return fail(opened);
  }
  const std::string name = "a temporary file in " + directory_;
  const std::uint64_t begin = file_end_;
  if (run_in_order_) {
    if (auto written = write_all(file_, data_, name); !written) return fail(written);
    file_end_ += data_.size();
  } else {
    sort_memory();
    std::string block;
    for (const std::size_t start : starts_) {
      const auto rest = std::string_view(data_).substr(start);
      block.append(rest.substr(0, view(rest).size()));
      if (block.size() < largest_buffer && start != starts_.back()) continue;
      if (auto written = write_all(file_, block, name); !written) return fail(written);
      file_end_ += block.size();
      block.clear();
    }
  }
  if (all_in_order_ && !stretches_.empty()) {
    stretches_.back().end = file_end_;  // one long run, nothing to merge
  } else {
    stretches_.push_back({begin, file_end_});
  }
  data_.clear();
  starts_.clear();
  run_in_order_ = true;
  return {};
}

Result<> SortedRecords::rewind() {
  next_start_ = 0;
  if (stretches_.empty()) {
    sort_memory();
    run_in_order_ = true;
    return {};
  }
  if (!starts_.empty()) {
    if (auto spilt = spill(); !spilt) return fail(spilt);
    data_ = {};
    starts_ = {};
  }
  runs_.clear();
  heap_.clear();
  const std::size_t room = std::clamp(memory_ / stretches_.size(), smallest_buffer, largest_buffer);
  for (const Stretch& stretch : stretches_) {
    Run run{stretch.begin, stretch.end, {}, 0};
    run.buffer.reserve(room);
    runs_.push_back(std::move(run));
    auto filled = fill(runs_.back());
    if (!filled) return fail(filled);
    heap_.push_back(heap_.size());
  }
  std::ranges::make_heap(heap_, [this](auto a, auto b) { return later(a, b); });
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
    run.buffer.resize(held + std::min<std::uint64_t>(room, run.end - run.next));
    auto got = read_at(file_, std::span(run.buffer).subspan(held), run.next);
    if (!got) return fail(got);
    run.buffer.resize(held + *got);
    run.next += *got;
  }
  return true;
}

Result<bool> SortedRecords::advance(Run& run) {
  run.at += view(std::string_view(run.buffer).substr(run.at)).size();
  if (is_whole(std::string_view(run.buffer).substr(run.at))) return true;
  return fill(run);
}

// The heap's order: smaller keys first, and of equal keys the one added later.
bool SortedRecords::later(std::size_t a, std::size_t b) const {
  const auto key_of = [this](std::size_t run) {
    return view(std::string_view(runs_[run].buffer).substr(runs_[run].at)).key;
  };
  const int order = key_of(a).compare(key_of(b));
  return order != 0 ? order > 0 : a < b;
}

Result<bool> SortedRecords::next() {
  return stretches_.empty() ? next_of_memory() : next_of_runs();
}

Result<bool> SortedRecords::next_of_memory() {
  if (next_start_ == starts_.size()) return false;
  const View record = view(std::string_view(data_).substr(starts_[next_start_++]));
  key_ = record.key;
  value_ = record.value;
  return true;
}

Result<bool> SortedRecords::next_of_runs() {
  const auto order = [this](std::size_t a, std::size_t b) { return later(a, b); };
  bool found = false;
  while (!heap_.empty()) {
    Run& run = runs_[heap_.front()];
    const std::string_view rest = std::string_view(run.buffer).substr(run.at);
    const View record = view(rest);
    if (found && record.key != key_) break;
    if (!found) {  // an older record with the same key is passed over
      merged_.assign(rest.substr(0, record.size()));
      const View copy = view(merged_);
      key_ = copy.key;
      value_ = copy.value;
      found = true;
    }
    const std::size_t index = heap_.front();
    std::ranges::pop_heap(heap_, order);
    auto more = advance(run);
    if (!more) return fail(more);
    if (*more) {
      heap_.back() = index;
      std::ranges::push_heap(heap_, order);
    } else {
      heap_.pop_back();
    }
  }
  return found;
}

}  // namespace ml
