#include "list/columns.hpp"

#include <algorithm>
#include <array>

#include "base/attributes.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t shown = 80;  // of a foreign text in an error

std::string quoted(std::string_view text) {
  return '\'' + printable(text, shown) + '\'';
}

Result<> check_column(const std::string& file, std::string_view cell, const std::string& key) {
  if (key.empty()) return {};
  if (is_reserved_key(key)) {
    return retry("{}: the column {} has a name that is reserved (go on with: --rename {}=crm_{})",
                 file, quoted(cell), key, key);
  }
  if (!is_key(key)) {
    return retry("{}: the column {} cannot name an attribute (go on with: --rename '{}=NAME')",
                 file, quoted(cell), printable(trim(cell), shown));
  }
  return {};
}

Result<> rename(const std::string& file, std::vector<std::string>& keys, std::string_view option) {
  const auto equals = option.rfind('=');
  const auto to = option.substr(equals == std::string_view::npos ? option.size() : equals + 1);
  if (equals == std::string_view::npos || !is_key(to)) {
    return retry("--rename takes COLUMN=NAME, the name in a-z 0-9 _ . -, not {}", quoted(option));
  }
  const auto found = std::ranges::find(keys, column_to_key(option.substr(0, equals)));
  if (found == keys.end()) {
    return retry("{}: --rename {}: there is no such column", file, quoted(option));
  }
  *found = to;
  return {};
}

Result<std::size_t> find_address(const std::string& file, const std::vector<std::string>& keys,
                                 const std::vector<std::string>& as_named,
                                 const std::optional<std::string>& column) {
  if (!column) {
    const auto found = std::ranges::find_if(keys, is_address_key);
    return found == keys.end() ? 0 : static_cast<std::size_t>(found - keys.begin());
  }
  for (const auto* const names : {&keys, &as_named}) {
    const auto found = std::ranges::find(*names, column_to_key(*column));
    if (found != names->end()) return static_cast<std::size_t>(found - names->begin());
  }
  return retry("{}: there is no column {}", file, quoted(*column));
}

std::vector<std::string> keys_of_address(const std::vector<std::string>& columns,
                                         std::size_t address) {
  std::vector<std::string> keys;
  const std::string& own = columns[address];
  if (is_key(own) && !is_reserved_key(own)) keys.push_back(own);
  if (std::ranges::find(columns, "email") == columns.end()) keys.emplace_back("email");
  return keys;
}

}  // namespace

std::string column_to_key(std::string_view name) {
  std::string key = lower(trim(name));
  std::ranges::replace_if(key, is_space, '_');
  return key;
}

bool is_address_key(std::string_view key) {
  constexpr std::array<std::string_view, 4> keys{"email", "e-mail", "address", "mail"};
  return std::ranges::find(keys, key) != keys.end();
}

Result<ColumnKeys> fields_to_columns(const std::string& file, const CsvFields& fields,
                                     const RowOptions& options) {
  ColumnKeys columns;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].find('@') != std::string_view::npos) {
      return retry(
          "{}: its first line names no columns, {} is there instead: put a line such as "
          "email,name above it, or one address on each line",
          file, quoted(fields[i]));
    }
    columns.keys.push_back(column_to_key(fields[i]));
  }
  const auto as_named = columns.keys;
  if (options.columns == Columns::all) {
    for (const auto& option : options.renames) {
      if (auto renamed = rename(file, columns.keys, option); !renamed) return fail(renamed);
    }
  }
  auto address = find_address(file, columns.keys, as_named, options.column);
  if (!address) return fail(address);
  columns.address = *address;
  columns.address_keys = keys_of_address(columns.keys, columns.address);
  for (std::size_t i = 0; i < columns.keys.size(); ++i) {
    if (i == columns.address || options.columns == Columns::address_only) {
      columns.keys[i].clear();
      continue;
    }
    if (auto good = check_column(file, fields[i], columns.keys[i]); !good) return fail(good);
    const auto before = columns.keys.begin() + static_cast<std::ptrdiff_t>(i);
    if (!columns.keys[i].empty() && std::find(columns.keys.begin(), before, *before) != before) {
      return retry("{}: two columns are named {} (go on with --rename)", file, *before);
    }
  }
  return columns;
}

}  // namespace ml
