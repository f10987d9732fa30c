#include "queue/recall.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/directory.hpp"

namespace ml {
namespace {

// Below Postfix's limit on the files of an alias pipe, as the segments are.
constexpr std::uint64_t index_file_entries = (std::uint64_t{24} << 20) / 24;

std::size_t bucket_of(const AddressHash& hash) {
  return hash[0] >> 52;
}

}  // namespace

Result<Recall> Recall::open(std::string directory, std::uint32_t segments, std::size_t window) {
  Recall recall;
  recall.directory_ = std::move(directory);
  recall.segments_ = segments;
  recall.window_size_ = window;
  for (std::uint32_t segment = 0; segment < segments; ++segment) {
    if (auto loaded = recall.load_segment(segment); !loaded) return fail(loaded);
    for (std::size_t i = 0; i < recall.segment_.size(); ++i) {
      if (recall.segment_[i].state() == 0) continue;
      ++recall.recorded_;
      recall.used_ = static_cast<SlotNumber>(segment * slots_a_segment + i + 1);
    }
  }
  recall.unmet_ = recall.recorded_;
  recall.found_.resize(recall.used_);
  return recall;
}

Result<> Recall::load_segment(std::uint32_t segment) {
  if (loaded_ == segment) return {};
  segment_.resize(slots_a_segment);
  auto read = read_slots(segment_path(directory_, segment), segment_);
  if (!read) return fail(read);
  segment_.resize(*read);
  loaded_ = segment;
  return {};
}

Result<> Recall::fill_window() {
  while (window_.size() < window_size_ && next_ < used_) {
    if (auto loaded = load_segment(static_cast<std::uint32_t>(next_ / slots_a_segment)); !loaded)
      return fail(loaded);
    const std::size_t index = next_ % slots_a_segment;
    if (index < segment_.size()) {
      const Slot& slot = segment_[index];
      if (slot.state() != 0) {
        window_.emplace(slot.hash, Found{next_, slot.state()});
      }
    }
    ++next_;
  }
  return {};
}

Result<std::optional<Recall::Found>> Recall::find(const AddressHash& hash) {
  if (all_met()) return std::nullopt;
  if (index_) return look_up(hash);
  if (window_.size() <= window_size_ / 2) {
    if (auto filled = fill_window(); !filled) return fail(filled);
  }
  if (const auto met = window_.find(hash); met != window_.end()) {
    const Found found = met->second;
    window_.erase(met);
    note_found(found.number);
    return found;
  }
  if (next_ == used_) return std::nullopt;  // the window holds all that is left
  if (auto made = make_index(); !made) return fail(made);
  return look_up(hash);
}

Result<> Recall::make_index() {
  Index index;
  std::vector<std::uint64_t> counts(buckets + 1);
  for (std::uint32_t segment = 0; segment < segments_; ++segment) {
    if (auto loaded = load_segment(segment); !loaded) return fail(loaded);
    for (const Slot& slot : segment_) {
      if (slot.state() != 0) ++counts[bucket_of(slot.hash) + 1];
    }
  }
  for (std::size_t i = 1; i <= buckets; ++i) counts[i] += counts[i - 1];
  index.begins = std::move(counts);
  for (std::uint64_t at = 0; at < index.begins.back(); at += index_file_entries) {
    auto file = make_unnamed_file(directory_);
    if (!file) return fail(file);
    index.files.push_back(std::move(*file));
  }
  window_.clear();
  index_ = std::move(index);
  if (auto scattered = scatter(); !scattered) return fail(scattered);
  for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
    if (auto sorted = sort_bucket(bucket); !sorted) return fail(sorted);
  }
  segment_ = {};
  loaded_ = UINT32_MAX;
  return {};
}

// Every slot to its bucket, through a small buffer a bucket.
Result<> Recall::scatter() {
  constexpr std::size_t held = 32;
  std::vector<Entry> pending(buckets * held);
  std::vector<std::uint8_t> counts(buckets);
  std::vector<std::uint64_t> ends(index_->begins.begin(), index_->begins.end() - 1);
  const auto flush = [&](std::size_t bucket) -> Result<> {
    const std::span<Entry> entries(&pending[bucket * held], counts[bucket]);
    auto stored = transfer_entries(Way::write, ends[bucket], entries);
    ends[bucket] += counts[bucket];
    counts[bucket] = 0;
    return stored;
  };
  for (std::uint32_t segment = 0; segment < segments_; ++segment) {
    if (auto loaded = load_segment(segment); !loaded) return fail(loaded);
    for (std::size_t i = 0; i < segment_.size(); ++i) {
      const Slot& slot = segment_[i];
      if (slot.state() == 0) continue;
      const std::size_t bucket = bucket_of(slot.hash);
      const auto number = static_cast<SlotNumber>(segment * slots_a_segment + i);
      pending[bucket * held + counts[bucket]++] = {slot.hash, number,
                                                   static_cast<unsigned char>(slot.state())};
      if (counts[bucket] < held) continue;
      if (auto flushed = flush(bucket); !flushed) return fail(flushed);
    }
  }
  for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
    if (auto flushed = flush(bucket); !flushed) return fail(flushed);
  }
  return {};
}

