// Who takes the mail of domains, as DNS said: kept below the home from one run to the next.
//
// An LMDB environment of its own, `mail-hosts` beside the store: nobody waits here for an import
// there, the store's copies stay free of it, and it may be removed at any time. Keys are domains in
// lower case; a value is the second since 1970 until which it holds (8 octets) and the host, empty
// where nobody takes the domain's mail. One that holds no more stays for a week, for when DNS does
// not answer. Every failure is 75; to go on without it harms nobody.
//
//   auto cache = MxCache::open(home);
//   auto found = cache->find(domains, now, [&](std::size_t at, const auto& known) { ... });
//   auto kept = cache->keep({{"example.org", {"mx1.example.org", now + 3600}}}, now);
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/home.hpp"
#include "base/result.hpp"
#include "store/db.hpp"

namespace ml {

class MxCache {
 public:
  struct Known {
    std::string host{};
    std::int64_t until = 0;

    bool operator==(const Known&) const = default;
  };
  using News = std::vector<std::pair<std::string, Known>>;

  // Makes it where there is none.
  [[nodiscard]] static Result<MxCache> open(const Home& home);

  // Calls `take` for each of `domains` that is known, with its place among them. `until` is at most
  // `longest` away, else the clock was wrong when it was written, and nothing is known.
  using Take = std::function<void(std::size_t, const Known&)>;
  [[nodiscard]] Result<> find(std::span<const std::string> domains, std::int64_t now,
                              const Take& take) const;
  // Durable; drops what has not held for a week.
  [[nodiscard]] Result<> keep(News news, std::int64_t now);

  static constexpr std::int64_t longest = 86'400;

 private:
  explicit MxCache(Environment env) : env_(std::move(env)) {}

  Environment env_;
};

}  // namespace ml
