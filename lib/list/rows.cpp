#include "list/rows.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/attributes.hpp"
#include "base/lines.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_row = std::size_t{1} << 20;
constexpr std::uint64_t bad_rows_in_words = 3;
constexpr std::size_t shown = 80;  // of a foreign text in an error

// Where the first of `wanted` stands outside of double quotes; npos: nowhere.
std::size_t find_unquoted(std::string_view text, std::string_view wanted) {
  bool in_quotes = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') in_quotes = !in_quotes;
    if (in_quotes && text[i] == '\\')
      ++i;
    else if (!in_quotes && wanted.find(text[i]) != std::string_view::npos)
      return i;
  }
  return std::string_view::npos;
}

// RFC 5322 3.2.4: `"Smith, Ann"` -> `Smith, Ann`
std::string unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
  text = text.substr(1, text.size() - 2);
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    result.push_back(text[i]);
  }
  return result;
}

struct TextMailbox {
  std::string_view address;
  std::string name;  // often empty
};

TextMailbox split_mailbox(std::string_view text) {
  if (text.ends_with('>')) {
    if (const auto open = find_unquoted(text, "<"); open != std::string_view::npos) {
      return {text.substr(open + 1, text.size() - open - 2), unquoted(trim(text.substr(0, open)))};
    }
  }
  if (text.ends_with(')')) {
    if (const auto open = find_unquoted(text, "("); open != std::string_view::npos) {
      return {trim(text.substr(0, open)),
              std::string(trim(text.substr(open + 1, text.size() - open - 2)))};
    }
  }
  return {text, {}};
}

// An exporter that knows no name puts the address in its place; another one may be meant in its
// stead. Without an address around it, an @ is a part of the name: `Sales @ ACME`.
bool names_another(std::string_view name, const Address& address) {
  constexpr std::string_view separators = " \t,;:|()<>[]\"";
  const std::string own = address_to_text(address);
  const auto is_other = [&](std::string_view word) {
    const auto found = text_to_address(word);
    return found && !same_nocase(address_to_text(*found), own);
  };
  if (name.find('@') == std::string_view::npos) return false;
  if (is_other(name)) return true;
  while (!name.empty()) {
    const auto end = std::min(name.find_first_of(separators), name.size());
    std::string_view word = name.substr(0, end);
    name.remove_prefix(std::min(end + 1, name.size()));
    while (word.starts_with('\'')) word.remove_prefix(1);
    while (word.ends_with('\'') || word.ends_with('.')) word.remove_suffix(1);
    if (is_other(word)) return true;
  }
  return false;
}

// What a value may not be in a stream; empty if it is good.
std::string_view value_fault(std::string_view value) {
  const auto refused = [](char c) { return is_control(c) && c != '\t' && c != '\n' && c != '\r'; };
  if (std::ranges::any_of(value, refused)) return "has a control character";
  if (!is_utf8(value)) return "is not UTF-8 (iconv -t UTF-8 converts the file)";
  return {};
}

// Adds one attribute to the row, or makes the row bad.
void add_attribute(Row& row, std::string_view key, std::string_view value) {
  if (value.empty() || !row.bad.empty()) return;
  if (const auto fault = value_fault(value); !fault.empty()) {
    row.bad = fmt::format("its {} {}", key, fault);
    return;
  }
  if (!row.attributes.empty()) row.attributes.push_back('\t');
  row.attributes.append(key).push_back('=');
  append_escaped(row.attributes, value);
}

// Fills in the address; gives the name that stands beside it, often empty.
std::string take_address(Row& row, std::string_view text) {
  if (const auto at = plain_at(text)) {
    row.address.local.assign(text.substr(0, *at));
    row.address.domain.assign(text.substr(*at + 1));
    return {};
  }
  if (text.empty()) {
    row.bad = "it has no address";
    return {};
  }
  if (std::ranges::any_of(text, [](char c) { return is_control(c) && c != '\t'; })) {
    row.bad = fmt::format("its address has a line end or another control in it: '{}'",
                          printable(text, shown));
    return {};
  }
  TextMailbox mailbox = split_mailbox(text);
  auto address = text_to_address(mailbox.address);
  if (!address) {
    row.bad = address.error().text;
  } else if (names_another(mailbox.name, *address)) {
    row.bad = fmt::format("'{}' stands beside the address {}: it is not clear whom it means",
                          printable(mailbox.name, shown), address_to_text(*address));
  } else {
    row.address = std::move(*address);
  }
  return std::move(mailbox.name);
}

