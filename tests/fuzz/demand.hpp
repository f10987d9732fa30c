// What a fuzz target says that must hold.
#pragma once

#include <cstdlib>

inline void demand(bool holds) {
  if (!holds) std::abort();
}
