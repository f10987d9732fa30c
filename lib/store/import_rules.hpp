// The rows of an import on their way through the sorting, and what a row makes of a subscriber.
//
//   RowMaker maker;
//   maker.make(entry);
//   rows.add(maker.key(), maker.row());               // SortedRecords (sorted.hpp)
//   ...
//   ImportRules rules(options, today());
//   if (!known) records.put(rows.key(), {}, rules.fresh(rows.value()));
//   else if (!rules.keeps_out(*known, row)) records.put(rows.key(), known->state,
//                                                       rules.over(*known, row));
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "store/store.hpp"
#include "store/subscriber.hpp"

namespace ml {

// Makes keys and rows out of entries, one after the other; many have the domain of the one before.
class RowMaker {
 public:
  void make(const Entry& entry);
  // Both valid until the next.
  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] std::string_view row() const { return row_; }

 private:
  std::string domain_;
  std::size_t of_domain_ = 0;  // octets of the key
  std::string key_;
  std::string row_;
  std::string sorted_;
};

struct NewRow {
  bool says_state = false;
  bool says_joined = false;
  bool says_changed = false;
  ValueView said;  // into the row
};
// `row`: of a RowMaker.
[[nodiscard]] NewRow unpacked(std::string_view row);

// The rules of one import, for a subscriber at a time.
class ImportRules {
 public:
  ImportRules(const ImportOptions& options, std::uint16_t day)
      : revive_(options.revive), attributes_are_whole_(options.absent != Absent::stay), day_(day) {}

  // Who was removed or suspended stays so; a row may only remove who is suspended.
  [[nodiscard]] bool keeps_out(const ValueView& now, const NewRow& row) const;
  // The value of one who is new; lives until the next call.
  [[nodiscard]] std::string_view fresh(std::string_view row);
  // What the view refers to lives until the next call.
  [[nodiscard]] ValueView over(const ValueView& now, const NewRow& row);
  // A tombstone for one whom no row names.
  [[nodiscard]] ValueView gone(const ValueView& now) const {
    return {State::removed, now.joined, day_, now.written, {}};
  }

 private:
  Revive revive_;
  bool attributes_are_whole_;
  std::uint16_t day_;
  std::string merged_;
  std::string value_;
};

}  // namespace ml
