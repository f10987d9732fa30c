#include "stage/queue_ask.hpp"

#include <fcntl.h>

#include <array>
#include <set>
#include <string_view>

#include "base/diag.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "list/name.hpp"
#include "stage/given_up.hpp"
#include "stage/runner.hpp"
#include "stage/section_role.hpp"
#include "stream/reader.hpp"

namespace ml {
namespace {

Failure not_there(const Queue& queue, std::string_view name) {
  return failure(Status::no, "there is no entry {} in the queue {} (ml-queue list {} names them)",
                 printable(name, 80), queue.name(), queue.name());
}

// In `failed` an entry is called NAME@QUEUE.
struct FailedOrigin {
  std::string name;
  std::string queue;
};
std::optional<FailedOrigin> origin_of(const Queue& queue, std::string_view name) {
  const auto at = name.rfind('@');
  if (queue.name() != "failed" || at == std::string_view::npos) return std::nullopt;
  std::string_view from = name.substr(at + 1);
  return FailedOrigin{std::string(name.substr(0, at)), std::string(from)};
}

// What is asked, and the queues in which something is due by it.
struct Asking {
  const Home& home;
  const Queue& queue;
  Ask what;
  const std::optional<std::string>& to;
  std::set<std::string> due;
};

Result<> move_to(Asking& asking, const Taken& taken, const std::string& to, const std::string& name,
                 Create create) {
  auto target = Queue::open(asking.home, to, create);
  if (!target) return fail(target);
  asking.due.insert(to);
  return asking.queue.move(taken, *target, name, {});
}

// Where a person lets what ml-receive held go on: the queue of the role that it came to.
Result<std::string> queue_of_role(const Taken& taken) {
  Reader in(taken.fd().get());
  if (in.next() != Record::message) return "post";
  const std::string role = role_besides_post(in.message().attributes).value_or("post");
  if (const auto known = text_to_role(role)) return std::string(role_to_text(*known));
  return retry("{} is for '{}', which is no role: name a queue with --to", taken.facts().name,
               printable(role, 40));
}

// Whom it keeps another stream of the message is sent to from then on.
Result<> remove(const Asking& asking, const Taken& taken) {
  const Queue& queue = asking.queue;
  const std::string why = fmt::format("removed by hand from the queue {}", queue.name());
  const auto given_up = GivenUp::record(asking.home, taken.fd(), Sections::all, why);
  if (given_up) return queue.remove(taken);
  return retry("{} stays in the queue {}: {}", taken.facts().name, queue.name(),
               given_up.error().text);
}

Result<> ask_one(Asking& asking, const Taken& taken) {
  const Queue& queue = asking.queue;
  const std::string& name = taken.facts().name;
  const auto origin = origin_of(queue, name);
  switch (asking.what) {
    case Ask::remove: return remove(asking, taken);
    case Ask::hold: return queue.hold(taken);
    case Ask::retry:
    case Ask::release: break;
  }
  // A queue that nobody made and no program of ours puts into would have no runner.
  if (asking.to && *asking.to != queue.name()) {
    return move_to(asking, taken, *asking.to, origin ? origin->name : name,
                   create_if_own(*asking.to));
  }
  if (origin) {
    return move_to(asking, taken, origin->queue, origin->name, create_if_own(origin->queue));
  }
  if (!asking.to && asking.what == Ask::release && queue.name() == "held") {
    const auto own = queue_of_role(taken);
    if (!own) return fail(own);
    return move_to(asking, taken, *own, name, Create::yes);  // that of a role, as ml-run makes it
  }
  asking.due.insert(queue.name());
  return queue.release(taken);
}

Result<std::vector<std::string>> waiting_places(const Queue& queue) {
  std::vector<std::string> places;
  auto done = queue.each([&](const EntryFacts& facts) {
    if (facts.waits == Waits::later || facts.name.find('@') != std::string::npos) {
      places.push_back(facts.place);
    }
  });
  if (!done) return fail(done);
  return places;
}

Result<> ask_at(Asking& asking, const std::string& place) {
  auto taken = asking.queue.take(place);
  if (!taken) return fail(taken);
  if (!*taken) {
    return retry("a command has the entry {} just now: try again when it has ended",
                 name_at(place));
  }
  return ask_one(asking, **taken);
}

Result<> ask_by_name(Asking& asking, const std::string& name) {
  auto place = asking.queue.find(name);
  if (!place) return fail(place);
  if (!*place) return not_there(asking.queue, name);
  return ask_at(asking, **place);
}

// Those that run by themselves; for any other one a person has a runner, or will start one.
Result<> wake_those_due(const Asking& asking) {
  for (const std::string& queue : asking.due) {
    if (runner_of(asking.home, queue) == Runner::nobody) continue;
    if (auto woken = wake_runner(asking.home, queue); !woken) return woken;
  }
  return {};
}

}  // namespace

Result<Status> ask(const Home& home, const std::string& queue, Ask what,
                   const std::vector<std::string>& names, const std::optional<std::string>& to) {
  if (names.empty() && what != Ask::retry) return failure(Status::usage, "ID is missing");
  const auto opened = Queue::open(home, queue, Create::no);
  if (!opened) return fail(opened);
  if (to) {
    if (const auto there = Queue::open(home, *to, create_if_own(*to)); !there) return fail(there);
  }
  Asking asking{home, *opened, what, to, {}};
  Result<> state;  // the first failure; the others are said at once
  const auto add = [&](const Result<>& one) {
    if (one) return;
    if (state) {
      state = one;
    } else {
      say(one.error().text);
    }
  };
  if (names.empty() && what == Ask::retry) {
    auto places = waiting_places(*opened);
    if (!places) return fail(places);
    for (const std::string& place : *places) add(ask_at(asking, place));
  }
  for (const std::string& name : names) add(ask_by_name(asking, name));
  add(wake_those_due(asking));
  if (!state) return fail(state);
  return Status::done;
}

Result<Status> show_entry(const Queue& queue, const std::string& name) {
  auto place = queue.find(name);
  if (!place) return fail(place);
  if (!*place) return not_there(queue, name);
  auto file = open_file(queue.path(**place), O_RDONLY);
  if (!file) return fail(file);
  std::array<char, 65536> room;
  for (;;) {
    auto got = read_some(file->get(), room, name);
    if (!got) return fail(got);
    if (*got == 0) return Status::done;
    auto written = write_all(1, std::string_view(room.data(), *got), "standard output");
    if (!written) return fail(written);
  }
}

}  // namespace ml
