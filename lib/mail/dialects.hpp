// Bounces of servers that use no standard: whom they say they could not reach.
//
// Each dialect is a row of a table: the fixed words with which it leads to its recipients, and how
// those stand there. Where no row fits, shapes.hpp may still find them.
//
//   auto reports = words_to_reports(notice).reports;
//   if (reports.empty()) reports = shape_to_reports(notice);
//
// To add a dialect: a row in dialect_table.cpp, in the order of how sure its words are, and a test
// of that name in tests/lib/dialects.cpp.
#pragma once

#include <string_view>
#include <vector>

#include "mail/dsn.hpp"
#include "mail/notice.hpp"

namespace ml {

struct Words {
  std::string_view dialect;  // the name of the row; empty: none fits
  std::vector<Report> reports;
};

// By the table: failed and delayed recipients, each once. Status and diagnostic are what the text
// says of that recipient, or else of all; where it names no status 5.0.0, or 4.0.0 for what a later
// try might have mended.
[[nodiscard]] Words words_to_reports(const Notice& notice);

// The names of all rows, in their order: each is to have a test.
[[nodiscard]] std::vector<std::string_view> dialect_names();

}  // namespace ml
