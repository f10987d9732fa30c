// Store: changing one subscriber, and what a bounce says of one.
#include "store/inside.hpp"
#include "store/list_records.hpp"
#include "store/store.hpp"

namespace ml {
namespace {

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
