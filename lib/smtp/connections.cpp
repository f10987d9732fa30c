#include "smtp/connections.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace ml {
namespace {

using std::chrono::milliseconds;

// What a late turn has missed of the rate is made up for, as far as this.
constexpr auto lateness = milliseconds(50);

// A transaction has what the rate allows in this part of a second.
constexpr std::uint64_t parts_a_second = 5;

// Those who wait do so no longer for a relay.
constexpr auto time_to_greet = std::chrono::seconds(1);

}  // namespace

class Connections::Connection : public Outcomes {
 public:
  Connection(Connections& owner, std::size_t relay_number, Clock::time_point now)
      : relay(relay_number), begun(now), owner_(owner) {
    outlet = open_outlet(owner.relays_.relay(relay), owner.relays_.manner(relay), *this);
  }

  void in_flight(std::uint64_t id) override { owner_.source_.in_flight(id); }

  void settled(std::uint64_t id, Fate fate, const Reply& reply) override {
    if (fate == Fate::delivered) {
      owner_.relays_.delivered(relay);
    } else if (fate == Fate::refused || fate == Fate::left) {
      std::optional<std::string_view> domain;
      if (outlet->answers_recipient()) domain = owner_.source_.domain(id);
      if (owner_.relays_.failed(relay, fate, reply, domain)) should_end = true;
    }
    owner_.source_.settled(id, fate, reply, relay);
  }

  const std::size_t relay;
  const Clock::time_point begun;
  std::unique_ptr<Outlet> outlet;
  bool should_end = false;
  bool is_unfit = false;  // for those who waited when it was asked last
  bool waits = false;     // its relay has had its share
  int watched = -1;       // what epoll knows of it
  short watched_events = 0;

 private:
  Connections& owner_;
};

Connections::Connections(Relays& relays, Source& source, Limits limits)
    : relays_(relays), source_(source), limits_(limits), epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

Connections::~Connections() = default;

bool Connections::all_out() const {
  return all_.empty() && !relays_.next_chance();
}

// ---- giving

void Connections::turn(Clock::time_point now) {
  turned_ = now;
  for (bool again = true; again;) {
    again = false;
    bool gave = false;
    bool waits = false;
    bool is_nobodys = false;  // somebody turned out to be unfit, whom others waited for
    for (auto at = all_.begin(); at != all_.end();) {
      Connection& connection = *at;
      connection.waits = false;
      if (relays_.blown(connection.relay)) connection.outlet->finish();
      while (connection.outlet->wants() && may_give(now)) {
        if (relays_.has_shares() && must_wait(connection, now)) {
          waits = true;
          break;
        }
        const bool was_unfit = connection.is_unfit;
        if (!offer(connection)) {
          is_nobodys = is_nobodys || (connection.is_unfit && !was_unfit);
          break;
        }
        gave = true;
        if (limits_.rate > 0) charge(transaction_.recipients.size(), now);
        connection.outlet->give(transaction_);
        if (connection.should_end) connection.outlet->finish();
      }
      connection.outlet->flush(now);
      const auto next = std::next(at);
      if (connection.outlet->over()) {
        part(connection, now);
        all_.erase(at);
        again = true;  // what it gave back can go to another
      } else {
        watch(connection);
      }
      at = next;
    }
    // Those behind have had more meanwhile, or cannot have it.
    if ((gave || is_nobodys) && waits) again = true;
    while (source_.waiting() > 0 && may_give(now) && open_one(now)) again = true;
  }
}

// Fills transaction_ with what this connection is to have; false: nothing.
bool Connections::offer(Connection& connection) {
  const std::size_t asked = connection.outlet->recipient_limit();
  std::size_t limit = asked > 0 ? asked : relays_.recipient_limit(connection.relay);
  if (limits_.rate > 0) limit = std::min(limit, most_at_once());
  if (relays_.has_shares()) limit = relays_.share_of(connection.relay, limit);
  relays_.lacks(connection.relay, connection.outlet->lacks());
  const Needs elsewhere = relays_.left_to_others(connection.relay);
  const auto domains = relays_.domains_to_pass_over(connection.relay);
  if (!domains.empty() && !source_.put_others_first(domains)) {
    relays_.nobody_else_waits(connection.relay);
  }
  const bool found = source_.next(transaction_, connection.outlet->form(), limit, elsewhere);
  connection.is_unfit = !found && elsewhere.any() && source_.waiting() > 0;
  if (found && relays_.has_shares()) {
    relays_.gave(connection.relay, transaction_.recipients.size());
  }
  return found;
}

// Its relay has had its share, and others can take theirs.
bool Connections::must_wait(Connection& connection, Clock::time_point now) {
  if (source_.waiting() == 0) {
    relays_.waits_no_more(connection.relay);
    return false;
  }
  rooms_.assign(relays_.size(), Relays::Room::none);
  for (const Connection& other : all_) {
    if (other.is_unfit || other.outlet->over() || is_silent(other, now)) continue;
    auto& room = rooms_[other.relay];
    if (room != Relays::Room::free) {
      room = other.outlet->wants() ? Relays::Room::free : Relays::Room::busy;
    }
  }
  const auto rated = limits_.rate > 0 ? Relays::Rated::yes : Relays::Rated::no;
  return connection.waits = relays_.waits(connection.relay, rooms_, rated, now);
}

bool Connections::may_give(Clock::time_point now) {
  return limits_.rate == 0 || next_gift_ <= now;
}

std::size_t Connections::most_at_once() const {
  return std::max<std::uint64_t>(1, limits_.rate / parts_a_second);
}

