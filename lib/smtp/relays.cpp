#include "smtp/relays.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace ml {
namespace {

constexpr std::size_t fewest_lockstep_messages = 8;
constexpr std::size_t most_faults = 3;
constexpr std::size_t short_connections = 20;
constexpr std::size_t messages_a_connection = 8;
constexpr std::size_t messages_after_too_many = 200;
// See the header for these.
constexpr double most_ahead = 16;
constexpr double most_behind = 1000;
constexpr auto longest_wait = std::chrono::seconds(1);
constexpr auto time_without_waiting = std::chrono::seconds(10);
constexpr auto first_pause = std::chrono::milliseconds(500);

// A deferral that speaks of the recipient (its mailbox, its address) says nothing of the relay.
bool is_of_relay(const Reply& reply) {
  return reply.transient() && reply.enhanced.subject != 1 && reply.enhanced.subject != 2;
}

// Of the free ones only those of the least rank are used.
std::pair<bool, std::uint16_t> rank(const Relay& relay) {
  return {relay.backup, relay.order};
}

// smtps:// is TLS or nothing.
bool may_do_without_tls(const Relay& relay) {
  return relay.tls_meant() == Tls::may && relay.scheme != Scheme::smtps;
}

std::string seconds(Clock::duration time) {
  return fmt::format("{:.3g} s", std::chrono::duration<double>(time).count());
}

}  // namespace

Relays::Relays(std::vector<Relay> relays, Terms terms) : terms_(terms) {
  std::ranges::stable_sort(relays, {}, rank);
  for (Relay& relay : relays) {
    State state;
    state.relay = std::move(relay);
    state.message_limit = terms.messages;
    all_.push_back(std::move(state));
  }
  for (std::size_t i = 1; i < all_.size(); ++i) {
    const Relay& before = all_[i - 1].relay;
    const Relay& its = all_[i].relay;
    if (rank(before) == rank(its) && before.weight != its.weight) has_shares_ = true;
  }
}

std::optional<std::size_t> Relays::pick(Clock::time_point now,
                                        std::span<const std::size_t> live) const {
  const auto is_free = [&](std::size_t i) {
    return !all_[i].out && all_[i].free_at <= now && live[i] != unfit;
  };
  std::size_t first = 0;
  while (first < all_.size() && !is_free(first)) ++first;
  std::optional<std::size_t> best;
  for (std::size_t i = first; i < all_.size(); ++i) {
    const State& state = all_[i];
    if (rank(state.relay) != rank(all_[first].relay)) break;
    const std::size_t most = state.relay.is_dialogue() ? state.connections : 1;
    if (!is_free(i) || live[i] >= most) continue;
    if (!best || live[i] * all_[*best].relay.weight < live[*best] * state.relay.weight) best = i;
  }
  return best;
}

// One that is out may still have as many as ever.
bool Relays::are_full(std::size_t live) const {
  std::size_t most = 0;
  for (const State& state : all_) {
    const std::size_t own = state.out ? terms_.connections : state.connections;
    most += state.relay.is_dialogue() ? own : 1;
  }
  return live >= most;
}

// ---- shares

bool Relays::is_waited_for(const State& behind, const State& ahead, Room room,
                           Clock::time_point now) const {
  return room != Room::none && !behind.out && now >= behind.waited_for_from &&
         rank(behind.relay) == rank(ahead.relay) &&
         ahead.share > behind.share + most_ahead / ahead.relay.weight;
}

bool Relays::waits(std::size_t index, std::span<const Room> rooms, Rated rated,
                   Clock::time_point now) {
  State& own = all_[index];
  bool waits = false;
  bool has_room = false;
  for (std::size_t i = 0; i < all_.size(); ++i) {
    if (i == index || !is_waited_for(all_[i], own, rooms[i], now)) continue;
    waits = true;
    has_room = has_room || rooms[i] == Room::free;
  }
  if (!waits) {
    own.waits_since.reset();
    return false;
  }
  // It is the rate then that keeps those behind from more.
  if (!own.waits_since || (rated == Rated::yes && has_room)) own.waits_since = now;
  if (now - *own.waits_since < longest_wait) return true;
  for (std::size_t i = 0; i < all_.size(); ++i) {
    if (i != index && is_waited_for(all_[i], own, rooms[i], now)) {
      all_[i].waited_for_from = now + time_without_waiting;
    }
  }
  own.waits_since.reset();
  return false;
}

