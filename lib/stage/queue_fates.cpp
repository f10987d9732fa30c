#include "stage/queue_fates.hpp"

#include <algorithm>
#include <utility>

#include "base/diag.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "stage/entry_rest.hpp"
#include "stage/give_up.hpp"
#include "stage/given_up.hpp"

namespace ml {
namespace {

constexpr unsigned same_failures = 3;

std::time_t age_of(const Taken& taken) {
  return std::max<std::time_t>(std::time(nullptr) - taken.facts().born, 0);
}

EntryNote note(const Taken& taken, const std::string& reason) {
  return {taken.facts().note.attempts + 1, reason};
}

}  // namespace

Result<> EntryFates::settle(Job& job) {
  auto ending = job.finish();
  if (!ending) return fail(ending);
  if (!ending->at_once) failures_ = 0;
  switch (ending->kind) {
    case JobEnding::Kind::done:  // what cannot be passed on is made again from the entry
      if (auto passed = job.pass_output(); !passed) return passed;
      return queue_.remove(job.taken());
    case JobEnding::Kind::failed: return move_to_failed(job.taken(), ending->reason);
    case JobEnding::Kind::left:
      return queue_.replace(job.taken(), job.output().draft(), job.output().file(),
                            pause(job.taken()), note(job.taken(), ending->reason));
    case JobEnding::Kind::later:
      return ending->at_once ? put_off(job.taken(), *ending) : put_off_rest(job.taken(), *ending);
  }
  return {};
}

// The command says nothing of whom it has settled, but the journal may. Where that cannot be asked
// now the next attempt passes over them as well.
Result<> EntryFates::put_off_rest(const Taken& taken, const JobEnding& ending) {
  const auto rest = rest_of_entry(home_, queue_, taken, RestOf::marked);
  if (!rest || rest->kind != EntryRest::Kind::some) return put_off(taken, ending);
  return queue_.replace(taken, rest->draft->draft(), rest->draft->file(), pause(taken),
                        note(taken, ending.reason));
}

Result<> EntryFates::put_off(const Taken& taken, const JobEnding& ending) {
  auto done = queue_.put_off(taken, pause(taken), note(taken, ending.reason));
  if (!done || !ending.at_once) return done;
  failures_ = ending.reason == last_failure_ ? failures_ + 1 : 1;
  last_failure_ = ending.reason;
  if (failures_ < same_failures) return {};
  return retry("the command fails on every entry before it reads any: {} (the queue {} keeps them)",
               ending.reason, queue_.name());
}

bool EntryFates::is_too_old(const Taken& taken) const {
  return age_of(taken) >= options_.give_up;
}

std::time_t EntryFates::growing(const Taken& taken) const {
  return growing_pause(age_of(taken), options_.first_pause, options_.longest_pause,
                       random_number());
}

// An entry is given up when its time has come, not at the end of a pause that goes beyond.
std::time_t EntryFates::pause(const Taken& taken) const {
  return std::clamp<std::time_t>(options_.give_up - age_of(taken), 1, growing(taken));
}

// First those go who were delivered to after all, and what is left is given up when it is due
// again: as long as that cannot be known, nobody is told of anybody, and where it never can be
// somebody has to look at it. A list's recipients are told to ml-bounce, which knows what to make
// of it, and then are anybody's; anything else is for a person: where an entry has both, that
// stays, and is given up when it is due again. Killed in between, it is given up again and is the
// same entry there.
Result<> EntryFates::give_up(const Taken& taken) {
  const EntryNote& last = taken.facts().note;
  const std::string why = fmt::format("4.4.7 given up after {} s{}{}", options_.give_up,
                                      last.reason.empty() ? "" : ": ", last.reason);
  if (queue_.name() == "bounces") return move_to_failed(taken, why);
  const auto left = rest_of_entry(home_, queue_, taken, RestOf::all);
  const auto not_yet = [&](const Error& error) {
    log(fmt::format("{} of the queue {} is not given up yet: {}", taken.facts().name, queue_.name(),
                    error.text));
    return queue_.put_off(taken, options_.first_pause, last);
  };
  if (!left) return not_yet(left.error());
  if (left->kind == EntryRest::Kind::unknown) {
    return move_to_failed(
        taken, fmt::format("4.4.7 given up after {} s: {}", options_.give_up, left->damage));
  }
  if (left->kind == EntryRest::Kind::nobody) {
    log(fmt::format("{} of the queue {}: its recipients are settled", taken.facts().name,
                    queue_.name()));
    return queue_.remove(taken);
  }
  if (left->kind == EntryRest::Kind::some) {
    return queue_.replace(taken, left->draft->draft(), left->draft->file(), 1, last);
  }
  auto rest = QueueEntry::create(queue_, "rest");
  if (!rest) return fail(rest);
  auto told = tell_bounces(home_, taken, why, *rest);
  if (!told) return fail(told);
  if (*told == SectionsTold::nothing) return move_to_failed(taken, why);
  const auto given_up = GivenUp::record(home_, taken.fd(), Sections::of_lists, why);
  if (!given_up) return not_yet(given_up.error());
  const std::string how_many =
      given_up->out_of() == 0
          ? ""
          : fmt::format("{} of {} recipients: ", given_up->recipients(), given_up->out_of());
  log(fmt::format("{} of the queue {}: {}{}", taken.facts().name, queue_.name(), how_many, why));
  if (*told == SectionsTold::all) return queue_.remove(taken);
  return queue_.replace(taken, rest->draft(), rest->file(), 1, last);
}

Result<> EntryFates::move_to_failed(const Taken& taken, const std::string& reason) {
  const std::string& name = taken.facts().name;
  // Its age is what it was: it is tried again all the same, but not every second.
  if (queue_.name() == "failed") return queue_.put_off(taken, growing(taken), note(taken, reason));
  if (!failed_) {
    auto opened = Queue::open(home_, "failed", Create::yes);
    if (!opened) return fail(opened);
    failed_.emplace(std::move(*opened));
  }
  log(fmt::format("{} of the queue {} has failed: {}", name, queue_.name(), reason));
  return queue_.move(taken, *failed_, fmt::format("{}@{}", name, queue_.name()),
                     note(taken, reason));
}

}  // namespace ml