// The separator that the first line of a file shows; nothing: it is text.
std::optional<char> separator_of(std::string_view line, const RowOptions& options) {
  if (text_to_address(split_mailbox(trim(line)).address)) return std::nullopt;
  for (const std::string_view wanted : {"\t", ",;"}) {
    const auto at = find_unquoted(line, wanted);
    if (at != std::string_view::npos) return line[at];
  }
  const std::string only = column_to_key(unquoted(trim(line)));
  if (is_address_key(only) || (options.column && only == column_to_key(*options.column)))
    return ',';
  return std::nullopt;
}

void clear(Row& row) {
  row.line = 0;
  row.bad.clear();
  row.address.local.clear();
  row.address.domain.clear();
  row.attributes.clear();
}

bool can_seek(int fd) {
  struct stat about{};
  return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

}  // namespace

struct Rows::Inside {
  std::string name;
  RowOptions options;
  Fd file;  // owns the descriptor unless it is standard input
  int fd = 0;
  off_t start = 0;
  std::optional<Lines> lines;
  std::string first;  // the line that told the format
  bool hold_first = false;
  std::optional<CsvFields> fields;  // none: the file is text
  ColumnKeys columns;

  Result<> begin();
  Result<Line> next_line();
  Result<> read_header();
  Result<bool> next_of_text(Row& row);
  Result<bool> next_of_columns(Row& row);
  [[nodiscard]] bool fill(Row& row) const;
  [[nodiscard]] std::string spoilt(const Row& row) const;
};

// From where the file stood when it was opened: tells the format and reads the columns.
Result<> Rows::Inside::begin() {
  lines.emplace(fd, name, longest_row);
  hold_first = false;
  fields.reset();
  for (;;) {
    const auto line = next_line();
    if (!line) return fail(line);
    if (line->kind == Line::Kind::none) return {};
    const std::string_view text = line->text;
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
      return retry("{}: it is UTF-16; convert it with: iconv -f UTF-16 -t UTF-8", name);
    }
    if (trim(text).empty() || text.starts_with('#')) continue;
    if (text.find('\r') != std::string_view::npos) {
      return retry("{}: its lines end in CR alone; convert them with: tr '\\r' '\\n'", name);
    }
    first = text;
    hold_first = line->kind != Line::Kind::too_long;
    const auto separator = hold_first ? separator_of(first, options) : std::nullopt;
    if (!separator) {
      if (!hold_first) return retry("{}: its first line is longer than a row may be", name);
      return {};
    }
    fields.emplace(*separator);
    return read_header();
  }
}

// The next line without BOM and CR, the one that was held back first.
Result<Line> Rows::Inside::next_line() {
  if (std::exchange(hold_first, false)) return Line{Line::Kind::whole, first};
  Result<Line> line(Line{Line::Kind::whole, {}});
  if (!lines->take(line->text)) line = lines->next();
  if (!line) return line;
  if (lines->number() == 1 && line->text.starts_with("\xEF\xBB\xBF")) line->text.remove_prefix(3);
  if (line->text.ends_with('\r')) line->text.remove_suffix(1);
  return line;
}

Result<> Rows::Inside::read_header() {
  std::size_t octets = 0;
  for (;;) {
    const auto line = next_line();
    if (!line) return fail(line);
    octets += line->text.size();
    if (line->kind == Line::Kind::none || line->kind == Line::Kind::too_long ||
        octets > longest_row) {
      return retry("{}: the line with the names of its columns has a quote that is not closed",
                   name);
    }
    switch (fields->feed(line->text)) {
      case CsvFields::Fed::row: {
        auto read = fields_to_columns(name, *fields, options);
        if (!read) return fail(read);
        columns = std::move(*read);
        return {};
      }
      case CsvFields::Fed::broken:
        return retry("{}: the quotes in the line with the names of its columns are wrong", name);
      case CsvFields::Fed::unfinished:
      case CsvFields::Fed::blank: break;
    }
  }
}

Result<bool> Rows::Inside::next_of_text(Row& row) {
  for (;;) {
    const auto line = next_line();
    if (!line) return fail(line);
    if (line->kind == Line::Kind::none) return false;
    if (line->text.starts_with('#')) continue;
    row.line = lines->number();
    if (line->kind == Line::Kind::too_long) {
      row.bad = fmt::format("it is longer than {} octets", longest_row);
      return true;
    }
    const std::string_view text = trim(line->text);
    if (text.empty()) continue;
    const std::string beside = take_address(row, text);
    if (!beside.empty() && options.columns == Columns::all) add_attribute(row, "name", beside);
    return true;
  }
}

