// Store: changing subscribers. An import and a list go past one another in the order of the keys.
#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "store/inside.hpp"
#include "store/sorted.hpp"
#include "store/store.hpp"

namespace ml {
namespace {

bool is_out(State state) {
  return state == State::removed || state == State::suspended;
}

// A row of an import on its way through the sorting, under its key: one octet that tells what of it
// was said, then all of it packed as a subscriber's value.
constexpr unsigned says_state = 1;
constexpr unsigned says_joined = 2;
constexpr unsigned says_changed = 4;

// Makes both out of entries, one after the other; many have the domain of the one before.
class RowMaker {
 public:
  void make(const Entry& entry) {
    const auto& [local, domain] = entry.address;
    const std::string_view written = written_for_value(local);
    if (domain != domain_ || key_.empty()) {
      domain_ = domain;
      key_.clear();
      append_key(key_, {}, domain);
      of_domain_ = key_.size();
    }
    key_.resize(of_domain_);
    key_ += written.empty() ? local : lower(local);
    row_.assign(
        1, static_cast<char>((entry.state ? says_state : 0U) | (entry.joined ? says_joined : 0U) |
                             (entry.changed ? says_changed : 0U)));
    if (!entry.attributes.empty()) sorted_ = sorted_attributes(entry.attributes);
    append_value(row_, {entry.state.value_or(State::active), entry.joined.value_or(0),
                        entry.changed.value_or(0), written,
                        entry.attributes.empty() ? std::string_view() : sorted_});
  }
  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] std::string_view row() const { return row_; }

 private:
  std::string domain_;
  std::size_t of_domain_ = 0;  // octets of the key
  std::string key_;
  std::string row_;
  std::string sorted_;
};

bool says(std::string_view row, unsigned what) {
  return (static_cast<unsigned char>(row[0]) & what) != 0;
}
std::string_view value_of(std::string_view row) {
  return row.substr(1);
}

struct NewRow {
  bool says_state = false;
  bool says_joined = false;
  bool says_changed = false;
  ValueView said;
};

NewRow unpacked(std::string_view row) {
  return {says(row, says_state), says(row, says_joined), says(row, says_changed),
          *view_value(value_of(row))};
}

// The rules of an import, for one subscriber.
class Rules {
 public:
  Rules(const ImportOptions& options, std::uint16_t day)
      : revive_(options.revive), attributes_are_whole_(options.absent != Absent::stay), day_(day) {}

  // Who was removed or suspended stays so; a row may only remove who is suspended.
  [[nodiscard]] bool keeps_out(const ValueView& now, const NewRow& row) const {
    if (revive_ == Revive::yes || !is_out(now.state)) return false;
    const State wanted = row.says_state ? row.said.state : State::active;
    return wanted != now.state && wanted != State::removed;
  }

  // The value of one who is new: nearly what the row says, octet by octet.
  [[nodiscard]] std::string_view fresh(std::string_view row) {
    value_ = value_of(row);
    if (!says(row, says_joined)) set_days(value_, day_, {});
    if (!says(row, says_changed)) {
      set_days(value_, {}, says(row, says_joined) ? view_value(value_)->joined : day_);
    }
    if (static_cast<State>(value_[0]) == State::removed) {
      value_.resize(value_.size() - view_value(value_)->attributes.size());
    }
    return value_;
  }

  // What the view refers to lives until the next call.
  [[nodiscard]] ValueView over(const ValueView& now, const NewRow& row) {
    ValueView next = row.said;
    if (!row.says_state) next.state = is_out(now.state) ? State::active : now.state;
    const bool is_new = now.state == State::removed && next.state != State::removed;
    if (!row.says_joined) next.joined = is_new ? day_ : now.joined;
    if (!row.says_changed) next.changed = next.state == now.state ? now.changed : day_;
    if (next.state == State::removed) {
      next.attributes = {};
    } else if (!attributes_are_whole_) {
      merged_ = merge_attributes(now.attributes, row.said.attributes);
      next.attributes = merged_;
    }
    return next;
  }

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

bool clears_marks(State before, State after) {
  return after == State::active && (before == State::bouncing || is_out(before));
}

// The records of one list in a transaction, visited in rising order, and their counts.
class ListRecords {
 public:
  [[nodiscard]] static Result<ListRecords> open(StoreTransaction& change, ListNumber list) {
    auto counts = get_counts(change, list);
    if (!counts) return fail(counts);
    auto cursor = change.cursor(table::subscribers);
    if (!cursor) return fail(cursor);
    const auto next_list = static_cast<ListNumber>(static_cast<std::uint32_t>(list) + 1);
    auto more = cursor->seek(list_prefix(next_list));
    if (!more) return fail(more);
    return ListRecords(change, list, std::move(*cursor), *counts, *more);
  }

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
  [[nodiscard]] Result<ValueView> value() {
    auto found = cursor_.seek(ahead_);
    if (!found) return fail(found);
    const auto view = view_value(cursor_.value());
    if (!view) return damaged("the record", ahead());
    return *view;
  }

  // Puts a record where there was one in state `before`, or none.
  [[nodiscard]] Result<> put(std::string_view key, std::optional<State> before,
                             const ValueView& view) {
    value_.clear();
    append_value(value_, view);
    return put(key, before, value_);
  }
  [[nodiscard]] Result<> put(std::string_view key, std::optional<State> before,
                             std::string_view value) {
    key_.resize(prefix_octets);
    key_.append(key);
    const State state{static_cast<std::uint8_t>(value[0])};
    if (auto put = put_in_order(value, ended_ && !before); !put) return put;
    if (before) {
      count_out(counts_, *before);
      if (clears_marks(*before, state)) {
        if (auto cleared = erase_all(*change_, table::marks, mark_prefix(list_, key)); !cleared) {
          return cleared;
        }
      }
    }
    count_in(counts_, state);
    return {};
  }

