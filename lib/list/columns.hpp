// What the first row of a CSV or TSV file says of its columns: where the address stands and which
// attribute each of the others gives. The rules are in list/rows.hpp.
//
//   auto columns = fields_to_columns("people.csv", fields, {});
//   if (!columns) return fail(columns);                  // 75: a reserved name, none of that name
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "list/csv_fields.hpp"

namespace ml {

enum class Columns { all, address_only };

// column and renames mean nothing to a text file.
struct RowOptions {
  std::optional<std::string> column = {};
  std::vector<std::string> renames = {};  // "status=crm_status": column status becomes crm_status
  Columns columns = Columns::all;         // address_only: the others are not even looked at
};

struct ColumnKeys {
  std::vector<std::string> keys;  // of the attribute that each gives; empty: it gives none
  std::size_t address = 0;
  std::vector<std::string> address_keys = {"email"};  // as Rows::address_keys()
};

// `file`: for messages. `fields`: the first row.
[[nodiscard]] Result<ColumnKeys> fields_to_columns(const std::string& file, const CsvFields& fields,
                                                   const RowOptions& options);

// "First Name" -> "first_name"
[[nodiscard]] std::string column_to_key(std::string_view name);
[[nodiscard]] bool is_address_key(std::string_view key);

}  // namespace ml