Result<bool> Rows::Inside::next_of_columns(Row& row) {
  std::size_t octets = 0;
  for (;;) {
    const auto line = next_line();
    if (!line) return fail(line);
    if (line->kind == Line::Kind::none) {
      if (!fields->is_open()) return false;
      fields->reset();
      row.bad = "a quote is opened in it and never closed" + spoilt(row);
      return true;
    }
    if (row.line == 0) row.line = lines->number();
    octets += line->text.size() + 1;
    if (line->kind == Line::Kind::too_long || octets > longest_row) {
      fields->reset();
      row.bad = fmt::format("it is longer than {} octets", longest_row);
      return true;
    }
    switch (fields->feed(line->text)) {
      case CsvFields::Fed::row:
        if (fill(row)) return true;
        clear(row);
        octets = 0;
        break;
      case CsvFields::Fed::broken:
        row.bad = "its quotes are wrong: a field with quotes in it is quoted, and they are doubled";
        row.bad += spoilt(row);
        return true;
      case CsvFields::Fed::blank:
        row.line = 0;
        octets = 0;
        break;
      case CsvFields::Fed::unfinished: break;
    }
  }
}

// How far a bad row reaches, where that is further than its own line.
std::string Rows::Inside::spoilt(const Row& row) const {
  if (lines->number() <= row.line) return {};
  return fmt::format(" (this spoils it up to line {})", lines->number());
}

// False: every field is empty, as spreadsheets leave them behind.
bool Rows::Inside::fill(Row& row) const {
  bool any = false;
  for (std::size_t i = 0; i < fields->size(); ++i) any = any || !(*fields)[i].empty();
  if (!any) return false;
  for (std::size_t i = columns.keys.size(); i < fields->size(); ++i) {
    if ((*fields)[i].empty()) continue;
    row.bad =
        fmt::format("it has {} fields and the header only {}", fields->size(), columns.keys.size());
    return true;
  }
  std::string beside;
  if (columns.address < fields->size())
    beside = take_address(row, trim((*fields)[columns.address]));
  else
    row.bad = "it has no address";
  bool named = options.columns == Columns::address_only;
  for (std::size_t i = 0; i < std::min(fields->size(), columns.keys.size()); ++i) {
    if (columns.keys[i].empty()) continue;
    named = named || (columns.keys[i] == "name" && !(*fields)[i].empty());
    add_attribute(row, columns.keys[i], (*fields)[i]);
  }
  if (!named) add_attribute(row, "name", beside);
  return true;
}

Rows::Rows(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Rows::Rows(Rows&&) noexcept = default;
Rows& Rows::operator=(Rows&&) noexcept = default;
Rows::~Rows() = default;

Result<Rows> Rows::open(const std::string& path, const RowOptions& options) {
  auto inside = std::make_unique<Inside>();
  inside->options = options;
  inside->name = path == "-" ? "standard input" : path;
  if (path != "-") {
    auto file = open_file(path, O_RDONLY);
    if (!file) return fail(file);
    inside->file = std::move(*file);
    inside->fd = inside->file.get();
  }
  if (can_seek(inside->fd)) inside->start = lseek(inside->fd, 0, SEEK_CUR);
  if (auto begun = inside->begin(); !begun) return fail(begun);
  return Rows(std::move(inside));
}

Result<bool> Rows::next(Row& row) {
  clear(row);
  return inside_->fields ? inside_->next_of_columns(row) : inside_->next_of_text(row);
}

Result<bool> Rows::rewind() {
  if (!can_seek(inside_->fd)) return false;
  if (lseek(inside_->fd, inside_->start, SEEK_SET) < 0) {
    return system_failure("cannot read " + inside_->name + " again", errno);
  }
  if (auto begun = inside_->begin(); !begun) return fail(begun);
  return true;
}

const std::string& Rows::name() const {
  return inside_->name;
}

const std::vector<std::string>& Rows::address_keys() const {
  return inside_->columns.address_keys;
}

std::string bad_row_to_text(const Rows& rows, const Row& row) {
  return fmt::format("{} line {}: {}", rows.name(), row.line, row.bad);
}

void BadRows::add(const Rows& rows, const Row& row) {
  if (++count_ > bad_rows_in_words) return;
  if (count_ > 1) first_ += "; ";
  first_ += bad_row_to_text(rows, row);
}

Failure BadRows::failure() const {
  return retry("{}{} ({} bad row{} in all; --bad skip goes on without)", first_,
               count_ > bad_rows_in_words ? "; ..." : "", count_, count_ == 1 ? "" : "s");
}

}  // namespace ml
