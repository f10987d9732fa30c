// Store: many subscribers in one transaction. The sorted rows and the list go past one another in
// the order of the keys.
#include <utility>

#include "store/import_rules.hpp"
#include "store/inside.hpp"
#include "store/list_records.hpp"
#include "store/sorted.hpp"
#include "store/store.hpp"

namespace ml {
namespace {

// One import's transaction.
class Import {
 public:
  Import(ListRecords records, const ImportOptions& options, Change& change)
      : records_(std::move(records)),
        options_(options),
        rules_(options, today()),
        change_(change),
        before_(records_.counts().all) {}

  [[nodiscard]] Result<> run(SortedRecords& rows) {
    std::uint64_t seen = 0;
    auto more = rows.next();
    for (; more && *more; more = rows.next()) {
      ++seen;
      if (auto passed = pass_absent(rows.key()); !passed) return passed;
      if (auto taken = take(rows.key(), rows.value()); !taken) return taken;
    }
    if (!more) return fail(more);
    if (auto passed = pass_absent({}); !passed) return passed;
    change_.repeated = rows.added() - seen;
    if (options_.absent == Absent::leave_if_few && lost_ * 10 >= before_ && lost_ > 0) {
      return failure(Status::no,
                     "this would remove {} of {} subscribers: nothing was changed (--yes does it)",
                     lost_, before_);
    }
    return records_.finish();
  }

 private:
  // With absent ones leaving: removes everybody before `key`, or to the end of the list.
  [[nodiscard]] Result<> pass_absent(std::string_view key) {
    if (options_.absent == Absent::stay) return {};
    if (!begun_) {
      if (auto begun = records_.begin(); !begun) return begun;
      begun_ = true;
    }
    while (!records_.ended() && (key.empty() || records_.ahead() < key)) {
      const std::string absent(records_.ahead());
      auto now = records_.value();
      if (!now) return fail(now);
      if (now->state != State::removed) {
        if (auto put = records_.put(absent, now->state, rules_.gone(*now)); !put) return put;
        ++change_.removed;
        ++lost_;
      }
      if (auto stepped = records_.step(); !stepped) return stepped;
    }
    return {};
  }

  [[nodiscard]] Result<> take(std::string_view key, std::string_view row) {
    auto found = records_.find(key);
    if (!found) return fail(found);
    if (*found) {
      auto now = records_.value();
      if (!now) return fail(now);
      if (auto taken = take_known(key, *now, unpacked(row)); !taken) return taken;
      return begun_ ? records_.step() : Result<>();
    }
    if (options_.unknown == Unknown::pass_over) {
      ++change_.unknown;
      return {};
    }
    const std::string_view fresh = rules_.fresh(row);
    ++(static_cast<State>(fresh[0]) == State::removed ? change_.removed : change_.added);
    return records_.put(key, std::nullopt, fresh);
  }

  [[nodiscard]] Result<> take_known(std::string_view key, const ValueView& now, const NewRow& row) {
    if (rules_.keeps_out(now, row)) {
      ++change_.kept_out;
      return {};
    }
    const State before = now.state;
    const ValueView next = rules_.over(now, row);
    if (next == now) {
      ++change_.unchanged;
      return {};
    }
    if (is_out(before) && !is_out(next.state)) {
      ++change_.added;
    } else if (before != State::removed && next.state == State::removed) {
      ++change_.removed;
      ++lost_;
    } else {
      ++change_.changed;
    }
    return records_.put(key, before, next);
  }

  ListRecords records_;
  const ImportOptions& options_;
  ImportRules rules_;
  Change& change_;
  std::uint64_t before_;
  std::uint64_t lost_ = 0;
  bool begun_ = false;
};

}  // namespace

Result<Change> Store::import(ListNumber list, const Source& source, const ImportOptions& options) {
  SortedRecords rows(inside_->directory, options.memory);
  Entry entry;
  RowMaker maker;
  auto more = source(entry);
  for (; more && *more; more = source(entry)) {
    maker.make(entry);
    if (auto added = rows.add(maker.key(), maker.row()); !added) return fail(added);
    entry.clear();
  }
  if (!more) return fail(more);
  Change change;
  auto done = inside_->env.write([&](StoreTransaction& transaction) -> Result<> {
    change = {};
    if (auto rewound = rows.rewind(); !rewound) return rewound;
    auto records = ListRecords::open(transaction, list);
    if (!records) return fail(records);
    return Import(std::move(*records), options, change).run(rows);
  });
  if (!done) return fail(done);
  return change;
}

Result<Change> Store::remove(ListNumber list, const std::vector<Address>& addresses) {
  ImportOptions options;
  options.unknown = Unknown::pass_over;
  auto next = addresses.begin();
  return import(
      list,
      [&](Entry& entry) -> Result<bool> {
        if (next == addresses.end()) return false;
        entry.address = *next++;
        entry.state = State::removed;
        return true;
      },
      options);
}

}  // namespace ml
