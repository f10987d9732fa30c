#include "queue/slots.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "base/directory.hpp"

namespace ml {
namespace {

constexpr std::uint32_t state_mask = 0xff;
constexpr std::size_t first_size = 4096;

std::uint32_t check_of(const AddressHash& hash) {
  const std::uint64_t mixed = (hash[0] ^ (hash[1] << 1 | hash[1] >> 63)) * 0x9e3779b97f4a7c15U;
  return static_cast<std::uint32_t>(mixed >> 40) << 8;
}

}  // namespace

std::string segment_path(const std::string& directory, std::uint32_t segment) {
  return fmt::format("{}/slots.{:04}", directory, segment);
}

std::uint32_t count_segments(const std::string& directory) {
  std::uint32_t count = 0;
  while (exists(segment_path(directory, count))) ++count;
  return count;
}

char Slot::state() const {
  if ((state_and_check & ~state_mask) != check_of(hash)) return 0;
  return static_cast<char>(state_and_check & state_mask);
}

void Slot::change(std::uint32_t at, char state) {
  seconds = at;
  const std::uint32_t word = check_of(hash) | static_cast<unsigned char>(state);
  std::atomic_ref(state_and_check).store(word, std::memory_order_release);
}

Result<Segment> Segment::open(const std::string& path) {
  auto fd = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW);
  if (!fd) return fail(fd);
  struct stat about{};
  if (fstat(fd->get(), &about) != 0) return system_failure("cannot look at " + path, errno);
  void* memory = mmap(nullptr, segment_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0);
  if (memory == MAP_FAILED) return system_failure("cannot map " + path, errno);
  Segment segment(std::move(*fd), static_cast<Slot*>(memory), path);
  segment.room_ = std::min(static_cast<std::size_t>(about.st_size) / sizeof(Slot), slots_a_segment);
  return segment;
}

Result<> Segment::make_room(std::size_t count) {
  if (count <= room_) return {};
  std::size_t size = first_size;
  while (size < count * sizeof(Slot)) size *= 4;
  size = std::min(size, segment_size);
  if (const int code = posix_fallocate(fd_.get(), 0, static_cast<off_t>(size)); code != 0) {
    return system_failure(fmt::format("cannot allocate {} octets for {}", size, path_), code);
  }
  room_ = std::min(size / sizeof(Slot), slots_a_segment);
  return {};
}

Segment::Segment(Segment&& other) noexcept
    : fd_(std::move(other.fd_)),
      slots_(std::exchange(other.slots_, nullptr)),
      room_(other.room_),
      path_(std::move(other.path_)) {}

Segment& Segment::operator=(Segment&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(slots_, other.slots_);
  std::swap(room_, other.room_);
  std::swap(path_, other.path_);
  return *this;
}

Segment::~Segment() {
  if (slots_) munmap(slots_, segment_size);
}

// Of a shared mapping nothing is lost by it: what was stored is in the page cache.
void Segment::unmap_pages() {
  madvise(slots_, segment_size, MADV_DONTNEED);
}

Result<std::size_t> read_slots(const std::string& path, std::span<Slot> slots) {
  auto file = open_file(path, O_RDONLY);
  if (!file) return fail(file);
  const std::span<char> room(reinterpret_cast<char*>(slots.data()), slots.size_bytes());
  std::size_t filled = 0;
  while (filled < room.size()) {
    auto got = read_some(file->get(), room.subspan(filled), path);
    if (!got) return fail(got);
    if (*got == 0) break;
    filled += *got;
  }
  return filled / sizeof(Slot);
}

}  // namespace ml
