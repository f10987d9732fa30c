#include "stage/bounce_home.hpp"

#include <utility>

#include "list/settings.hpp"

namespace ml {

std::uint16_t BounceHome::day() const {
  return static_cast<std::uint16_t>(
      std::chrono::floor<std::chrono::days>(now).time_since_epoch().count());
}

std::uint32_t BounceHome::minute() const {
  return static_cast<std::uint32_t>(
      std::chrono::floor<std::chrono::minutes>(now).time_since_epoch().count());
}

Result<BounceHome> open_bounce_home(const std::optional<std::string>& home,
                                    const std::optional<std::string>& list,
                                    std::chrono::system_clock::time_point now) {
  auto opened = open_home(home, Create::no);
  if (!opened) return fail(opened);
  std::optional<ListName> named;
  if (list) {
    auto name = find_list_name(*opened, *list);
    if (!name) return fail(name);
    named = std::move(*name);
  }
  auto keys = load_keys(*opened);
  if (!keys) return fail(keys);
  auto store = Store::open(*opened, Access::write);
  if (!store) return fail(store);
  if (named) {
    if (const auto number = store->list(named->text()); !number) return fail(number);
  }
  return BounceHome{std::move(*opened), std::move(named), std::move(*keys), std::move(*store), now};
}

}  // namespace ml
