#include "stage/route.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "list/settings.hpp"
#include "mail/address.hpp"
#include "mail/verp.hpp"

namespace ml {
namespace {

constexpr std::size_t list_handle_size = 6;

// The posting address behind the handle that a bounce address of a long name begins with.
Result<std::optional<std::string>> list_of_handle(const Store& store, std::string_view extension,
                                                  const std::string& domain) {
  const std::string handle = lower(extension).substr(0, list_handle_size);
  auto named = store.handle_address(list_handle_row(handle));
  if (named && *named && !(*named)->ends_with('@' + domain)) named->reset();
  return named;
}

Result<std::optional<Route>> reading_to_route(const Store& store, LocalPart reading,
                                              const std::string& domain) {
  std::string list = reading.list + '@' + domain;
  if (reading.list.empty()) {
    auto named = list_of_handle(store, reading.extension, domain);
    if (!named) return fail(named);
    list = named->value_or("");
  }
  const auto there = list.empty() ? false : store.has_list(list);
  if (!there) return fail(there);
  if (!*there) return std::nullopt;
  auto name = text_to_list_name(list);
  if (!name) return fail(name);
  return Route{std::move(*name), reading.role, std::move(reading.extension)};
}

}  // namespace

Result<std::optional<Route>> text_to_route(const Store& store, std::string_view address,
                                           char delimiter) {
  const auto at = address.rfind('@');
  if (at == std::string_view::npos || !is_utf8(address) ||
      std::ranges::any_of(address, is_control)) {
    return std::nullopt;
  }
  const auto domain = text_to_domain(address.substr(at + 1));
  if (!domain) return std::nullopt;
  for (LocalPart& reading : local_part_readings(address.substr(0, at), delimiter)) {
    auto route = reading_to_route(store, std::move(reading), *domain);
    if (!route || *route) return route;
  }
  // By its shape a bounce address, perhaps in the wrapper of a server on the way (prvs=).
  const auto verp = text_to_verp(address);
  if (!verp) return std::nullopt;
  if (verp->list_local.empty()) return Route{std::nullopt, Role::bounces, {}};
  return reading_to_route(store, {verp->list_local, Role::bounces, {}}, verp->domain);
}

Result<bool> is_stray(const Store& store, std::string_view address, char delimiter) {
  const auto parsed = text_to_address(address);
  if (!parsed) return false;
  const auto lists = store.lists();
  if (!lists) return fail(lists);
  const std::string behind = '@' + parsed->domain;
  if (std::ranges::none_of(*lists, [&](const auto& list) { return list.ends_with(behind); })) {
    return false;
  }
  const auto route = text_to_route(store, address, delimiter);
  if (!route) return fail(route);
  return !*route;
}

Result<std::vector<std::string>> owners_of(const Store& store, const Settings& settings,
                                           const ListName& list, char delimiter) {
  std::vector<std::string> owners;
  for (const std::string& owner :
       settings.many("owner").value_or(std::vector{"postmaster@" + list.domain})) {
    const auto address = text_to_address(owner);
    if (!address) return fail(address);
    std::string text = address_to_text(*address);
    const auto there = text_to_route(store, text, delimiter);
    if (!there) return fail(there);
    if (!*there || (*there)->list != list) owners.push_back(std::move(text));
  }
  if (!owners.empty()) return owners;
  return retry("nobody else owns {}: set owner in {}", list.text(), settings_path(list));
}

Result<char> delimiter_of(const Home& home) {
  const auto site = load_settings(home, nullptr);
  if (!site) return fail(site);
  return delimiter_of(*site);
}

Result<char> delimiter_of(const Settings& site) {
  const std::string delimiter = site.text("delimiter").value_or("+");
  if (delimiter == "+" || delimiter == "-") return delimiter.front();
  return retry("lists.toml: delimiter must be \"+\" or \"-\", not \"{}\"",
               printable(delimiter, 40));
}

}  // namespace ml
