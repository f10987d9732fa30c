// People from a file: text, CSV or TSV, as --to, --exclude and ml-store import read them.
//
// Text: an address a line; blank lines and lines that begin with # are passed over. CSV (RFC 4180,
// by libcsv) and TSV: a header names the columns; a BOM, CRLF, `;` between fields and quotes are
// taken. The address column is the first named email, e-mail, address or mail (no case), else the
// first, or `column`. The other columns become attributes under their name: folded, blanks as _;
// empty values and columns without a name are left out. The first line that is neither blank nor
// a comment tells the format: an address makes text; a TAB, comma or semicolon outside of quotes,
// or the name of an address column, makes columns. An address may stand as `Ann <ann@example.org>`
// or `ann@example.org (Ann)`, which gives name=Ann where no column does. A control in that field,
// or beside the address another one, makes a row bad: nobody is mailed for whom it was not meant.
//
//   auto rows = Rows::open("people.csv", {});
//   if (!rows) return fail(rows);
//   Row row;
//   for (;;) {
//     auto more = rows->next(row);
//     if (!more) return fail(more);          // reading failed
//     if (!*more) break;                     // the end
//     if (!row.bad.empty()) ...              // say "people.csv line 7: ..."
//   }
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "list/columns.hpp"
#include "mail/address.hpp"

namespace ml {

struct Row {
  std::uint64_t line = 0;  // where it begins, from 1
  std::string bad;         // why it is no good; empty: it is good
  Address address;
  std::string attributes;  // "key=value\tkey=value", escaped as on a rcpt line; often empty
};

class Rows {
 public:
  // "-" is standard input. A reserved column without a rename, a column named twice, a rename of
  // nothing, a header that is none: 75 here, before the first row.
  [[nodiscard]] static Result<Rows> open(const std::string& path, const RowOptions& options);
  Rows(Rows&&) noexcept;
  Rows& operator=(Rows&&) noexcept;
  ~Rows();

  // The next row, good or bad, in place of what `row` was; false at the end. Memory: one row, at
  // most 1 MiB; a longer one is bad. Whoever hands in the same row each time allocates nothing.
  [[nodiscard]] Result<bool> next(Row& row);

  // Back to the first row; false if the file cannot seek. Lets a caller check the whole file
  // before it uses the first row.
  [[nodiscard]] Result<bool> rewind();

  [[nodiscard]] const std::string& name() const;  // for messages: the path

  // The keys by which somebody who writes {{key}} may mean the address: the name of its column, if
  // it could be an attribute's, and email where no column is so named.
  [[nodiscard]] const std::vector<std::string>& address_keys() const;

 private:
  struct Inside;
  explicit Rows(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

// "people.csv line 7: 'bob@' is no mail address: ..."
[[nodiscard]] std::string bad_row_to_text(const Rows& rows, const Row& row);

// The bad rows of a file for one line to people: the first three in words, the others counted.
class BadRows {
 public:
  void add(const Rows& rows, const Row& row);
  [[nodiscard]] bool any() const { return count_ > 0; }
  // 75: "people.csv line 7: ...; people.csv line 9: ...; 12 bad rows in all (...)".
  [[nodiscard]] Failure failure() const;

 private:
  std::uint64_t count_ = 0;
  std::string first_;
};

}  // namespace ml
