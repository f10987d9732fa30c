#include "stage/people_file.hpp"

#include <utility>

#include "base/diag.hpp"

namespace ml {

Result<PeopleFile> PeopleFile::open(const std::string& path, const RowOptions& columns,
                                    OnBadRow on_bad_row) {
  if (path == "-") return retry("'-' is the message; give the people as a file");
  auto rows = Rows::open(path, columns);
  if (!rows) return fail(rows);
  return PeopleFile(std::move(*rows), on_bad_row);
}

Result<> PeopleFile::check() {
  auto seeks = rows_.rewind();
  if (!seeks) return fail(seeks);
  if (!*seeks) return {};
  BadRows bad;
  Row row;
  auto more = rows_.next(row);
  for (; more && *more; more = rows_.next(row)) {
    if (row.bad.empty()) continue;
    bad.add(rows_, row);
    if (on_bad_row_ == OnBadRow::skip) say(bad_row_to_text(rows_, row));
  }
  if (!more) return fail(more);
  if (bad.any() && on_bad_row_ == OnBadRow::refuse) return bad.failure();
  checked_ = true;
  return {};
}

Result<> PeopleFile::each(const std::function<Result<>(const Row&)>& call) {
  if (auto ready = from_the_start(); !ready) return ready;
  Row row;
  auto more = rows_.next(row);
  for (; more && *more; more = rows_.next(row)) {
    if (row.bad.empty()) {
      if (auto called = call(row); !called) return fail(called);
    } else if (on_bad_row_ == OnBadRow::refuse) {
      BadRows bad;
      bad.add(rows_, row);
      return bad.failure();
    } else if (!checked_) {
      say(bad_row_to_text(rows_, row));
    }
  }
  return more ? Result<>() : fail(more);
}

Result<> PeopleFile::from_the_start() {
  if (!std::exchange(used_, true) && !checked_) return {};
  auto seeks = rows_.rewind();
  if (!seeks) return fail(seeks);
  if (!*seeks) {
    return retry("{} cannot be read again for the next section: put it into a file", rows_.name());
  }
  return {};
}

}  // namespace ml
