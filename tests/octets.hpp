// A descriptor from which given octets are read, for tests and fuzz targets of readers.
//
//   const Fd input = octets_to_fd("end\t0\n");
//   Reader reader(input.get());
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "base/fd.hpp"

// Stands at the first octet. Lives in memory; can seek. Aborts where memory is short.
inline ml::Fd octets_to_fd(std::string_view octets) {
  ml::Fd fd(memfd_create("octets", MFD_CLOEXEC));
  if (!ml::write_all(fd, octets, "memory") || lseek(fd.get(), 0, SEEK_SET) != 0) std::abort();
  return fd;
}

// All that a descriptor holds, from its first octet.
inline std::string fd_to_octets(const ml::Fd& fd) {
  if (lseek(fd.get(), 0, SEEK_SET) != 0) std::abort();
  auto octets = ml::read_all(fd.get(), std::size_t{1} << 30, "memory");
  if (!octets) std::abort();
  return *octets;
}
