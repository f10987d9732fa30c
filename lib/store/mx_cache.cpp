#include "store/mx_cache.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "store/octets.hpp"

namespace ml {
namespace {

constexpr Table hosts{0};
constexpr std::size_t first_map = std::size_t{256} << 20;
constexpr std::size_t time_octets = 8;
constexpr std::int64_t week = std::int64_t{7} * 86'400;

// Nothing where it is too old, or is no value at all.
std::optional<MxCache::Known> value_to_known(std::string_view value, std::int64_t now) {
  if (value.size() < time_octets) return std::nullopt;
  const auto until = static_cast<std::int64_t>(big(value.substr(0, time_octets)));
  if (until < now - week || until > now + MxCache::longest) return std::nullopt;
  return MxCache::Known{std::string(value.substr(time_octets)), until};
}

std::string known_to_value(const MxCache::Known& known) {
  std::string value;
  append_big<time_octets>(value, static_cast<std::uint64_t>(known.until));
  return value += known.host;
}

Result<> drop_old(StoreTransaction& change, std::int64_t now) {
  auto at = change.cursor(hosts);
  if (!at) return fail(at);
  auto more = at->first();
  for (; more && *more; more = at->next()) {
    if (value_to_known(at->value(), now)) continue;
    if (auto erased = at->erase(); !erased) return fail(erased);
  }
  if (!more) return fail(more);
  return {};
}

}  // namespace

Result<MxCache> MxCache::open(const Home& home) {
  if (auto made = home.make_directory("mail-hosts"); !made) return fail(made);
  auto env =
      Environment::open(home.path("mail-hosts"), Access::make, {"hosts"}, {.map_size = first_map});
  if (!env) return fail(env);
  return MxCache(std::move(*env));
}

Result<> MxCache::find(std::span<const std::string> domains, std::int64_t now,
                       const Take& take) const {
  const auto snapshot = env_.read();
  if (!snapshot) return fail(snapshot);
  for (std::size_t i = 0; i < domains.size(); ++i) {
    const auto value = snapshot->get(hosts, domains[i]);
    if (!value) return fail(value);
    if (!*value) continue;
    if (const auto known = value_to_known(**value, now)) take(i, *known);
  }
  return {};
}

Result<> MxCache::keep(News news, std::int64_t now) {
  std::ranges::sort(news, {}, &News::value_type::first);
  return env_.write([&](StoreTransaction& change) -> Result<> {
    if (auto dropped = drop_old(change, now); !dropped) return fail(dropped);
    for (const auto& [domain, known] : news) {
      auto put = change.put(hosts, domain, known_to_value(known));
      if (!put) return fail(put);
    }
    return {};
  });
}

}  // namespace ml
