#include "stage/subscribers.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/attributes.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

struct Setting {
  std::string key;
  std::string value;  // empty: the attribute goes
};

Result<Setting> operand_to_setting(std::string_view text) {
  const auto equals = text.find('=');
  const auto key = text.substr(0, equals);
  if (equals == std::string_view::npos || !is_key(key)) {
    return failure(Status::usage, "'{}' is no key=value, the key in a-z 0-9 _ . -",
                   printable(text, 80));
  }
  if (is_reserved_key(key) || key == "address" || key == "joined" || key == "changed") {
    return failure(Status::usage, "{} is not to be set: {}", key,
                   key == "address" ? "add the new address and remove the old one"
                                    : "the name is kept for ml-store and the stream");
  }
  std::string value(text.substr(equals + 1));
  for (auto at = value.find("\r\n"); at != std::string::npos; at = value.find("\r\n")) {
    value.erase(at, 1);
  }
  std::string escaped;
  append_escaped(escaped, value);
  if (!are_good_attributes(std::string(key) + '=' + escaped)) {
    return failure(Status::usage, "the value of {} is not UTF-8 or has a control character", key);
  }
  return Setting{std::string(key), std::move(value)};
}

Result<> set_state(Subscriber& subscriber, State state, Revive revive) {
  if (revive == Revive::no && stays_out(subscriber.state, state)) {
    return failure(Status::no, "{} was {} on {}: only --revive takes it back",
                   address_to_text(subscriber.address), state_to_text(subscriber.state),
                   day_to_text(subscriber.changed));
  }
  if (state == subscriber.state) return {};
  subscriber.changed = today();
  if (subscriber.state == State::removed) subscriber.joined = subscriber.changed;  // anew
  subscriber.state = state;
  return {};
}

Result<> apply(Subscriber& subscriber, const std::vector<Setting>& settings, Revive revive) {
  for (const Setting& setting : settings) {
    if (setting.key != "state") continue;
    const auto state = text_to_state(setting.value);
    if (!state) {
      return failure(Status::usage,
                     "'{}' is no state: active, nomail, digest, bouncing, suspended, removed",
                     printable(setting.value, 40));
    }
    if (auto set = set_state(subscriber, *state, revive); !set) return set;
  }
  for (const auto& [key, value] : settings) {
    if (key == "state") continue;
    if (subscriber.state == State::removed) {
      return failure(Status::no, "{} was removed on {}: of it nothing else is kept",
                     address_to_text(subscriber.address), day_to_text(subscriber.changed));
    }
    subscriber.attributes =
        with_attribute(Attributes(subscriber.attributes), key,
                       value.empty() ? std::nullopt : std::optional<std::string_view>(value));
  }
  return {};
}

Failure not_on(const OpenList& list, const Address& address) {
  return failure(Status::no, "{} is not on {}", address_to_text(address), list.name.text());
}

// One thing known of a subscriber, in the order in which they are shown.
using Known = std::vector<std::pair<std::string, std::string>>;

Known known_of(std::string_view list, const Subscriber& subscriber, std::uint64_t bounces) {
  Known known = {{"list", std::string(list)},
                 {"address", address_to_text(subscriber.address)},
                 {"state", std::string(state_to_text(subscriber.state))},
                 {"joined", day_to_text(subscriber.joined)},
                 {"changed", day_to_text(subscriber.changed)}};
  if (bounces > 0) known.emplace_back("bounces", fmt::to_string(bounces));
  return known;
}

Known known_of(const Address& address, const Suppression& suppression) {
  Known known = {{"address", address_to_text(address)},
                 {"suppressed", day_to_text(suppression.day)}};
  if (!suppression.reason.empty()) known.emplace_back("reason", suppression.reason);
  return known;
}

void append_object(std::string& line, const Known& known) {
  for (const auto& [key, value] : known) {
    line.append(line.empty() ? "{" : ",");
    append_json(line, key);
    line.push_back(':');
    append_json(line, value);
  }
}

std::string known_to_json(const Known& known) {
  std::string line;
  append_object(line, known);
  return line + "}\n";
}

std::string subscriber_to_json(const Known& known, std::string_view attributes) {
  std::string line;
  append_object(line, known);
  line += ",\"attributes\":{";
  bool first = true;
  Attributes(attributes).each([&](std::string_view key, std::string_view value) {
    if (!std::exchange(first, false)) line.push_back(',');
    append_json(line, key);
    line.push_back(':');
    append_json(line, unescaped(value).value_or(std::string(value)));
  });
  return line + "}}\n";
}

// Attributes stay escaped: a line each whatever is in them.
std::string subscriber_to_text(const Known& known, std::string_view attributes) {
  std::string text;
  for (const auto& [key, value] : known) {
    text.append(key).append(1, '\t').append(value).append(1, '\n');
  }
  Attributes(attributes).each([&](std::string_view key, std::string_view value) {
    text.append(key).append(1, '\t').append(value).append(1, '\n');
  });
  return text;
}

// Writes what is known of one address, list by list.
class Showing {
 public:
  Showing(Form form, Out& out) : form_(form), out_(out) {}

  Result<> subscriber(const Store& store, ListNumber number, std::string_view list,
                      const Subscriber& subscriber) {
    const auto bounces = store.bounce_marks(number, subscriber.address);
    if (!bounces) return fail(bounces);
    const auto known = known_of(list, subscriber, bounces->size());
    put(form_ == Form::json ? subscriber_to_json(known, subscriber.attributes)
                            : subscriber_to_text(known, subscriber.attributes));
    return {};
  }