Result<> Recall::sort_bucket(std::size_t bucket) {
  const std::uint64_t begin = index_->begins[bucket];
  std::vector<Entry> entries(index_->begins[bucket + 1] - begin);
  if (auto read = transfer_entries(Way::read, begin, entries); !read) return fail(read);
  std::ranges::sort(entries, {}, &Entry::hash);
  return transfer_entries(Way::write, begin, entries);
}

// A run of entries, which may cross from one file into the next.
Result<> Recall::transfer_entries(Way way, std::uint64_t at, std::span<Entry> entries) {
  while (!entries.empty()) {
    const std::uint64_t inside = at % index_file_entries;
    const std::size_t count = std::min<std::uint64_t>(entries.size(), index_file_entries - inside);
    const int fd = index_->files[at / index_file_entries].get();
    auto* octets = reinterpret_cast<char*>(entries.data());
    for (std::size_t done = 0; done < count * sizeof(Entry);) {
      const auto offset = static_cast<off_t>(inside * sizeof(Entry) + done);
      const std::size_t left = count * sizeof(Entry) - done;
      const ssize_t moved = way == Way::write ? pwrite(fd, octets + done, left, offset)
                                              : pread(fd, octets + done, left, offset);
      if (moved > 0) {
        done += static_cast<std::size_t>(moved);
      } else if (moved == 0 || errno != EINTR) {
        return system_failure("cannot use the index of the journal in " + directory_,
                              moved == 0 ? EIO : errno);
      }
    }
    entries = entries.subspan(count);
    at += count;
  }
  return {};
}

// Where in its bucket the first entry of this hash is, or would be. Hashes are even: the first
// guess is the share of the bucket that lies below this one.
Result<std::uint64_t> Recall::place_of(const AddressHash& hash, Block& block) {
  std::uint64_t low = index_->begins[bucket_of(hash)];
  std::uint64_t high = index_->begins[bucket_of(hash) + 1];
  const double share = static_cast<double>(hash[0] << 12 >> 12) / static_cast<double>(1ULL << 52);
  auto guess = low + static_cast<std::uint64_t>(share * static_cast<double>(high - low));
  while (low < high) {
    const std::uint64_t begin =
        std::max(low, guess < block_entries / 2 ? 0 : guess - block_entries / 2);
    if (auto read = read_block(block, begin, high); !read) return fail(read);
    const auto entries = block.entries();
    if (entries.back().hash < hash) {
      low = begin + entries.size();
    } else if (begin > low && entries.front().hash >= hash) {
      high = begin;
    } else {
      const auto met = std::ranges::lower_bound(entries, hash, {}, &Entry::hash);
      return begin + static_cast<std::uint64_t>(met - entries.begin());
    }
    guess = low + (high - low) / 2;
  }
  return low;
}

// The first of this hash that was not found before.
Result<std::optional<Recall::Found>> Recall::look_up(const AddressHash& hash) {
  Block block;
  auto place = place_of(hash, block);
  if (!place) return fail(place);
  const std::uint64_t end = index_->begins[bucket_of(hash) + 1];
  for (std::uint64_t at = *place; at < end; ++at) {
    if (at < block.begin || at - block.begin >= block.count) {
      if (auto read = read_block(block, at, end); !read) return fail(read);
    }
    const Entry& entry = block.room[at - block.begin];
    if (entry.hash != hash) return std::nullopt;
    if (found_[entry.number]) continue;
    note_found(entry.number);
    return Found{entry.number, static_cast<char>(entry.state)};
  }
  return std::nullopt;
}

Result<> Recall::read_block(Block& block, std::uint64_t begin, std::uint64_t end) {
  block.begin = begin;
  block.count = std::min<std::uint64_t>(block.room.size(), end - begin);
  return transfer_entries(Way::read, begin, {block.room.data(), block.count});
}

void Recall::note_found(SlotNumber number) {
  found_[number] = true;
  --unmet_;
}

}  // namespace ml
