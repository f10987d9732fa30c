#include "stage/stages.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/text.hpp"
#include "list/pipeline.hpp"

namespace ml {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct Child {
  pid_t process = 0;
  bool killed_by_us = false;
};

std::string shown(const std::vector<std::string>& argv) {
  if (const auto line = shell_line(argv)) return printable(*line, 80);
  return printable(argv.front().substr(argv.front().rfind('/') + 1), 80);
}

// As much as a pipe holds, at most: whoever writes without end holds nobody here. False: there was
// nothing.
bool drain_once(Tap& tap) {
  std::array<char, 65536> room;
  pollfd one{tap.from.get(), POLLIN, 0};
  if (!tap.from.open() || poll(&one, 1, 0) <= 0) return false;
  const ssize_t got = read(tap.from.get(), room.data(), room.size());
  if (got <= 0 || !tap.take({room.data(), static_cast<std::size_t>(got)})) tap.from.reset();
  return true;
}

void drain(Tap& tap) {
  constexpr int reads = 32;
  for (int i = 0; i < reads && drain_once(tap); ++i) {}
}

// Waits until it has ended or the time is up; false: it is up, or nobody can wait for it so.
bool has_ended(pid_t process, steady_clock::time_point until, std::span<Tap> taps) {
  const Fd watched(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
  if (!watched.open()) return false;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
    if (left.count() <= 0) return false;
    std::vector<pollfd> all{{watched.get(), POLLIN, 0}};
    for (const Tap& tap : taps) all.push_back({tap.from.get(), POLLIN, 0});
    const auto longest = static_cast<int>(std::min<long>(left.count(), 3'600'000));
    if (poll(all.data(), all.size(), longest) < 0 && errno != EINTR) return true;
    for (Tap& tap : taps) drain_once(tap);
    if (all.front().revents != 0) return true;
  }
}

void kill_late(std::span<Child> children, milliseconds patience, std::span<Tap> taps) {
  const auto until = steady_clock::now() + patience;
  for (Child& child : children) {
    if (has_ended(child.process, until, taps)) continue;
    child.killed_by_us = kill(child.process, SIGKILL) == 0;
  }
  for (Tap& tap : taps) drain(tap);
}

StagesEnding judged(const Ending& ending, bool killed_by_us, const std::vector<std::string>& argv) {
  if (killed_by_us) {
    return {Status::retry, 0, fmt::format("the stage '{}' took too long", shown(argv))};
  }
  if (ending.signal != 0) {
    return {Status::retry, 0,
            fmt::format("the stage '{}' was killed by signal {}", shown(argv), ending.signal)};
  }
  switch (static_cast<Status>(ending.status)) {
    case Status::done:
    case Status::rejected:
    case Status::retry:
    case Status::denied: return {static_cast<Status>(ending.status), 0, {}};
    default: break;
  }
  return {Status::retry, 0,
          fmt::format("the stage '{}' left with status {}", shown(argv), ending.status)};
}

// Starts them; what it could not start is told, and those before it then see the end of a pipe.
Result<> start_all(std::span<const std::vector<std::string>> argvs, const Variables& environment,
                   const StageEnds& ends, std::vector<Child>& children) {
  Fd from;
  for (std::size_t i = 0; i < argvs.size(); ++i) {
    const bool is_last = i + 1 == argvs.size();
    auto next = is_last ? Result<Pipe>(Pipe{}) : make_pipe();
    if (!next) return fail(next);
    auto child = spawn(argvs[i], i == 0 ? ends.input : from, is_last ? ends.output : next->write,
                       ends.errors.empty() ? 2 : ends.errors[i].get(), environment);
    if (!child) return fail(child);
    children.push_back({*child});
    from = std::move(next->read);
  }
  return {};
}

}  // namespace

Result<StagesEnding> run_stages(std::span<const std::vector<std::string>> argvs,
                                const Variables& environment, const StageEnds& ends,
                                std::optional<milliseconds> patience) {
  std::vector<Child> children;
  const auto started = start_all(argvs, environment, ends, children);
  if (patience) kill_late(children, *patience, ends.taps);
  StagesEnding decisive;
  bool only_broken_pipes = true;
  for (std::size_t i = 0; i < children.size(); ++i) {
    const auto ending = wait_for(children[i].process);
    if (!ending) return fail(ending);
    auto one = judged(*ending, children[i].killed_by_us, argvs[i]);
    if (one.status == Status::done) continue;
    const bool is_broken_pipe = ending->signal == SIGPIPE;
    const bool is_first = decisive.status == Status::done || (only_broken_pipes && !is_broken_pipe);
    // A 75 may be the broken pipe of a stage that was killed behind it.
    const bool explains = decisive.status == Status::retry && decisive.why.empty() &&
                          !one.why.empty() && !is_broken_pipe;
    if (!is_first && !explains) continue;
    decisive = std::move(one);
    decisive.stage = i;
    only_broken_pipes = is_broken_pipe;
  }
  if (!started) return fail(started);
  return decisive;
}

Variables stage_environment(std::string_view programs, std::string_view home,
                            const StageMail& mail) {
  Variables environment{fmt::format("PATH={}:/usr/local/bin:/usr/bin:/bin", programs),
                        fmt::format("HOME={}", home), fmt::format("ML_HOME={}", home),
                        "LC_ALL=C.UTF-8"};
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) environment.push_back(fmt::format("{}={}", name, value));
  };
  add("LIST", mail.list);
  add("ROLE", mail.role);
  add("RECIPIENT", mail.recipient);
  add("EXTENSION", mail.extension);
  if (mail.sender) {
    environment.push_back(fmt::format("SENDER={}", *mail.sender == "<>" ? "" : *mail.sender));
  }
  return environment;
}

}  // namespace ml