  void suppression(const Address& address, const Suppression& suppression) {
    const Known known = known_of(address, suppression);
    put(form_ == Form::json ? known_to_json(known) : subscriber_to_text(known, {}));
  }

  [[nodiscard]] bool nothing() const { return nothing_; }

 private:
  void put(std::string_view text) {
    if (!std::exchange(nothing_, false) && form_ == Form::text) out_.put('\n');
    out_.put(text);
  }

  Form form_;
  Out& out_;
  bool nothing_ = true;
};

Result<Status> finish(Out& out, Status status) {
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  return status;
}

}  // namespace

Result<Status> set_subscriber(OpenList& list, std::string_view address,
                              const std::vector<std::string>& changes, Revive revive) {
  auto parsed = operand_to_address(address);
  if (!parsed) return fail(parsed);
  std::vector<Setting> settings;
  for (const std::string& change : changes) {
    auto setting = operand_to_setting(change);
    if (!setting) return fail(setting);
    settings.push_back(std::move(*setting));
  }
  if (settings.empty()) {
    return failure(Status::usage, "nothing to set: key=value is missing (ml-store set --help)");
  }
  auto there = list.store.change(list.number, *parsed, [&](Subscriber& subscriber) {
    return apply(subscriber, settings, revive);
  });
  if (!there) return fail(there);
  if (!*there) return not_on(list, *parsed);
  return Status::done;
}

Result<Status> show_subscriber(const OpenList& list, std::string_view address, Form form,
                               Out& out) {
  auto parsed = operand_to_address(address);
  if (!parsed) return fail(parsed);
  auto found = list.store.find(list.number, *parsed);
  if (!found) return fail(found);
  if (!*found) return not_on(list, *parsed);
  Showing showing(form, out);
  if (auto shown = showing.subscriber(list.store, list.number, list.name.text(), **found); !shown) {
    return fail(shown);
  }
  auto suppressed = list.store.suppressed(*parsed);
  if (!suppressed) return fail(suppressed);
  if (*suppressed) showing.suppression(*parsed, **suppressed);
  return finish(out, Status::done);
}

Result<Status> show_address(const Store& store, std::string_view address, Form form, Out& out) {
  auto parsed = operand_to_address(address);
  if (!parsed) return fail(parsed);
  auto names = store.lists();
  if (!names) return fail(names);
  Showing showing(form, out);
  for (const std::string& name : *names) {
    auto number = store.list(name);
    if (!number) return fail(number);
    auto found = store.find(*number, *parsed);
    if (!found) return fail(found);
    if (!*found) continue;
    if (auto shown = showing.subscriber(store, *number, name, **found); !shown) return fail(shown);
  }
  auto suppressed = store.suppressed(*parsed);
  if (!suppressed) return fail(suppressed);
  if (*suppressed) showing.suppression(*parsed, **suppressed);
  if (showing.nothing()) {
    return failure(Status::no, "{} is on no list", address_to_text(*parsed));
  }
  return finish(out, Status::done);
}

Result<Status> count_subscribers(const OpenList& list, Form form, Out& out) {
  auto counts = list.store.count(list.number);
  if (!counts) return fail(counts);
  if (form == Form::json) {
    std::string line = "{\"list\":";
    append_json(line, list.name.text());
    out.put(line + fmt::format(",\"due\":{},\"all\":{}}}\n", counts->due, counts->all));
  } else {
    out.put(fmt::format("due\t{}\nall\t{}\n", counts->due, counts->all));
  }
  return finish(out, Status::done);
}

Result<Status> suppress_address(Store& store, std::string_view address, std::string_view reason) {
  auto parsed = operand_to_address(address);
  if (!parsed) return fail(parsed);
  if (!is_utf8(reason) || std::ranges::any_of(reason, is_control)) {
    return failure(Status::usage, "the reason is not UTF-8 or has a control character");
  }
  if (auto done = store.suppress(*parsed, reason); !done) return fail(done);
  return Status::done;
}

Result<Status> unsuppress_address(Store& store, std::string_view address) {
  auto parsed = operand_to_address(address);
  if (!parsed) return fail(parsed);
  auto was = store.unsuppress(*parsed);
  if (!was) return fail(was);
  if (*was) return Status::done;
  return failure(Status::no, "{} was not suppressed", address_to_text(*parsed));
}

Result<Status> show_suppressed(const Store& store, Form form, Out& out) {
  auto shown = store.each_suppressed([&](const Address& address, const Suppression& suppression) {
    if (form == Form::json) {
      out.put(known_to_json(known_of(address, suppression)));
    } else {
      out.put(fmt::format("{}\t{}\t{}\n", address_to_text(address), day_to_text(suppression.day),
                          suppression.reason));
    }
    return !out.failed();
  });
  if (!shown) return fail(shown);
  return finish(out, Status::done);
}

Result<Status> check_store(const Store& store, Form form, Out& out) {
  auto findings = store.check();
  if (!findings) return fail(findings);
  std::string text;
  if (form == Form::json) {
    text = "{\"findings\":";
    append_json(text, *findings);
    text += "}\n";
  } else {
    for (const std::string& finding : *findings) text += finding + '\n';
  }
  out.put(text);
  return finish(out, findings->empty() ? Status::done : Status::no);
}

}  // namespace ml