std::optional<Clock::time_point> Relays::next_end_of_waiting(Clock::time_point after) const {
  std::optional<Clock::time_point> earliest;
  for (const State& state : all_) {
    if (!state.waits_since) continue;
    const auto end = *state.waits_since + longest_wait;
    if (end <= after) continue;
    earliest = std::min(earliest.value_or(end), end);
  }
  return earliest;
}

void Relays::gave(std::size_t index, std::size_t recipients) {
  State& own = all_[index];
  own.waits_since.reset();
  own.share += static_cast<double>(recipients) / own.relay.weight;
  for (State& other : all_) {
    if (rank(other.relay) != rank(own.relay)) continue;
    other.share = std::max(other.share, own.share - most_behind / other.relay.weight);
  }
}

std::size_t Relays::share_of(std::size_t index, std::size_t limit) const {
  const Relay& own = all_[index].relay;
  std::size_t most = own.weight;
  for (const State& state : all_) {
    if (rank(state.relay) == rank(own)) most = std::max<std::size_t>(most, state.relay.weight);
  }
  return std::max<std::size_t>(1, limit * own.weight / most);
}

// Only to one that has all that this one has: two would leave a message to each other.
Needs Relays::left_to_others(std::size_t index) const {
  const auto largest = [](const Needs& lacks) {
    return lacks.sizes.any() ? lacks.sizes.over : UINT64_MAX;
  };
  const Needs& own = all_[index].lacks;
  Needs found;
  if (!own.any()) return found;
  for (const State& other : all_) {
    const Needs& lacks = other.lacks;
    const bool lacks_more = (lacks.eight_bit && !own.eight_bit) ||
                            (lacks.smtputf8 && !own.smtputf8) || largest(lacks) < largest(own);
    if (other.out || other.troubled_since || lacks_more) continue;
    found.eight_bit = found.eight_bit || (own.eight_bit && !lacks.eight_bit);
    found.smtputf8 = found.smtputf8 || (own.smtputf8 && !lacks.smtputf8);
    if (largest(lacks) > largest(own)) {
      found.sizes = {own.sizes.over, std::max(found.sizes.up_to, largest(lacks))};
    }
  }
  return found;
}

std::optional<Clock::time_point> Relays::next_chance() const {
  std::optional<Clock::time_point> earliest;
  for (const State& state : all_) {
    if (!state.out) earliest = std::min(earliest.value_or(state.free_at), state.free_at);
  }
  return earliest;
}

std::optional<Clock::time_point> Relays::next_chance_after(Clock::time_point time) const {
  std::optional<Clock::time_point> earliest;
  for (const State& state : all_) {
    if (state.out || state.free_at <= time) continue;
    earliest = std::min(earliest.value_or(state.free_at), state.free_at);
  }
  return earliest;
}

OutletManner Relays::manner(std::size_t index) const {
  const State& state = all_[index];
  const bool is_short =
      state.short_ones > 0 && (state.message_limit == 0 || state.wary_after < state.message_limit);
  return {
      .messages = is_short ? state.wary_after : state.message_limit,
      .lockstep_messages = state.lockstep,
      .wary_after = state.wary_after,
      .patience = std::clamp(terms_.max_wait, std::chrono::seconds(1), std::chrono::seconds(300))};
}

void Relays::delivered(std::size_t index) {
  State& state = all_[index];
  state.fuse.delivered();
  state.deferrals.end();
  state.faults = 0;
  state.troubled_since.reset();
  state.pause = {};
  if (state.connections == terms_.connections) return;
  if (++state.earned < (state.had_too_many ? messages_after_too_many : messages_a_connection))
    return;
  state.earned = 0;
  ++state.connections;
}

