#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/diag.hpp"
#include "base/fd.hpp"
#include "base/home.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "queue/queue.hpp"
#include "stage/queue_ask.hpp"
#include "stage/queue_list.hpp"
#include "stage/queue_put.hpp"
#include "stage/queue_run.hpp"

using namespace ml;

namespace {

// One command's line: its options are added, then run() reads them and opens the home.
struct Line {
  Line(int argc, char** argv, std::string synopsis, std::string purpose, std::string example,
       Status misuse)
      : words(argv, static_cast<std::size_t>(argc)),
        options(std::string("ml-queue ") + argv[0], std::move(synopsis), std::move(purpose),
                std::move(example), misuse) {
    options.text(home_name, "--home", "DIRECTORY", "the home of store, settings and queues");
  }

  template <class Work>
  Result<Status> run(const Work& work) {
    const auto read = options.read(static_cast<int>(words.size()), words.data());
    if (!read) return fail(read);
    if (*read) return **read;
    const auto home = open_home(home_name, Create::no);
    if (!home) return fail(home);
    return work(*home);
  }

  std::span<char*> words;
  std::optional<std::string> home_name;
  Options options;
};

Result<Status> print(const Result<std::string>& text) {
  if (!text) return fail(text);
  if (auto written = write_all(1, *text, "standard output"); !written) return fail(written);
  return Status::done;
}

Form form_of(bool json) {
  return json ? Form::json : Form::text;
}

Result<Status> put_entries(int argc, char** argv) {
  std::string name;
  std::optional<std::string> id;
  std::vector<std::string> files;
  Line line(argc, argv, "[OPTION...] QUEUE [FILE...]",
            "Stores standard input, or each file, as an entry: durable when this ends with 0.",
            "ml-receive news@x.org <mail.eml | ml-queue put post", Status::retry);
  line.options.text(id, "--name", "ID", "the entry's name; one of that name is replaced");
  line.options.operand(name, "QUEUE").operands(files, "FILE");
  return line.run([&](const Home& home) -> Result<Status> {
    if (id && !files.empty()) return retry("--name is for one entry, from standard input");
    const auto queue = Queue::open(home, name, Create::yes);
    if (!queue) return fail(queue);
    const auto stored = files.empty() ? put(0, *queue, id) : put_files(files, *queue);
    if (!stored) return fail(stored);
    if (*stored && !queue->has_runner()) {
      say(fmt::format("stored; nobody runs the queue {0} (ml-queue run {0} -- COMMAND)", name));
    }
    return Status::done;
  });
}

Result<Status> run_entries(int argc, char** argv) {
  RunOptions run;
  std::string name;
  std::vector<std::string> command;
  std::optional<std::uint64_t> jobs, runners, give_up, pause, max_pause;
  std::optional<std::string> log_name;
  Line line(argc, argv, "[OPTION...] QUEUE -- COMMAND [ARGUMENT...]",
            "Feeds each due entry to a command as its standard input.",
            "ml-queue run post --watch -- 'ml-expand | ml-verp | ml-send --undelivered -'",
            Status::retry);
  line.options.number(jobs, "--jobs", "N", "commands at a time (default 4)")
      .number(runners, "--runners", "N", "runners at a time; one more leaves (default 1)")
      .flag(run.watch, "--watch", "wait for further entries instead of leaving")
      .number(give_up, "--give-up", "SECONDS", "age at which an entry has failed (432000)")
      .number(pause, "--pause", "SECONDS", "the first pause after a failure (default 60)")
      .number(max_pause, "--max-pause", "SECONDS", "the longest pause (default 3600)")
      .text(log_name, "--log", "WHERE", "stderr (default), syslog or a file")
      .operand(name, "QUEUE")
      .rest(command, "COMMAND");
  return line.run([&](const Home& home) -> Result<Status> {
    if (log_name) {
      if (auto opened = log_to(*log_name); !opened) return fail(opened);
    }
    constexpr std::uint64_t most = 1000;
    constexpr std::uint64_t century = 100ULL * 366 * 86400;
    const auto seconds = [&](const auto& given, std::time_t otherwise) {
      return given ? static_cast<std::time_t>(std::min(*given, century)) : otherwise;
    };
    for (const auto& [option, given] : {std::pair{"--jobs", jobs}, {"--runners", runners}}) {
      if (given && (*given == 0 || *given > most)) {
        return retry("{} takes 1 to {}, not {}", option, most, *given);
      }
    }
    run.jobs = static_cast<unsigned>(jobs.value_or(4));
    run.runners = static_cast<unsigned>(runners.value_or(1));
    run.give_up = seconds(give_up, run.give_up);
    run.first_pause = std::max<std::time_t>(seconds(pause, run.first_pause), 1);
    run.longest_pause = seconds(max_pause, run.longest_pause);
    const auto queue = Queue::open(home, name, create_if_own(name));
    if (!queue) return fail(queue);
    return run_queue(home, *queue, command, run);
  });
}

Result<Status> list(int argc, char** argv) {
  std::optional<std::string> name;
  std::optional<std::string> metrics;
  bool json = false;
  Line line(argc, argv, "[OPTION...] [QUEUE]",
            "Tells of each entry of a queue, or in a line each of all queues.",
            "ml-queue list outbound | cut -f1,8", Status::usage);
  line.options.flag(json, "--json", "JSON instead of text")
      .text(metrics, "--metrics", "FILE", "numbers of all queues for Prometheus, to FILE")
      .optional_operand(name, "QUEUE");
  return line.run([&](const Home& home) -> Result<Status> {
    if (metrics) {
      if (auto written = write_metrics(home, *metrics); !written) return fail(written);
      return Status::done;
    }
    if (!name) return print(queues_text(home, form_of(json)));
    const auto queue = Queue::open(home, *name, Create::no);
    if (!queue) return fail(queue);
    return print(entries_text(*queue, form_of(json)));
  });
}

Result<Status> show(int argc, char** argv) {
  std::string name, id;
  bool json = false;
  Line line(argc, argv, "[OPTION...] QUEUE ID",
            "Prints an entry as it is; to a terminal, the line that list has for it.",
            "ml-queue show held rabc | cut -f4 | base64 -d", Status::usage);
  line.options.flag(json, "--json", "what list tells of it, as JSON");
  line.options.operand(name, "QUEUE").operand(id, "ID");
  return line.run([&](const Home& home) -> Result<Status> {
    const auto queue = Queue::open(home, name, Create::no);
    if (!queue) return fail(queue);
    if (!json && isatty(1) == 0) return show_entry(*queue, id);
    const auto text = entry_text(*queue, id, form_of(json));
    if (!text) return fail(text);
    if (!*text) return failure(Status::no, "there is no entry {} in the queue {}", id, name);
    return print(**text);
  });
}

Result<Status> ask_entries(int argc, char** argv, Ask what, std::string purpose,
                           std::string example) {
  std::string name;
  std::vector<std::string> ids;
  std::optional<std::string> to;
  Line line(argc, argv,
            what == Ask::retry ? "[OPTION...] QUEUE [ID...]" : "[OPTION...] QUEUE ID...",
            std::move(purpose), std::move(example), Status::usage);
  if (what == Ask::release) line.options.text(to, "--to", "QUEUE", "into this queue");
  line.options.operand(name, "QUEUE").operands(ids, "ID");
  return line.run([&](const Home& home) -> Result<Status> {
    if (ids.empty() && what != Ask::retry) return failure(Status::usage, "ID is missing");
    const auto queue = Queue::open(home, name, Create::no);
    if (!queue) return fail(queue);
    if (what == Ask::release && !to && name == "held") to = "post";
    if (to) {
      if (const auto there = Queue::open(home, *to, create_if_own(*to)); !there) return fail(there);
    }
    return ask(home, *queue, what, ids, to);
  });
}

Result<Status> retry_entries(int argc, char** argv) {
  return ask_entries(argc, argv, Ask::retry,
                     "Makes entries due now, or all that wait; failed ones in their own queue.",
                     "ml-queue retry outbound");
}
Result<Status> hold(int argc, char** argv) {
  return ask_entries(argc, argv, Ask::hold, "Keeps entries from every runner until released.",
                     "ml-queue hold outbound rabc");
}
Result<Status> release(int argc, char** argv) {
  return ask_entries(argc, argv, Ask::release,
                     "Lets held entries go on; those of the queue held go to the queue post.",
                     "ml-queue release held rabc");
}
Result<Status> remove(int argc, char** argv) {
  return ask_entries(argc, argv, Ask::remove, "Removes entries for good.",
                     "ml-queue remove failed rabc@post");
}

struct Command {
  std::string_view name;
  Result<Status> (*run)(int argc, char** argv);
};
constexpr std::array<Command, 8> commands{{{"put", put_entries},
                                           {"run", run_entries},
                                           {"list", list},
                                           {"show", show},
                                           {"retry", retry_entries},
                                           {"hold", hold},
                                           {"release", release},
                                           {"remove", remove}}};

}  // namespace