void Connections::charge(std::size_t recipients, Clock::time_point now) {
  const std::chrono::nanoseconds second = std::chrono::seconds(1);
  const auto earliest = next_gift_ == Clock::time_point::min() ? now : now - lateness;
  next_gift_ = std::max(next_gift_, earliest) + second * recipients / limits_.rate;
}

bool Connections::is_silent(const Connection& connection, Clock::time_point now) {
  return connection.outlet->opening() && now - connection.begun >= time_to_greet;
}

// A connection that recipients wait for. False: enough are on their way, or none can be had now.
bool Connections::open_one(Clock::time_point now) {
  if (relays_.are_full(all_.size())) return false;
  struct Counts {
    std::size_t greeted = 0, coming = 0, silent = 0, unfit = 0, waiting = 0;
  };
  std::vector<Counts> counts(relays_.size());
  std::size_t coming = 0;
  for (const Connection& connection : all_) {
    if (connection.outlet->wants() && !connection.is_unfit && !connection.waits) return false;
    Counts& its = counts[connection.relay];
    if (connection.waits) ++its.waiting;
    if (connection.is_unfit) ++its.unfit;
    if (is_silent(connection, now)) {
      ++its.silent;
    } else if (connection.outlet->opening()) {
      ++its.coming;
      ++coming;
    } else {
      ++its.greeted;
    }
  }
  if (coming >= source_.waiting()) return false;
  std::vector<std::size_t> live;
  for (const Counts& its : counts) {
    // One that talks to us over other connections is not silent, but has enough of them.
    const bool is_unfit = its.unfit > 0 || (its.silent > 0 && its.greeted == 0);
    const bool has_enough = its.silent > 0 || its.coming > 0 || its.waiting > 0;
    live.push_back(is_unfit ? Relays::unfit : has_enough ? Relays::enough : its.greeted);
  }
  const auto relay = relays_.pick(now, live);
  if (!relay) return false;
  all_.emplace_back(*this, *relay, now);
  return true;
}

void Connections::part(Connection& connection, Clock::time_point now) {
  const auto live = std::ranges::count(all_, connection.relay, &Connection::relay);
  const std::string line =
      relays_.parted(connection.relay, *connection.outlet, static_cast<std::size_t>(live) - 1, now);
  if (!line.empty()) source_.told(line);
  const bool is_local = !relays_.relay(connection.relay).is_dialogue();
  if (is_local && connection.outlet->parting() == Parting::relay_refuses &&
      connection.outlet->messages() > 0) {
    source_.broken(connection.outlet->last_words().text());
  }
}

void Connections::finish(const Latest& latest) {
  for (auto at = all_.begin(); at != all_.end();) {
    Connection& connection = *at++;
    connection.outlet->hurry(latest);
    connection.outlet->finish();
    connection.outlet->flush(Clock::now());
    if (connection.outlet->opening()) all_.erase(std::prev(at));  // nobody was given to it
  }
}

// ---- waiting

void Connections::watch(Connection& connection) {
  const pollfd wanted = connection.outlet->watched();
  if (wanted.fd == connection.watched && wanted.events == connection.watched_events) return;
  epoll_event event{};
  event.events = static_cast<std::uint32_t>(wanted.events);
  event.data.ptr = &connection;
  if (wanted.fd >= 0) {
    // One that was closed has left epoll by itself, and its number may be here again.
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, wanted.fd, &event) != 0) {
      epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wanted.fd, &event);
    }
  }
  connection.watched = wanted.fd;
  connection.watched_events = wanted.events;
}

// For one event: what is not waited for must not wake us.
void Connections::watch_input(int input) {
  if (input_always_) return;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.ptr = nullptr;
  const int how = input_ == input ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(epoll_.get(), how, input, &event) == 0) {
    input_ = input;
  } else {
    input_always_ = true;
  }
}

bool Connections::wait(int input, Clock::time_point latest, const sigset_t& asleep) {
  if (input >= 0) watch_input(input);
  bool readable = input >= 0 && input_always_;
  const auto before = Clock::now();
  const auto due = readable ? before : alarm(latest);
  const auto time = due - before;
  const auto pause = std::clamp<Clock::duration>(time, {}, std::chrono::hours(1));
  std::array<epoll_event, 64> events;
  const int count =
      epoll_pwait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                  static_cast<int>(std::chrono::ceil<milliseconds>(pause).count()), &asleep);
  const auto now = Clock::now();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.ptr == nullptr) {
      readable = true;
      continue;
    }
    auto& connection = *static_cast<Connection*>(event.data.ptr);
    connection.outlet->hear(static_cast<short>(event.events), now);
    if (connection.should_end) connection.outlet->finish();
  }
  if (now < due) return readable;
  for (Connection& connection : all_) {
    if (connection.outlet->deadline() <= now) connection.outlet->hear(0, now);
  }
  return readable;
}

// When something happens by itself.
Clock::time_point Connections::alarm(Clock::time_point latest) const {
  auto earliest = latest;
  for (const Connection& connection : all_) {
    earliest = std::min(earliest, connection.outlet->deadline());
  }
  if (source_.waiting() == 0) return earliest;
  for (const Connection& connection : all_) {
    if (!connection.outlet->opening() || is_silent(connection, turned_)) continue;
    earliest = std::min(earliest, connection.begun + time_to_greet);
  }
  // What was possible at the last turn was done, or waits for an answer; since then time has
  // passed.
  for (const auto chance : {next_gift_, relays_.next_chance_after(turned_).value_or(turned_),
                            relays_.next_end_of_waiting(turned_).value_or(turned_)}) {
    if (chance > turned_) earliest = std::min(earliest, chance);
  }
  return earliest;
}

}  // namespace ml
