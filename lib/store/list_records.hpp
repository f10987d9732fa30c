// The records of one list in a transaction, visited in rising order, and their counts.
//
//   auto records = ListRecords::open(transaction, list);
//   auto found = records->find(key);                    // keys rise from call to call
//   if (*found) before = records->value()->state;
//   records->put(key, before, value);
//   records->finish();                                  // the counts
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/db.hpp"
#include "store/inside.hpp"
#include "store/store.hpp"

namespace ml {

class ListRecords {
 public:
  [[nodiscard]] static Result<ListRecords> open(StoreTransaction& change, ListNumber list);

  // True if there is a record of this key. Keys must rise from call to call.
  [[nodiscard]] Result<bool> find(std::string_view key) {
    if (!ended_ && (!begun_ || ahead() < key)) {
      key_.resize(prefix_octets);
      key_.append(key);
      if (auto sought = seek(); !sought) return fail(sought);
    }
    return !ended_ && ahead() == key;
  }

  // To the list's first record.
  [[nodiscard]] Result<> begin() {
    auto found = find({});
    return found ? Result<>() : fail(found);
  }
  [[nodiscard]] bool ended() const { return ended_; }  // no record is ahead
  [[nodiscard]] std::string_view ahead() const {
    return std::string_view(ahead_).substr(prefix_octets);
  }
  // Beyond the record ahead.
  [[nodiscard]] Result<> step() {
    key_ = ahead_ + '\0';  // the smallest key behind it
    return seek();
  }
  // Of the record ahead; valid until the next write.
  [[nodiscard]] Result<ValueView> value();

  // Puts a record where there was one in state `before`, or none.
  [[nodiscard]] Result<> put(std::string_view key, std::optional<State> before,
                             const ValueView& view);
  [[nodiscard]] Result<> put(std::string_view key, std::optional<State> before,
                             std::string_view value);

  [[nodiscard]] const Counts& counts() const { return counts_; }
  // After the last put.
  [[nodiscard]] Result<> finish();

 private:
  ListRecords(StoreTransaction& change, ListNumber list, Cursor cursor, const Counts& counts,
              bool others_behind)
      : change_(&change),
        list_(list),
        cursor_(std::move(cursor)),
        counts_(counts),
        others_behind_(others_behind),
        key_(list_prefix(list)),
        ahead_(key_) {}

  [[nodiscard]] Result<> seek();
  [[nodiscard]] Result<> put_at_end(std::string_view value);
  [[nodiscard]] Result<> set_others_aside();

  StoreTransaction* change_;
  ListNumber list_;
  Cursor cursor_;
  Counts counts_;
  bool others_behind_;  // records of lists with higher numbers
  std::size_t put_at_end_ = 0;
  std::vector<std::pair<std::string, std::string>> aside_;  // some of those, while we are at work
  bool begun_ = false;
  bool ended_ = false;
  std::string key_;  // with the list's prefix, like ahead_
  std::string ahead_;
  std::string value_;
};

}  // namespace ml