int main(int argc, char** argv) {
  if (auto started = start("ml-queue"); !started) return leave(fail(started));
  const std::string_view word = argc > 1 ? argv[1] : "";
  const auto* const found = std::ranges::find(commands, word, &Command::name);
  if (found != commands.end()) return leave(found->run(argc - 1, argv + 1));

  std::string first;
  Options options("ml-queue", "COMMAND [OPTION...] QUEUE [OPERAND...]",
                  "A durable pipe for any standard input. Each command has its own --help:\n"
                  "  put QUEUE [FILE...]      store an entry, durably\n"
                  "  run QUEUE -- COMMAND     feed each due entry to a command\n"
                  "  list [QUEUE]             what waits, since when, why and until when\n"
                  "  show QUEUE ID            one entry as it is\n"
                  "  retry QUEUE [ID...]      try now instead of later\n"
                  "  hold QUEUE ID...         keep from every runner\n"
                  "  release QUEUE ID...      let go on\n"
                  "  remove QUEUE ID...       throw away",
                  "ml-queue put post <stream; ml-queue run post -- 'ml-expand | ml-send'");
  options.operand(first, "COMMAND");
  auto read = options.read(argc, argv);
  if (!read) return leave(fail(read));
  if (*read) return leave(**read);
  return leave(retry("'{}' is no command (see ml-queue --help)", first));
}