bool Relays::failed(std::size_t index, Fate fate, const Reply& reply,
                    std::optional<std::string_view> domain) {
  State& state = all_[index];
  if (reply.ours) return false;
  state.faults = 0;  // it has understood that one
  if (is_of_relay(reply)) {
    domain ? state.deferrals.of_recipient(*domain) : state.deferrals.of_message();
    if (!state.out) {
      state.why = reply;
      state.why_is_to_recipient = true;
    }
    return state.deferrals.speak_of_relay();
  }
  if (terms_.fuse == FuseUse::off) return false;
  const bool blows =
      state.fuse.failed(reply, fate == Fate::refused ? Meaning::refused : Meaning::left);
  if (blows && !state.out) {
    state.out = true;
    state.why = reply;
    state.why_is_to_recipient = true;
  }
  return blows;
}

std::string Relays::parted(std::size_t index, const Outlet& outlet, std::size_t live,
                           Clock::time_point now) {
  State& state = all_[index];
  state.waits_since.reset();
  if (outlet.recipient_limit() > 0) state.recipient_limit = outlet.recipient_limit();
  if (outlet.message_limit() > 0) state.message_limit = outlet.message_limit();
  if (outlet.messages() > 0) state.faults = 0;
  const bool deferring = state.deferrals.speak_of_relay();
  if (state.out) return {};
  if (outlet.parting() > Parting::full) {
    state.why = outlet.last_words();
    state.why_is_to_recipient = false;
  }
  switch (outlet.parting()) {
    case Parting::none:
    case Parting::quit:
      state.lockstep = 0;
      if (state.short_ones > 0) --state.short_ones;
      return deferring ? rest(state, now) : std::string();
    case Parting::full: return {};
    case Parting::busy:
    case Parting::lost:
      if (outlet.messages() > 0) be_wary(state, outlet.messages());
      if (outlet.messages() > 0 && !deferring) return {};
      if (live == 0) return rest(state, now);
      keep_to(state, live);
      static_cast<void>(rest(state, now));  // the others go on
      return {};
    case Parting::no_tls:
    case Parting::relay_refuses:
      if (outlet.parting() == Parting::no_tls && may_do_without_tls(state.relay)) {
        state.relay.tls = Tls::none;
        return fmt::format("relay {} has no TLS that works ({}); going on in clear",
                           state.relay.name, state.why.text());
      }
      return drop(state, state.why.ours ? "cannot be used" : "does not talk to us");
    case Parting::fault:
      state.lockstep = std::max(fewest_lockstep_messages, state.lockstep * 2);
      if (++state.faults >= most_faults) return drop(state, "does not understand us");
      if (outlet.messages() == 0 && live > 0) keep_to(state, live);
      return {};
  }
  return {};
}

void Relays::keep_to(State& state, std::size_t live) {
  state.had_too_many = true;
  state.connections = live;
}

// It has ended a connection after so many.
void Relays::be_wary(State& state, std::size_t messages) {
  state.short_ones = messages == state.wary_after ? short_connections : 0;
  state.wary_after = messages;
}

std::string Relays::rest(State& state, Clock::time_point now) {
  if (!state.troubled_since) state.troubled_since = now;
  state.pause = state.pause == Clock::duration{} ? first_pause : state.pause * 2;
  const auto end_of_patience = *state.troubled_since + terms_.max_wait;
  if (now >= end_of_patience) return drop(state, "is busy");
  state.free_at = std::min(now + state.pause, end_of_patience);
  return fmt::format("relay {} is busy ({}); trying again in {}", state.relay.name,
                     reply_to_text(state.why), seconds(state.free_at - now));
}

std::string Relays::drop(State& state, std::string_view because) {
  state.out = true;
  return fmt::format("relay {} {} ({}); it is given up", state.relay.name, because,
                     reply_to_text(state.why));
}

const Relays::State* Relays::first_out() const {
  const auto out = std::ranges::find_if(all_, &State::out);
  return out == all_.end() ? nullptr : &*out;
}

Reply Relays::why_out() const {
  const State* const out = first_out();
  if (out == nullptr) return local_reply(451, {4, 4, 0}, "no relay was free");
  if (out->fuse.blown()) {
    return local_reply(451, {4, 4, 0}, "not tried: the relay refused many others");
  }
  if (out->why_is_to_recipient) {
    return local_reply(451, {4, 4, 5}, "not tried: the relay was busy, it deferred others");
  }
  return out->why;
}

Reply Relays::last_words() const {
  const State* const out = first_out();
  return out == nullptr ? why_out() : out->why;
}

}  // namespace ml
