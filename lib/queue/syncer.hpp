// Many files synced side by side. Each fsync waits for the disk; those that wait together share its
// commit and its flush, and none waits for what other programs have written, as in syncfs.
//
//   Syncer syncer;                                  // its threads begin with the first sync()
//   if (auto synced = syncer.sync(fds, [&](std::size_t i) { return names[i]; }); !synced) ...
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/result.hpp"

namespace ml {

class Syncer {
 public:
  static constexpr unsigned most_at_once = 16;

  Syncer();
  Syncer(Syncer&&) noexcept;
  Syncer& operator=(Syncer&&) noexcept;
  ~Syncer();

  // fsync of each, returned from when all are done; 75 for the first of them that failed, by its
  // `name_of`. As with sync() (base/fd.hpp) none of them may be synced again after a failure.
  [[nodiscard]] Result<> sync(std::span<const int> fds,
                              const std::function<std::string(std::size_t)>& name_of);

 private:
  class Crew;
  std::unique_ptr<Crew> crew_;
};

}  // namespace ml