  [[nodiscard]] const Counts& counts() const { return counts_; }
  // After the last put.
  [[nodiscard]] Result<> finish() {
    for (const auto& [key, value] : aside_) {
      if (auto put = cursor_.put(key, value); !put) return put;
    }
    return put_counts(*change_, list_, counts_);
  }

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

  [[nodiscard]] Result<> seek() {
    begun_ = true;
    auto found = cursor_.seek(key_);
    if (!found) return fail(found);
    ended_ = !*found || !cursor_.key().starts_with(key_.substr(0, prefix_octets));
    if (!ended_) ahead_ = cursor_.key();
    return {};
  }

  // Puts under key_. `at_end`: behind all of the list.
  [[nodiscard]] Result<> put_in_order(std::string_view value, bool at_end) {
    if (!at_end) return cursor_.put(key_, value);
    if (!others_behind_) return cursor_.append(key_, value);
    // Once it looks like many: LMDB fills a page to its end only while nothing stands behind.
    if (++put_at_end_ == many) {
      if (auto moved = set_others_aside(); !moved) return moved;
      if (!others_behind_) return cursor_.append(key_, value);
    }
    return cursor_.put(key_, value);
  }

  // Takes out what stands behind the list on the same page, until finish().
  [[nodiscard]] Result<> set_others_aside() {
    const auto behind = static_cast<ListNumber>(static_cast<std::uint32_t>(list_) + 1);
    auto more = cursor_.seek(list_prefix(behind));
    for (; more && *more && aside_.size() < most_on_a_page; more = cursor_.next()) {
      aside_.emplace_back(cursor_.key(), cursor_.value());
      if (auto erased = cursor_.erase(); !erased) return erased;
    }
    if (!more) return fail(more);
    others_behind_ = *more;
    return {};
  }

  static constexpr std::size_t many = 64;
  static constexpr std::size_t most_on_a_page = 4096 / 32;  // the shortest records

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
  Rules rules_;
  Change& change_;
  std::uint64_t before_;
  std::uint64_t lost_ = 0;
  bool begun_ = false;
};

// One record that is there: `edit` gets it and the change is written with the counts.
Result<bool> edit_record(StoreTransaction& change, ListNumber list, const Address& address,
                         const std::function<Result<>(Subscriber&)>& edit) {
  auto records = ListRecords::open(change, list);
  if (!records) return fail(records);
  const std::string key = address_key(address);
  auto found = records->find(key);
  if (!found) return fail(found);
  if (!*found) return false;
  auto value = change.get(table::subscribers, subscriber_key(list, address));
  if (!value) return fail(value);
  auto subscriber = value_to_subscriber(key, value->value_or(std::string_view()));
  if (!subscriber) return damaged("the record", address_to_text(address));
  const State before = subscriber->state;
  if (auto edited = edit(*subscriber); !edited) return fail(edited);
  subscriber->attributes = subscriber->state == State::removed
                               ? std::string()
                               : sorted_attributes(subscriber->attributes);
  const std::string packed = subscriber_to_value(*subscriber);
  if (auto put = records->put(key, before, *view_value(packed)); !put) return fail(put);
  if (auto put = records->finish(); !put) return fail(put);
  return true;
}

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

Result<Change> Store::put(ListNumber list, const std::vector<Subscriber>& subscribers,
                          Revive revive) {
  ImportOptions options;
  options.revive = revive;
  auto next = subscribers.begin();
  return import(
      list,
      [&](Entry& entry) -> Result<bool> {
        if (next == subscribers.end()) return false;
        entry.address = next->address;
        entry.attributes = next->attributes;
        if (next->state != State::active) entry.state = next->state;
        if (next->joined != 0) entry.joined = next->joined;
        if (next->changed != 0) entry.changed = next->changed;
        ++next;
        return true;
      },
      options);
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

Result<bool> Store::change(ListNumber list, const Address& address,
                           const std::function<Result<>(Subscriber&)>& edit) {
  bool there = false;
  auto done = inside_->env.write([&](StoreTransaction& transaction) -> Result<> {
    auto edited = edit_record(transaction, list, address, edit);
    if (!edited) return fail(edited);
    there = *edited;
    return {};
  });
  if (!done) return fail(done);
  return there;
}

Result<bool> Store::replace(ListNumber list, const Subscriber& subscriber) {
  return change(list, subscriber.address, [&](Subscriber& stored) -> Result<> {
    stored = subscriber;
    return {};
  });
}

Result<Bounced> Store::mark_bounce(ListNumber list, const Address& address,
                                   const BounceMark& mark) {
  std::string key = mark_prefix(list, address_key(address));
  append_big<4>(key, mark.tag);
  std::string value;
  append_big<2>(value, mark.day);
  value += mark.status;
  Bounced bounced;
  auto done = inside_->env.write([&](StoreTransaction& transaction) -> Result<> {
    bounced = {};
    auto refused = note_refusal(transaction, list, mark, address.domain);
    if (!refused) return fail(refused);
    bounced.refused = *refused;
    auto before = transaction.get(table::marks, key);
    if (!before) return fail(before);
    if (*before || refused->blamed || mark.status.empty()) return {};
    auto edited = edit_record(transaction, list, address, [&](Subscriber& subscriber) -> Result<> {
      bounced.marked = subscriber.state != State::removed;
      if (subscriber.state != State::active) return {};
      subscriber.state = State::bouncing;
      subscriber.changed = mark.day;
      return {};
    });
    if (!edited) return fail(edited);
    return bounced.marked ? transaction.put(table::marks, key, value) : Result<>();
  });
  if (!done) return fail(done);
  return bounced;
}

}  // namespace ml
