// ml-store export: a list as text that ml-store import, spreadsheets, cut(1) and comm(1) read.
#pragma once

#include "base/out.hpp"
#include "base/result.hpp"
#include "stage/import.hpp"

namespace ml {

enum class Shape {
  // TSV under a header: address, state, joined, changed, and a column for each attribute that
  // anybody has. Tombstones are rows too. Importing it into an empty list gives the same list. A
  // field with a TAB, a quote, a line end or an outer blank stands in quotes as in CSV.
  table,
  // Those on the list, in whatever state: an address a line, in the order of LC_ALL=C sort.
  addresses,
};

[[nodiscard]] Result<Status> export_subscribers(const OpenList& list, Shape shape, Out& out);

}  // namespace ml
