// People from a file: text, CSV or TSV, as --to, --exclude and ml-store import read them.
//
// Text: an address a line, blank lines and lines that begin with # passed over. CSV (RFC 4180, by
// libcsv) and TSV: a header line names the columns; a BOM, CRLF, `;` between fields and quotes are
// taken. The address column is the first named email, e-mail, address or mail (no case), else
// the first, or `column`. The other columns become attributes under their name: folded, blanks
// as _, empty values left out. The format is told by the first line: a comma, semicolon or TAB
// outside of an address makes columns. Addresses may stand as `Ann <ann@example.org>`, which
// gives name=Ann where no column does.
//
//   auto rows = Rows::open("people.csv", {});
//   while (auto row = rows->next()) {          // a failure to read ends it, see next()
//     if (!*row) break;                        // the end
//     ...
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
#include "mail/address.hpp"

namespace ml {

struct RowOptions {
  std::optional<std::string> column;
  std::vector<std::string> renames;  // "status=crm_status": column status becomes crm_status
};

struct Row {
  std::uint64_t line = 0;  // where it begins, from 1
  std::string bad;         // why it is no good; empty: it is good
  Address address;
  std::string attributes;  // "key=value\tkey=value", escaped as on a rcpt line; often empty
};

class Rows {
 public:
  // "-" is standard input. A reserved column without a rename, a column named twice or a rename
  // of nothing is 75 here, before the first row.
  [[nodiscard]] static Result<Rows> open(const std::string& path, const RowOptions& options);
  Rows(Rows&&) noexcept;
  Rows& operator=(Rows&&) noexcept;
  ~Rows();

  // The next row, good or bad; nothing at the end. Memory: one row, at most 1 MiB.
  [[nodiscard]] Result<std::optional<Row>> next();

  // Back to the first row; false if the file cannot seek. Lets a caller check the whole file
  // before it uses the first row.
  [[nodiscard]] Result<bool> rewind();

  [[nodiscard]] const std::string& name() const;  // for messages: the path

 private:
  struct Inside;
  explicit Rows(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

}  // namespace ml
