#include "stage/bounce_steps.hpp"

#include <algorithm>
#include <utility>

#include "base/diag.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "list/settings.hpp"
#include "mail/verp.hpp"
#include "stage/bounce_address.hpp"
#include "stage/bounce_letter.hpp"
#include "stage/route.hpp"

namespace ml {
namespace {

constexpr std::uint32_t quiet_minutes = 60;  // between two notices to the owners of a list
constexpr std::uint16_t kept_days = 180;     // marks and refusals; all weight is gone by then

BouncedState bounced_state(State state) {
  if (state == State::bouncing) return BouncedState::bouncing;
  if (state == State::suspended) return BouncedState::suspended;
  return BouncedState::sound;
}

std::string_view step_to_text(ProbeStep step) {
  switch (step) {
    case ProbeStep::evidence: return "for evidence";
    case ProbeStep::suspend: return "before suspension";
    case ProbeStep::remove: return "before removal";
  }
  return {};
}

std::string_view next_to_text(BounceStep step) {
  switch (step) {
    case BounceStep::none: return "nothing yet";
    case BounceStep::probe: return "a probe";
    case BounceStep::suspend: return "suspension";
    case BounceStep::remove: return "removal";
    case BounceStep::recover: return "active again";
    case BounceStep::drop_probe: return "nothing more of its probe";
  }
  return {};
}

// The same for the same letter made again after a kill. An id that begins with `r` is done with
// where ml-send has sent it already; of any other it would complain.
std::string letter_id(std::string_view letter) {
  return 'r' + base32(sha256(letter)).substr(0, 26);
}

std::string probe_letter(std::string_view text, const ListName& list, const Address& address,
                         std::chrono::system_clock::time_point now) {
  const std::string to = address_to_text(address);
  return make_letter(text, list, to, {to, {}}, now);
}

bool steps_down(const BounceVerdict& verdict) {
  return verdict.step == BounceStep::suspend || verdict.step == BounceStep::remove;
}

}  // namespace

Result<const BounceRules*> BounceSteps::rules(const ListName& list) {
  const auto known = rules_.find(list.text());
  if (known != rules_.end()) return &known->second;
  const auto settings = load_settings(home_.files, &list);
  if (!settings) return fail(settings);
  auto rules = settings_to_bounce_rules(*settings);
  if (!rules) return fail(rules);
  return &rules_.emplace(list.text(), std::move(*rules)).first->second;
}

Result<std::optional<BounceSteps::Standing>> BounceSteps::standing(const ListName& list,
                                                                   const Address& address) {
  const auto rules = this->rules(list);
  if (!rules) return fail(rules);
  const auto number = home_.store.list(list.text());
  if (!number) return fail(number);
  auto subscriber = home_.store.find(*number, address);
  if (!subscriber) return fail(subscriber);
  if (!*subscriber || (*subscriber)->state == State::removed) return std::nullopt;
  auto marks = home_.store.bounce_marks(*number, address);
  if (!marks) return fail(marks);
  const auto probe = home_.store.probe(*number, address);
  if (!probe) return fail(probe);
  std::vector<CountedBounce> bounces;
  for (const BounceMark& mark : *marks) {
    bounces.push_back({mark.day, mark.status.ends_with(" full")});
  }
  std::optional<SentProbe> sent;
  if (*probe) sent = {(*probe)->day, (*probe)->step != ProbeStep::evidence, (*probe)->bounced};
  Standing standing{*number, std::move(**subscriber), std::move(*marks), *probe, {}};
  standing.verdict =
      judge_bounces(bounced_state(standing.subscriber.state), standing.subscriber.changed, bounces,
                    sent, **rules, home_.day());
  return standing;
}

Result<> BounceSteps::follow(const ListName& list, const Address& address) {
  const auto standing = this->standing(list, address);
  if (!standing) return fail(standing);
  if (!*standing) return {};
  if (steps_down((*standing)->verdict)) return settle(list);
  if ((*standing)->verdict.step == BounceStep::probe) return take(list, **standing);
  return {};
}

Result<> BounceSteps::follow_again(const ListName& list, const Address& address) {
  const auto standing = this->standing(list, address);
  if (!standing) return fail(standing);
  const bool under_way = *standing && (*standing)->probe && !(*standing)->probe->bounced;
  return under_way ? repeat_probe(list, **standing) : follow(list, address);
}

Result<> BounceSteps::probe_for_evidence(const ListName& list, const Address& address) {
  const auto standing = this->standing(list, address);
  if (!standing) return fail(standing);
  if (!*standing || (*standing)->probe || !is_due((*standing)->subscriber.state)) return {};
  return send_probe(list, **standing, ProbeStep::evidence);
}

Result<> BounceSteps::take(const ListName& list, const Standing& standing) {
  switch (standing.verdict.step) {
    case BounceStep::probe:
      return send_probe(
          list, standing,
          standing.subscriber.state == State::suspended ? ProbeStep::remove : ProbeStep::suspend);
    case BounceStep::recover: return recover(list, standing);
    case BounceStep::drop_probe:
      return home_.store.drop_probe(standing.number, standing.subscriber.address);
    case BounceStep::suspend:
    case BounceStep::remove:
    case BounceStep::none: break;
  }
  return {};
}

Result<std::string> BounceSteps::probe_sender(const ListName& list, const Address& address,
                                              std::string_view id, std::uint16_t day) {
  const VerpKeys keys = signing_keys(home_.keys);
  const auto handle = handle_of_list(home_.store, list);
  if (!handle) return handle;
  Verp verp(keys, list.text(), *handle, id, day);
  std::string sender;
  if (verp.append_sender(sender, address.local, address.domain)) return sender;
  const std::string recipient = canonical_recipient(address.local, address.domain);
  auto handles = home_.store.give_handles(
      {recipient},
      [&](std::string_view whose, unsigned attempt) { return verp_handle(keys, whose, attempt); });
  if (!handles) return fail(handles);
  verp.append_sender_with_handle(sender, recipient, handles->front());
  return sender;
}

Result<> BounceSteps::send_probe(const ListName& list, const Standing& standing, ProbeStep step) {
  const Address& address = standing.subscriber.address;
  const auto text = probe_text(list);
  if (!text) return fail(text);
  const std::string letter = probe_letter(*text, list, address, home_.now);
  if (auto written = write_probe(list, address, letter, home_.day()); !written) return written;
  log(fmt::format("{} on {} is asked by a probe {}: {}", printable(address_to_text(address), 320),
                  list.text(), step_to_text(step),
                  step == ProbeStep::evidence ? "an unsigned bounce" : standing.verdict.why));
  return home_.store.put_probe(standing.number, address,
                               {message_tag(letter_id(letter)), home_.day(), step, false});
}

// The store has its day and its tag; that it was written in one of these hours is in the letter.
Result<> BounceSteps::repeat_probe(const ListName& list, const Standing& standing) {
  const Address& address = standing.subscriber.address;
  const auto text = probe_text(list);
  if (!text) return fail(text);
  const std::chrono::sys_days day{std::chrono::days(standing.probe->day)};
  for (int hour = 0; hour < 24; ++hour) {
    const auto letter = probe_letter(*text, list, address, day + std::chrono::hours(hour));
    if (message_tag(letter_id(letter)) == standing.probe->tag) {
      return write_probe(list, address, letter, standing.probe->day);
    }
  }
  return {};
}

Result<std::string> BounceSteps::probe_text(const ListName& list) {
  const auto rules = this->rules(list);
  if (!rules) return fail(rules);
  return letter_text(home_.files, (*rules)->probe_text, default_probe_text);
}

Result<> BounceSteps::write_probe(const ListName& list, const Address& address,
                                  const std::string& letter, std::uint16_t day) {
  const std::string id = letter_id(letter);
  const auto sender = probe_sender(list, address, id, day);
  if (!sender) return fail(sender);
  out_.message(id, list.address(Role::bounces), letter, "\tlist=" + list.text());
  out_.rcpt(address_to_text(address), *sender, {});
  out_.end(Status::done, {});
  if (auto flushed = out_.flush(); !flushed) return flushed;
  ++sections_;
  return {};
}

Result<> BounceSteps::recover(const ListName& list, const Standing& standing) {
  const auto changed = home_.store.change(standing.number, standing.subscriber.address,
                                          [&](Subscriber& subscriber) -> Result<> {
                                            subscriber.state = State::active;
                                            subscriber.changed = home_.day();
                                            return {};
                                          });
  if (!changed) return fail(changed);
  log(fmt::format("{} on {} is active again: {}",
                  printable(address_to_text(standing.subscriber.address), 320), list.text(),
                  standing.verdict.why));
  return {};
}

// Everybody of the list whose probe came back, in one notice.
Result<> BounceSteps::settle(const ListName& list) {
  const auto number = home_.store.list(list.text());
  if (!number) return fail(number);
  const auto told = home_.store.owners_told(*number);
  if (!told) return fail(told);
  if (home_.minute() < *told + quiet_minutes) return {};
  const auto probed = home_.store.probed(*number);
  if (!probed) return fail(probed);
  std::vector<Standing> fallen;
  for (const Address& address : *probed) {
    auto standing = this->standing(list, address);
    if (!standing) return fail(standing);
    if (*standing && steps_down((*standing)->verdict)) fallen.push_back(std::move(**standing));
  }
  if (fallen.empty()) return {};
  if (auto written = tell_owners(list, fallen); !written) return written;
  for (const Standing& standing : fallen) {
    if (auto done = step_down(list, standing); !done) return done;
  }
  return home_.store.put_owners_told(*number, home_.minute());
}

Result<> BounceSteps::tell_owners(const ListName& list, const std::vector<Standing>& fallen) {
  const auto rules = this->rules(list);
  if (!rules) return fail(rules);
  const auto settings = load_settings(home_.files, &list);
  if (!settings) return fail(settings);
  const auto delimiter = delimiter_of(home_.files);
  if (!delimiter) return fail(delimiter);
  const auto owners = owners_of(home_.store, *settings, list, *delimiter);
  if (!owners) return fail(owners);
  const auto text = letter_text(home_.files, (*rules)->notice_text, default_notice_text);
  if (!text) return fail(text);
  LetterSlots slots;
  for (const Standing& standing : fallen) {
    const bool removed = standing.verdict.step == BounceStep::remove;
    const std::string last =
        standing.marks.empty() ? "" : ", last " + printable(standing.marks.back().status, 80);
    slots.subscribers += fmt::format("  {}  {} ({}{})\n",
                                     printable(address_to_text(standing.subscriber.address), 320),
                                     removed ? "removed" : "suspended", standing.verdict.why, last);
  }
  const std::string owner = list.address(Role::owner);
  const std::string letter = make_letter(*text, list, owner, slots, home_.now);
  out_.message(letter_id(letter), "<>", letter, "\tlist=" + list.text());
  for (const std::string& each : *owners) out_.rcpt(each, "-", {});
  out_.end(Status::done, {});
  ++sections_;
  return out_.flush();
}

Result<> BounceSteps::step_down(const ListName& list, const Standing& standing) {
  const Address& address = standing.subscriber.address;
  const bool removed = standing.verdict.step == BounceStep::remove;
  if (removed) {
    const auto gone = home_.store.remove(standing.number, {address});
    if (!gone) return fail(gone);
  } else {
    const auto changed =
        home_.store.change(standing.number, address, [&](Subscriber& subscriber) -> Result<> {
          subscriber.state = State::suspended;
          subscriber.changed = home_.day();
          return {};
        });
    if (!changed) return fail(changed);
  }
  log(fmt::format("{} on {} is {}: {}", printable(address_to_text(address), 320), list.text(),
                  removed ? "removed" : "suspended", standing.verdict.why));
  return home_.store.drop_probe(standing.number, address);
}

Result<> BounceSteps::sweep(const ListName& list) {
  const auto number = home_.store.list(list.text());
  if (!number) return fail(number);
  const auto from = static_cast<std::uint16_t>(home_.day() - kept_days);
  if (auto forgotten = home_.store.forget_bounces(*number, from); !forgotten) return forgotten;
  Result<> state;
  const auto look_at = [&](const Address& address) {
    const auto standing = this->standing(list, address);
    if (!standing) {
      state = fail(standing);
    } else if (*standing) {
      state = take(list, **standing);
    }
    return state.has_value();
  };
  auto seen = home_.store.each(*number, [&](const Subscriber& subscriber) {
    return bounced_state(subscriber.state) == BouncedState::sound || look_at(subscriber.address);
  });
  if (!seen) return seen;
  if (!state) return state;
  const auto probed = home_.store.probed(*number);
  if (!probed) return fail(probed);
  for (const Address& address : *probed) {
    if (!look_at(address)) return state;
  }
  return settle(list);
}

Result<std::string> BounceSteps::explain(const ListName& list, const Address& address) {
  const auto standing = this->standing(list, address);
  if (!standing) return fail(standing);
  const std::string whose = printable(address_to_text(address), 320);
  if (!*standing) return retry("{} is no subscriber of {}", whose, list.text());
  const Standing& now = **standing;
  std::string text = fmt::format("address\t{}\nlist\t{}\nstate\t{} since {}\nscore\t{:.1f}\n",
                                 whose, list.text(), state_to_text(now.subscriber.state),
                                 day_to_text(now.subscriber.changed), now.verdict.score);
  for (const BounceMark& mark : now.marks) {
    text += fmt::format("bounce\t{} message {}: {}\n", day_to_text(mark.day), tag_to_text(mark.tag),
                        printable(mark.status, 80));
  }
  if (now.probe) {
    text += fmt::format("probe\t{} {}, {}\n", day_to_text(now.probe->day),
                        step_to_text(now.probe->step),
                        now.probe->bounced ? "came back" : "not come back");
  }
  const auto suppressed = home_.store.suppressed(address);
  if (!suppressed) return fail(suppressed);
  if (*suppressed) {
    text += fmt::format("suppressed\t{} {}\n", day_to_text((*suppressed)->day),
                        printable((*suppressed)->reason, 200));
  }
  return text + fmt::format("next\t{}{}{}\n", next_to_text(now.verdict.step),
                            now.verdict.why.empty() ? "" : ": ", now.verdict.why);
}

}  // namespace ml
