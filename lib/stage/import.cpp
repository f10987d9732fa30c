#include "stage/import.hpp"

#include <utility>

#include "base/attributes.hpp"
#include "base/diag.hpp"
#include "base/text.hpp"
#include "list/settings.hpp"

namespace ml {
namespace {

Result<> text_to_own(Entry& entry, std::string_view key, std::string_view value) {
  if (key == "state") {
    entry.state = text_to_state(value);
    if (entry.state) return {};
    return retry(
        "its state '{}' is none of active, nomail, digest, bouncing, suspended, removed (a column "
        "that means something else: --rename state=NAME)",
        printable(value, 40));
  }
  auto& day = key == "joined" ? entry.joined : entry.changed;
  day = text_to_day(value);
  if (day) return {};
  return retry("its {} '{}' is no day such as 2026-11-22 (something else: --rename {}=NAME)", key,
               printable(value, 40), key);
}

// Fills the entry; the columns that are the subscriber's own leave the attributes.
Result<> row_to_entry(Row& row, Entry& entry) {
  entry.address.local.swap(row.address.local);
  entry.address.domain.swap(row.address.domain);
  if (row.attributes.empty()) return {};
  Result<> state;
  std::string others;
  Attributes(row.attributes).each([&](std::string_view key, std::string_view value) {
    if (key == "state" || key == "joined" || key == "changed") {
      if (state) state = text_to_own(entry, key, value);
      return;
    }
    if (!others.empty()) others.push_back('\t');
    others.append(key).append(1, '=').append(value);
  });
  entry.attributes = std::move(others);
  return state;
}

// The good rows of a file. Where bad ones stop the import they do so at its end, all counted.
class GoodRows {
 public:
  GoodRows(Rows rows, const ImportRequest& request) : rows_(std::move(rows)), request_(request) {}
  [[nodiscard]] const std::string& name() const { return rows_.name(); }

  [[nodiscard]] Result<bool> next(Entry& entry) {
    for (;;) {
      auto more = rows_.next(row_);
      if (!more) return fail(more);
      if (!*more) return bad_.any() ? Result<bool>(bad_.failure()) : false;
      if (row_.bad.empty()) {
        if (auto made = row_to_entry(row_, entry); !made) row_.bad = made.error().text;
      }
      if (row_.bad.empty()) {
        if (!entry.state) entry.state = request_.state;
        return true;
      }
      entry.clear();
      if (request_.bad == BadRow::skip) {
        say(bad_row_to_text(rows_, row_));
      } else {
        bad_.add(rows_, row_);
      }
    }
  }

