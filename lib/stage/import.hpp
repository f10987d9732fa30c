// ml-store import, add and remove: many subscribers at once, from files or operands.
//
// Rows come as lib/list/rows.hpp reads them; the columns state, joined and changed are the
// subscriber's own, in the words that export writes. A file is read to its end before anything is
// changed, and then everything is changed or nothing. Those who stay out and those who were not
// there are counted on stderr.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/out.hpp"
#include "base/result.hpp"
#include "list/name.hpp"
#include "list/rows.hpp"
#include "store/store.hpp"

namespace ml {

// One list of an open store.
struct OpenList {
  Store store;
  ListName name;
  ListNumber number;
};
[[nodiscard]] Result<OpenList> open_list(const Home& home, std::string_view name, Access access);

enum class BadRow { stop, skip };  // skip: each is named on stderr and passed over

struct ImportRequest {
  RowOptions columns;
  ImportOptions rules;
  BadRow bad = BadRow::stop;
  std::optional<State> state;  // of rows that do not say theirs
};

// `file` is a path, or "-" for standard input. What it came to is told on `out`: "added TAB 3", a
// line for each count that is not 0. Status::no if rules.absent forbids it; where the absent would
// leave and the file has no good row at all, it is 75.
[[nodiscard]] Result<Status> import_subscribers(OpenList& list, const std::string& file,
                                                const ImportRequest& request, Out& out);

// One of the addresses that stays out, or was not there to be removed, is Status::no, and the
// others are done; one that is none is Status::usage and nothing is done. A single "-" is rows on
// standard input, of which those that stay out or are not there are only said.
[[nodiscard]] Result<Status> add_subscribers(OpenList& list,
                                             const std::vector<std::string>& addresses,
                                             const ImportRequest& request);
[[nodiscard]] Result<Status> remove_subscribers(OpenList& list,
                                                const std::vector<std::string>& addresses,
                                                BadRow bad);

// An operand that must be an address: Status::usage if it is none.
[[nodiscard]] Result<Address> operand_to_address(std::string_view text);

}  // namespace ml
