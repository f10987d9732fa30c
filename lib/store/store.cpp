#include "store/store.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "base/directory.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "store/inside.hpp"

namespace ml {
namespace {

constexpr std::uint64_t schema = 1;

// A new store gets its schema; one that a later program made is not touched.
Result<> check_schema(Environment& env, const std::string& directory, Access access) {
  std::optional<std::uint64_t> found;
  {
    auto snapshot = env.read();
    if (!snapshot) return fail(snapshot);
    auto value = snapshot->get(table::meta, "schema");
    if (!value) return fail(value);
    if (*value) found = big(**value);
  }
  if (found && *found <= schema) return {};
  if (found) {
    return retry("the store {} is of schema {}, which this version ({}) does not know: upgrade",
                 directory, *found, schema);
  }
  if (access != Access::make) {
    return retry("there is no store in {} yet (ml-list create makes it)", directory);
  }
  return env.write([](StoreTransaction& change) -> Result<> {
    std::string version;
    append_big<4>(version, schema);
    return change.put(table::meta, "schema", version);
  });
}

// Makes `directory` if it is missing; a copy must not mix with what is there.
Result<> make_empty_directory(const std::string& directory) {
  if (mkdir(directory.c_str(), 0700) == 0) {
    const auto slash = directory.find_last_not_of('/') == std::string::npos
                           ? std::string::npos
                           : directory.rfind('/', directory.find_last_not_of('/'));
    return sync_directory(slash == std::string::npos ? "." : directory.substr(0, slash + 1));
  }
  if (errno != EEXIST) return system_failure("cannot make the directory " + directory, errno);
  const auto names = names_in(directory);
  if (!names) return fail(names);
  if (!names->empty()) return retry("{} is not empty: copy elsewhere", directory);
  return {};
}

Failure no_list(std::string_view name) {
  return retry("{}: no such list (make it with: ml-list create {})", printable(name),
               printable(name));
}

struct Found {
  std::string handle;
  bool is_new = false;  // nobody's so far
};

// The first handle that is the address's own, or free.
Result<Found> find_handle(const Snapshot& in, const std::string& address,
                          const Store::HandleOf& handle_of) {
  for (unsigned attempt = 0;; ++attempt) {
    std::string handle = handle_of(address, attempt);
    const auto owner = in.get(table::handles, handle);
    if (!owner) return fail(owner);
    if (!*owner) return Found{std::move(handle), true};
    if (**owner == address) return Found{std::move(handle), false};
  }
}

}  // namespace

std::string list_prefix(ListNumber list) {
  std::string prefix;
  append_big<prefix_octets>(prefix, static_cast<std::uint32_t>(list));
  return prefix;
}

std::string subscriber_key(ListNumber list, const Address& address) {
  std::string key = list_prefix(list);
  append_key(key, address.local, address.domain);
  return key;
}

std::string mark_prefix(ListNumber list, std::string_view address_key) {
  return list_prefix(list).append(address_key).append(1, '\0');
}

Result<Counts> get_counts(const Snapshot& snapshot, ListNumber list) {
  auto value = snapshot.get(table::counts, list_prefix(list));
  if (!value) return fail(value);
  if (!*value) return retry("the list was removed while it was in use");
  if ((*value)->size() != 16) return damaged("the counts", list_prefix(list));
  return Counts{big((*value)->substr(0, 8)), big((*value)->substr(8))};
}

Result<> put_counts(StoreTransaction& change, ListNumber list, const Counts& counts) {
  std::string value;
  append_big<8>(value, counts.due);
  append_big<8>(value, counts.all);
  return change.put(table::counts, list_prefix(list), value);
}

void count_in(Counts& counts, State state) {
  if (is_due(state)) ++counts.due;
  if (state != State::removed) ++counts.all;
}

void count_out(Counts& counts, State state) {
  if (is_due(state)) --counts.due;
  if (state != State::removed) --counts.all;
}

Failure damaged(std::string_view what, std::string_view key) {
  return retry("the store is damaged: {} of '{}' (ml-store check tells all, a copy mends it)", what,
               printable(key, 320));
}

Result<> erase_all(StoreTransaction& change, Table table, std::string_view prefix) {
  auto cursor = change.cursor(table);
  if (!cursor) return fail(cursor);
  auto more = cursor->seek(prefix);
  for (; more && *more && cursor->key().starts_with(prefix); more = cursor->next()) {
    if (auto erased = cursor->erase(); !erased) return erased;
  }
  return more ? Result<>() : fail(more);
}

Store::Store(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

std::optional<Suppression> value_to_suppression(std::string_view value) {
  if (value.size() < 2) return std::nullopt;
  return Suppression{static_cast<std::uint16_t>(big(value.substr(0, 2))),
                     std::string(value.substr(2))};
}

Result<Store> Store::open(const Home& home, Access access, const DbLimits& limits) {
  const std::string directory = home.path("store");
  if (access == Access::make) {
    if (auto made = home.make_directory("store"); !made) return fail(made);
  }
  auto env = Environment::open(directory, access, table_names, limits);
  if (!env) return fail(env);
  if (auto known = check_schema(*env, directory, access); !known) return fail(known);
  return Store(std::make_unique<Inside>(Inside{std::move(*env), directory}));
}

const std::string& Store::directory() const {
  return inside_->directory;
}

Result<ListNumber> Store::make_list(std::string_view name) {
  std::uint64_t number = 1;
  auto made = inside_->env.write([&](StoreTransaction& change) -> Result<> {
    auto there = change.get(table::lists, name);
    if (!there) return fail(there);
    if (*there) return retry("{}: this list is there already", printable(name));
    auto next = change.get(table::meta, "next-list");
    if (!next) return fail(next);
    number = *next ? big(**next) : 1;
    std::string following;
    append_big<4>(following, number + 1);
    if (auto put = change.put(table::meta, "next-list", following); !put) return put;
    const auto list = static_cast<ListNumber>(number);
    if (auto put = change.put(table::lists, name, list_prefix(list)); !put) return put;
    return put_counts(change, list, {});
  });
  if (!made) return fail(made);
  return static_cast<ListNumber>(number);
}

Result<> Store::remove_list(std::string_view name) {
  return inside_->env.write([&](StoreTransaction& change) -> Result<> {
    auto found = change.get(table::lists, name);
    if (!found) return fail(found);
    if (!*found) return no_list(name);
    const std::string prefix(**found);
    for (const Table each : {table::subscribers, table::marks, table::counts}) {
      if (auto erased = erase_all(change, each, prefix); !erased) return erased;
    }
    auto erased = change.erase(table::lists, name);
    return erased ? Result<>() : fail(erased);
  });
}

Result<ListNumber> Store::list(std::string_view name) const {
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  auto found = snapshot->get(table::lists, name);
  if (!found) return fail(found);
  if (!*found) return no_list(name);
  return static_cast<ListNumber>(big(**found));
}

Result<bool> Store::has_list(std::string_view name) const {
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  auto found = snapshot->get(table::lists, name);
  if (!found) return fail(found);
  return found->has_value();
}

Result<std::vector<std::string>> Store::lists() const {
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  auto cursor = snapshot->cursor(table::lists);
  if (!cursor) return fail(cursor);
  std::vector<std::string> names;
  auto more = cursor->first();
  for (; more && *more; more = cursor->next()) names.emplace_back(cursor->key());
  if (!more) return fail(more);
  return names;
}

Result<> Store::suppress(const Address& address, std::string_view reason) {
  std::string value;
  append_big<2>(value, today());
  value += reason;
  return inside_->env.write([&](StoreTransaction& change) {
    return change.put(table::suppressed, address_key(address), value);
  });
}

Result<bool> Store::unsuppress(const Address& address) {
  bool was = false;
  auto done = inside_->env.write([&](StoreTransaction& change) -> Result<> {
    auto erased = change.erase(table::suppressed, address_key(address));
    if (!erased) return fail(erased);
    was = *erased;
    return {};
  });
  if (!done) return fail(done);
  return was;
}

Result<std::optional<Suppression>> Store::suppressed(const Address& address) const {
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  const std::string key = address_key(address);
  auto value = snapshot->get(table::suppressed, key);
  if (!value) return fail(value);
  if (!*value) return std::nullopt;
  auto suppression = value_to_suppression(**value);
  if (!suppression) return damaged("the suppression", key);
  return suppression;
}

Result<std::optional<std::string>> Store::handle_address(std::string_view handle) const {
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  auto value = snapshot->get(table::handles, handle);
  if (!value) return fail(value);
  if (!*value) return std::nullopt;
  return std::string(**value);
}

Result<std::vector<std::string>> Store::known_handles(const std::vector<std::string>& addresses,
                                                      const HandleOf& handle_of) const {
  std::vector<std::string> known;
  known.reserve(addresses.size());
  const auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  for (const std::string& address : addresses) {
    auto found = find_handle(*snapshot, address, handle_of);
    if (!found) return fail(found);
    if (found->is_new) break;
    known.push_back(std::move(found->handle));
  }
  return known;
}

Result<std::vector<std::string>> Store::give_handles(const std::vector<std::string>& addresses,
                                                     const HandleOf& handle_of) {
  // Who was given one earlier need not wait for the writers' lock.
  auto given = known_handles(addresses, handle_of);
  if (!given || given->size() == addresses.size()) return given;
  auto done = inside_->env.write([&](StoreTransaction& change) -> Result<> {
    given->clear();
    for (const std::string& address : addresses) {
      auto found = find_handle(change, address, handle_of);
      if (!found) return fail(found);
      if (found->is_new) {
        if (auto put = change.put(table::handles, found->handle, address); !put) return put;
      }
      given->push_back(std::move(found->handle));
    }
    return {};
  });
  if (!done) return fail(done);
  return given;
}

Result<> Store::copy(const std::string& directory) const {
  if (auto made = make_empty_directory(directory); !made) return made;
  return inside_->env.copy(directory);
}

}  // namespace ml
