#include "list/csv_fields.hpp"

#include <string>
#include <vector>

#include <csv.h>

#include "base/text.hpp"

namespace ml {

struct CsvFields::Parser {
  explicit Parser(char between) : separator(between) { start(); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { csv_free(&csv); }

  void start() {
    csv_init(&csv, CSV_STRICT);
    csv_set_delim(&csv, static_cast<unsigned char>(separator));
    csv_set_blk_size(&csv, 4096);
    csv_set_term_func(&csv, [](unsigned char c) { return c == '\n' ? 1 : 0; });
  }

  void clear() {
    octets.clear();
    ends.clear();
    complete = false;
    open = false;
  }

  bool parse(std::string_view text) {
    return csv_parse(&csv, text.data(), text.size(), on_field, on_row, this) == text.size();
  }

  static void on_field(void* text, std::size_t length, void* self) {
    Parser& parser = *static_cast<Parser*>(self);
    parser.octets.append(static_cast<const char*>(text), length);
    parser.ends.push_back(parser.octets.size());
  }
  static void on_row(int, void* self) {
    Parser& parser = *static_cast<Parser*>(self);
    parser.complete = true;
    parser.open = false;
  }

  char separator;
  csv_parser csv{};
  std::string octets;  // of all fields, one behind the other
  std::vector<std::size_t> ends;
  bool complete = false;
  bool open = false;
};

CsvFields::CsvFields(char separator) : parser_(std::make_unique<Parser>(separator)) {}
CsvFields::CsvFields(CsvFields&&) noexcept = default;
CsvFields& CsvFields::operator=(CsvFields&&) noexcept = default;
CsvFields::~CsvFields() = default;

CsvFields::Fed CsvFields::feed(std::string_view line) {
  Parser& parser = *parser_;
  if (parser.complete) parser.clear();
  if (!parser.parse(line) || !parser.parse("\n")) {
    reset();
    return Fed::broken;
  }
  if (parser.complete) return Fed::row;
  // libcsv passes over a line of blanks without a word.
  const bool has_nothing = parser.ends.empty() && parser.octets.empty();
  if (has_nothing && trim(line).empty() && !parser.open) return Fed::blank;
  parser.open = true;
  return Fed::unfinished;
}

bool CsvFields::is_open() const {
  return parser_->open;
}

void CsvFields::reset() {
  csv_free(&parser_->csv);
  parser_->start();
  parser_->clear();
}

std::size_t CsvFields::size() const {
  return parser_->ends.size();
}

std::string_view CsvFields::operator[](std::size_t i) const {
  const std::size_t begin = i == 0 ? 0 : parser_->ends[i - 1];
  return std::string_view(parser_->octets).substr(begin, parser_->ends[i] - begin);
}

}  // namespace ml
