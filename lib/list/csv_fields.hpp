// The fields of one row of CSV or TSV (RFC 4180), taken apart by libcsv: this is the only door to
// it. Strict: lenient parsing would join the lines behind a stray quote and so lose the people on
// them.
//
//   CsvFields fields(',');
//   if (fields.feed("ann@example.org,\"Ann A") == CsvFields::Fed::unfinished) ...
//   if (fields.feed("Author\"") == CsvFields::Fed::row) ...       // fields[1]: "Ann A\nAuthor"
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace ml {

class CsvFields {
 public:
  enum class Fed { row, unfinished, blank, broken };

  explicit CsvFields(char separator);
  CsvFields(CsvFields&&) noexcept;
  CsvFields& operator=(CsvFields&&) noexcept;
  ~CsvFields();

  // One line without its LF. A quoted field may go on over further lines. After `broken` the next
  // line begins a row.
  [[nodiscard]] Fed feed(std::string_view line);
  // In the middle of a row.
  [[nodiscard]] bool is_open() const;
  // The next line begins a row.
  void reset();

  // After Fed::row, until the next feed().
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::string_view operator[](std::size_t i) const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace ml
