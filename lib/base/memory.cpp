#include "base/memory.hpp"

#include "base/diag.hpp"

namespace ml {

void resize(Memory& memory, std::size_t size) {
  auto* const octets = static_cast<char*>(std::realloc(memory.get(), size));
  if (octets == nullptr) leave_without_memory();
  static_cast<void>(memory.release());
  memory.reset(octets);
}

Memory aligned_memory(std::size_t alignment, std::size_t size) {
  Memory memory(static_cast<char*>(std::aligned_alloc(alignment, size)));
  if (!memory) leave_without_memory();
  return memory;
}

}  // namespace ml
