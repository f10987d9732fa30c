#include "stage/runner.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/directory.hpp"
#include "base/process.hpp"
#include "list/name.hpp"
#include "list/settings.hpp"
#include "stage/mta.hpp"
#include "stage/stages.hpp"

namespace ml {
namespace {

constexpr const char* units = "/etc/systemd/system";
constexpr const char* systemd_runs = "/run/systemd/system";

bool runs_by_itself(std::string_view queue) {
  return queue == "outbound" || text_to_role(queue);
}

// Enabled for the system's home: a link mlpipe-queue@QUEUE.service in some TARGET.wants.
bool has_unit(const Home& home, std::string_view queue) {
  if (access(systemd_runs, F_OK) != 0 || home.real_name() != system_home) return false;
  const std::string unit = fmt::format("mlpipe-queue@{}.service", queue);
  const auto names = names_in(units, Missing::is_empty);
  return names && std::ranges::any_of(*names, [&](const std::string& name) {
           return name.ends_with(".wants") &&
                  access(fmt::format("{}/{}/{}", units, name, unit).c_str(), F_OK) == 0;
         });
}

struct Programs {
  std::string directory;
  std::string queue;
  std::string run;
};

std::optional<Programs> programs_beside_us() {
  const auto directory = program_directory();
  if (!directory) return std::nullopt;
  Programs programs{*directory, *directory + "/ml-queue", *directory + "/ml-run"};
  for (const std::string& path : {programs.queue, programs.run}) {
    if (access(path.c_str(), X_OK) != 0) return std::nullopt;
  }
  return programs;
}

// The site's log, but never the standard error of a mail server, which it would wait for.
std::string log_of(const Home& home) {
  const auto site = load_settings(home, nullptr);
  std::string set = site ? site->text("log").value_or("") : "";
  if (!set.empty() && set != "stderr") return set;
  return access("/dev/log", W_OK) == 0 ? "syslog" : home.real_name() + "/runner.log";
}

Failure nobody(const Home& home, std::string_view queue) {
  return retry(
      "nobody runs the queue {} of {}, and ml-queue and ml-run, which could, are not beside this "
      "program (see RUNNERS in ml-run(1))",
      queue, home.directory());
}

// Detached, in the home.
Result<> start_runner(const Home& home, const std::string& queue) {
  const auto programs = programs_beside_us();
  if (!programs) return nobody(home, queue);
  const std::string directory = home.real_name();
  const std::string log = log_of(home);
  // For what it says before it has opened its log.
  auto errors = log == "syslog" ? open_file("/dev/null", O_WRONLY)
                                : open_file(log, O_WRONLY | O_CREAT | O_APPEND);
  if (!errors) return fail(errors);
  return spawn_detached({programs->queue, "run", queue, "--until-empty", "--log", log, "--",
                         programs->run, "--from", queue},
                        *errors, directory, stage_environment(programs->directory, directory, {}));
}

Runner runner_beside(const Home& home, std::string_view queue) {
  if (has_unit(home, queue)) return Runner::unit;
  return runs_by_itself(queue) && programs_beside_us() ? Runner::startable : Runner::nobody;
}

Result<> wake(const Home& home, std::string_view queue, Runner runner) {
  if (runner == Runner::nobody) return nobody(home, queue);
  if (runner != Runner::startable) return {};
  if (auto started = start_runner(home, std::string(queue)); !started) return started;
  wake_runners(home);
  return {};
}

}  // namespace

Runner runner_of(const Home& home, const Queue& queue) {
  return queue.has_runner() ? Runner::held : runner_beside(home, queue.name());
}

Runner runner_of(const Home& home, std::string_view queue) {
  const auto opened = Queue::open(home, queue, Create::no);
  return opened ? runner_of(home, *opened) : runner_beside(home, queue);
}

Result<Queue> open_run_queue(const Home& home, std::string_view queue) {
  auto opened = Queue::open(home, queue, Create::no);
  const Runner runner = opened ? runner_of(home, *opened) : runner_beside(home, queue);
  if (runner == Runner::nobody) return nobody(home, queue);
  return opened ? std::move(opened) : Queue::open(home, queue, Create::yes);
}

Result<> wake_runner(const Home& home, const Queue& queue) {
  return wake(home, queue.name(), runner_of(home, queue));
}

Result<> wake_runner(const Home& home, std::string_view queue) {
  return wake(home, queue, runner_of(home, queue));
}

void wake_runners(const Home& home) {
  const auto names = Queue::names(home);
  if (!names) return;
  for (const std::string& name : *names) {
    const auto queue = Queue::open(home, name, Create::no);
    if (!queue || runner_of(home, *queue) != Runner::startable) continue;
    const auto waits = queue->has_waiting();
    if (waits && *waits) static_cast<void>(start_runner(home, name));
  }
}

}  // namespace ml
