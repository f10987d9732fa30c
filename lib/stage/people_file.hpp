// A file of people (list/rows.hpp) as ml-expand reads it: once for each section, and to its end
// before the first of them, so that a bad row is found before anything is written.
//
//   auto file = PeopleFile::open("people.csv", {}, OnBadRow::refuse);
//   if (!file) return fail(file);
//   if (auto good = file->check(); !good) return good;
//   return file->each([&](const Row& row) { ...; return Result<>(); });
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "list/rows.hpp"

namespace ml {

enum class OnBadRow { refuse, skip };  // skip: say so on stderr, once

class PeopleFile {
 public:
  [[nodiscard]] static Result<PeopleFile> open(const std::string& path, const RowOptions& columns,
                                               OnBadRow on_bad_row);

  // Reads a file that can seek to its end; one that cannot is believed until each() reads it.
  [[nodiscard]] Result<> check();

  // As Rows::address_keys().
  [[nodiscard]] const std::vector<std::string>& address_keys() const {
    return rows_.address_keys();
  }

  // Calls with each good row, until a call fails. 75 at a bad row that is to be refused, and the
  // second time for what cannot be read twice.
  [[nodiscard]] Result<> each(const std::function<Result<>(const Row&)>& call);

 private:
  PeopleFile(Rows rows, OnBadRow on_bad_row) : rows_(std::move(rows)), on_bad_row_(on_bad_row) {}
  [[nodiscard]] Result<> from_the_start();

  Rows rows_;
  OnBadRow on_bad_row_;
  bool checked_ = false;
  bool used_ = false;
};

}  // namespace ml
