// What the rows of ml-store import, add and remove were said to be, made into what is done.
//
//   RowsGiven given;                                // from the command line
//   auto request = given_to_request(given);
//   return import_subscribers(list, "-", *request, out);
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "list/rows.hpp"
#include "stage/import.hpp"

namespace ml {

// As it was given; nothing where it was not.
struct RowsGiven {
  RowOptions columns{};
  std::optional<std::string> bad{};    // stop, skip
  std::optional<std::string> state{};  // of rows that say none
  bool revive = false;
};

// Status::usage, with the values there are, for one that is none; so for the next.
[[nodiscard]] Result<ImportRequest> given_to_request(const RowsGiven& given);
// --bad: stop where it is not given.
[[nodiscard]] Result<BadRow> text_to_bad_row(const std::optional<std::string>& text);

}  // namespace ml
