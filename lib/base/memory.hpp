// Blocks of memory that may have many MiB, as malloc(3) gives them: the kernel backs what of them
// is used, and moves them where they grow instead of copying them.
//
//   Memory block;
//   resize(block, size);     // what it held stays
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace ml {

struct FreeMemory {
  void operator()(char* octets) const { std::free(octets); }
};
using Memory = std::unique_ptr<char[], FreeMemory>;

// Where there is no memory the process ends, as over `new` (base/diag.hpp).
void resize(Memory& memory, std::size_t size);
// New octets, at a multiple of `alignment`, a power of two that divides `size`.
[[nodiscard]] Memory aligned_memory(std::size_t alignment, std::size_t size);

}  // namespace ml
