#include "queue/slots.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace ml {
namespace {

constexpr std::uint32_t state_mask = 0xff;

std::uint32_t check_of(const AddressHash& hash) {
  const std::uint64_t mixed = (hash[0] ^ (hash[1] << 1 | hash[1] >> 63)) * 0x9e3779b97f4a7c15U;
  return static_cast<std::uint32_t>(mixed >> 40) << 8;
}

}  // namespace

char Slot::state() const {
  if ((state_and_check & ~state_mask) != check_of(hash)) return 0;
  return static_cast<char>(state_and_check & state_mask);
}

void Slot::store(const AddressHash& address, std::uint32_t at, char state) {
  hash = address;
  change(at, state);
}

void Slot::change(std::uint32_t at, char state) {
  seconds = at;
  const std::uint32_t word = check_of(hash) | static_cast<unsigned char>(state);
  std::atomic_ref(state_and_check).store(word, std::memory_order_release);
}

Result<Segment> Segment::open(const std::string& path) {
  auto fd = open_file(path, O_RDWR | O_CREAT);
  if (!fd) return fail(fd);
  if (const int code = posix_fallocate(fd->get(), 0, segment_size); code != 0) {
    return system_failure("cannot allocate 4 MiB for " + path, code);
  }
  void* memory = mmap(nullptr, segment_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0);
  if (memory == MAP_FAILED) return system_failure("cannot map " + path, errno);
  return Segment(std::move(*fd), static_cast<Slot*>(memory));
}

Segment::Segment(Segment&& other) noexcept
    : fd_(std::move(other.fd_)), slots_(std::exchange(other.slots_, nullptr)) {}

Segment& Segment::operator=(Segment&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(slots_, other.slots_);
  return *this;
}

Segment::~Segment() {
  if (slots_) munmap(slots_, segment_size);
}

// fdatasync writes back what is dirty through the mapping too.
int Segment::sync() {
  return fdatasync(fd_.get()) == 0 ? 0 : errno;
}

}  // namespace ml