 private:
  Rows rows_;
  Row row_;
  const ImportRequest& request_;
  BadRows bad_;
};

// What a query that failed hands over must not be taken for a list of nobody.
Failure no_row(const OpenList& list, const std::string& name) {
  return retry(
      "{} has no subscriber in it and would replace all of {}: nothing was changed (a list is "
      "emptied by: ml-store export --addresses {} | ml-store remove {} -)",
      name, list.name.text(), list.name.text(), list.name.text());
}

Result<Change> import_rows(OpenList& list, const std::string& file, const ImportRequest& request,
                           std::optional<State> always = {}) {
  auto rows = Rows::open(file, request.columns);
  if (!rows) return fail(rows);
  bool empties = false;  // where no row comes
  if (request.rules.absent != Absent::stay) {
    const auto counts = list.store.count(list.number);
    if (!counts) return fail(counts);
    empties = counts->all > 0;
  }
  GoodRows good(std::move(*rows), request);
  return list.store.import(
      list.number,
      [&](Entry& entry) -> Result<bool> {
        auto more = good.next(entry);
        if (!more) return more;
        if (!*more && empties) return no_row(list, good.name());
        empties = false;
        if (always) entry.state = always;
        return more;
      },
      request.rules);
}

Result<std::vector<Address>> operands_to_addresses(const std::vector<std::string>& operands) {
  if (operands.empty())
    return failure(Status::usage, "ADDRESS is missing (or - for rows on stdin)");
  std::vector<Address> addresses;
  for (const std::string& operand : operands) {
    auto address = operand_to_address(operand);
    if (!address) return fail(address);
    addresses.push_back(std::move(*address));
  }
  return addresses;
}

Result<Change> import_addresses(OpenList& list, const std::vector<Address>& addresses,
                                std::optional<State> state, const ImportOptions& rules) {
  auto next = addresses.begin();
  return list.store.import(
      list.number,
      [&](Entry& entry) -> Result<bool> {
        if (next == addresses.end()) return false;
        entry.address = *next++;
        entry.state = state;
        return true;
      },
      rules);
}

void say_kept_out(const Change& change) {
  if (change.kept_out == 0) return;
  say(fmt::format("{} {} out: removed or suspended before (--revive takes them back)",
                  change.kept_out, change.kept_out == 1 ? "address stays" : "addresses stay"));
}

// Those who were to be removed and are not on the list, or not any more.
std::uint64_t absent(const Change& change) {
  return change.unknown + change.unchanged;
}

void say_absent(const OpenList& list, const Change& change) {
  const std::uint64_t count = absent(change);
  if (count == 0) return;
  say(fmt::format("{} {} not on {}", count, count == 1 ? "address is" : "addresses are",
                  list.name.text()));
}

// Of those whom operands name, before anything is changed: a line for each that `why` has one for.
template <class Why>
Result<std::vector<std::string>> reasons(const OpenList& list,
                                         const std::vector<Address>& addresses, const Why& why) {
  std::vector<std::string> lines;
  for (const Address& address : addresses) {
    const auto found = list.store.find(list.number, address);
    if (!found) return fail(found);
    if (auto line = why(address, *found); !line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

Result<std::vector<std::string>> who_stays_out(const OpenList& list,
                                               const std::vector<Address>& addresses,
                                               State wanted) {
  return reasons(list, addresses, [&](const Address& address, const auto& found) {
    if (!found || !stays_out(found->state, wanted)) return std::string();
    return fmt::format("{} was {} on {} and stays out of {} (--revive takes it back)",
                       address_to_text(address), state_to_text(found->state),
                       day_to_text(found->changed), list.name.text());
  });
}

Result<std::vector<std::string>> who_is_absent(const OpenList& list,
                                               const std::vector<Address>& addresses) {
  return reasons(list, addresses, [&](const Address& address, const auto& found) {
    if (found && found->state != State::removed) return std::string();
    return fmt::format("{} is not on {}", address_to_text(address), list.name.text());
  });
}

// The others have been done.
Result<Status> told(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) say(line);
  return lines.empty() ? Status::done : Status::no;
}

bool is_standard_input(const std::vector<std::string>& operands) {
  return operands.size() == 1 && operands.front() == "-";
}

}  // namespace

Result<OpenList> open_list(const Home& home, std::string_view name, Access access) {
  auto full = find_list_name(home, name);
  if (!full) return fail(full);
  auto store = Store::open(home, access);
  if (!store) return fail(store);
  auto number = store->list(full->text());
  if (!number) return fail(number);
  return OpenList{std::move(*store), std::move(*full), *number};
}

Result<Address> operand_to_address(std::string_view text) {
  auto address = text_to_address(text);
  if (!address) return failure(Status::usage, "{}", address.error().text);
  return address;
}

Result<Status> import_subscribers(OpenList& list, const std::string& file,
                                  const ImportRequest& request, Out& out) {
  auto change = import_rows(list, file, request);
  if (!change) {
    if (change.error().status != Status::no) return fail(change);
    return failure(Status::no, "{}: {}", list.name.text(), change.error().text);
  }
  const std::pair<std::string_view, std::uint64_t> counts[] = {
      {"added", change->added},         {"changed", change->changed},
      {"unchanged", change->unchanged}, {"removed", change->removed},
      {"kept-out", change->kept_out},   {"repeated", change->repeated}};
  for (const auto& [what, count] : counts) {
    if (count > 0) out.put(fmt::format("{}\t{}\n", what, count));
  }
  say_kept_out(*change);
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  return Status::done;
}

Result<Status> add_subscribers(OpenList& list, const std::vector<std::string>& addresses,
                               const ImportRequest& request) {
  if (is_standard_input(addresses)) {
    auto change = import_rows(list, "-", request);
    if (!change) return fail(change);
    say_kept_out(*change);
    return Status::done;
  }
  auto parsed = operands_to_addresses(addresses);
  if (!parsed) return fail(parsed);
  std::vector<std::string> out;
  if (request.rules.revive == Revive::no) {
    auto found = who_stays_out(list, *parsed, request.state.value_or(State::active));
    if (!found) return fail(found);
    out = std::move(*found);
  }
  auto change = import_addresses(list, *parsed, request.state, request.rules);
  if (!change) return fail(change);
  return told(out);
}

Result<Status> remove_subscribers(OpenList& list, const std::vector<std::string>& addresses,
                                  BadRow bad) {
  ImportRequest request;
  request.columns.columns = Columns::address_only;
  request.bad = bad;
  request.rules.unknown = Unknown::pass_over;
  if (is_standard_input(addresses)) {
    auto change = import_rows(list, "-", request, State::removed);
    if (!change) return fail(change);
    say_absent(list, *change);
    return Status::done;
  }
  auto parsed = operands_to_addresses(addresses);
  if (!parsed) return fail(parsed);
  const auto missing = who_is_absent(list, *parsed);
  if (!missing) return fail(missing);
  auto change = import_addresses(list, *parsed, State::removed, request.rules);
  if (!change) return fail(change);
  return told(*missing);
}

}  // namespace ml
