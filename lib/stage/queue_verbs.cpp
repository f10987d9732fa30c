#include "stage/queue_verbs.hpp"

#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/diag.hpp"
#include "base/text.hpp"
#include "list/settings.hpp"
#include "queue/queue.hpp"
#include "stage/queue_ask.hpp"
#include "stage/queue_list.hpp"
#include "stage/queue_put.hpp"
#include "stage/queue_run.hpp"

namespace ml::queue_verb {
namespace {

Result<Status> print(const Result<std::string>& text, Out& out) {
  if (!text) return fail(text);
  out.put(*text);
  return Status::done;
}

// On a terminal nothing that it would obey.
void put_message(std::string_view message, Out& out) {
  if (isatty(1) == 0) return out.put(message);
  for (const auto text : split(message, '\n')) out.put(printable(text, 1000) + '\n');
}

Result<Status> run_given(const Home& home, const std::string& name, const RunNumbers& numbers,
                         std::optional<std::string> log_name,
                         const std::vector<std::string>& command) {
  const auto site = load_settings(home, nullptr);
  if (!site) return fail(site);
  if (!log_name) log_name = site->text("log");
  if (auto opened = log_to(log_name.value_or("stderr")); !opened) return fail(opened);
  const auto options = run_options(numbers, *site);
  if (!options) return fail(options);
  const auto queue = Queue::open(home, name, create_if_own(name));
  if (!queue) return fail(queue);
  auto ran = run_queue(home, *queue, command, *options);
  if (!ran && log_name && *log_name != "stderr") log(ran.error().text);
  return ran;
}

}  // namespace

Result<Status> put(VerbLine& line) {
  std::string name;
  std::optional<std::string> id;
  std::vector<std::string> files;
  line.options("[OPTION...] QUEUE [FILE...]",
               "Stores standard input, or each file, as an entry: durable when this ends with 0.",
               "ml-receive news@x.org <mail.eml | ml-queue put post")
      .text(id, "--name", "ID", "the entry's name; one of that name is replaced")
      .operand(name, "QUEUE")
      .operands(files, "FILE");
  return line.run([&](const Home& home, Out&) { return put_into(home, name, files, id); });
}

Result<Status> run(VerbLine& line) {
  RunNumbers numbers;
  std::string name;
  std::vector<std::string> command;
  std::optional<std::string> log_name;
  line.options("[OPTION...] QUEUE -- COMMAND [ARGUMENT...]",
               "Feeds each due entry to a command as its standard input.",
               "ml-queue run post --watch -- 'ml-expand | ml-verp | ml-send --undelivered -'")
      .number(numbers.jobs, "--jobs", "N", "commands at a time (default 4)")
      .number(numbers.runners, "--runners", "N", "runners at a time; one more leaves (default 1)")
      .flag(numbers.watch, "--watch", "wait for further entries instead of leaving")
      .flag(numbers.until_empty, "--until-empty", "wait for those that are put off, then leave")
      .number(numbers.give_up, "--give-up", "SECONDS", "age at which an entry has failed (432000)")
      .number(numbers.pause, "--pause", "SECONDS", "the first pause after a failure (default 60)")
      .number(numbers.max_pause, "--max-pause", "SECONDS", "the longest pause (default 3600)")
      .text(log_name, "--log", "WHERE", "stderr (default), syslog or a file")
      .operand(name, "QUEUE")
      .rest(command, "COMMAND");
  return line.run(
      [&](const Home& home, Out&) { return run_given(home, name, numbers, log_name, command); });
}

Result<Status> list(VerbLine& line) {
  std::optional<std::string> name;
  std::optional<std::string> metrics;
  bool json = false;
  line.options("[OPTION...] [QUEUE]",
               "Tells of each entry of a queue, or in a line each of all queues.",
               "ml-queue list outbound | cut -f1,8")
      .flag(json, "--json", "JSON instead of text")
      .text(metrics, "--metrics", "FILE", "numbers of all queues for Prometheus, to FILE")
      .optional_operand(name, "QUEUE");
  return line.run([&](const Home& home, Out& out) -> Result<Status> {
    if (metrics) {
      if (auto written = write_metrics(home, *metrics); !written) return fail(written);
      return Status::done;
    }
    if (!name) return print(queues_text(home, form_of(json)), out);
    return print(entries_text(home, *name, form_of(json)), out);
  });
}

Result<Status> show(VerbLine& line) {
  std::string name, id;
  bool json = false;
  bool message = false;
  line.options("[OPTION...] QUEUE ID",
               "Prints an entry as it is; to a terminal, the line that list has for it.",
               "ml-queue show --message held rabc | head -n 20")
      .flag(json, "--json", "what list tells of it, as JSON")
      .flag(message, "--message", "the message in it, decoded")
      .operand(name, "QUEUE")
      .operand(id, "ID");
  return line.run([&](const Home& home, Out& out) -> Result<Status> {
    if (json && message) return failure(Status::usage, "--json or --message, not both");
    const auto queue = Queue::open(home, name, Create::no);
    if (!queue) return fail(queue);
    if (!json && !message && isatty(1) == 0) return show_entry(*queue, id);
    const auto text = message ? entry_message(*queue, id) : entry_text(*queue, id, form_of(json));
    if (!text) return fail(text);
    if (!*text) return failure(Status::no, "there is no entry {} in the queue {}", id, name);
    if (!message) return print(**text, out);
    put_message(**text, out);
    return Status::done;
  });
}

namespace {

Result<Status> ask_entries(VerbLine& line, Ask what, std::string purpose, std::string example) {
  std::string name;
  std::vector<std::string> ids;
  std::optional<std::string> to;
  Options& options =
      line.options(what == Ask::retry ? "[OPTION...] QUEUE [ID...]" : "[OPTION...] QUEUE ID...",
                   std::move(purpose), std::move(example));
  if (what == Ask::release) options.text(to, "--to", "QUEUE", "into this queue");
  options.operand(name, "QUEUE").operands(ids, "ID");
  return line.run([&](const Home& home, Out&) { return ask(home, name, what, ids, to); });
}

}  // namespace

Result<Status> retry_entries(VerbLine& line) {
  return ask_entries(line, Ask::retry,
                     "Makes entries due now, or all that wait; failed ones in their own queue.",
                     "ml-queue retry outbound");
}
Result<Status> hold(VerbLine& line) {
  return ask_entries(line, Ask::hold, "Keeps entries from every runner until released.",
                     "ml-queue hold outbound rabc");
}
Result<Status> release(VerbLine& line) {
  return ask_entries(line, Ask::release,
                     "Lets held entries go on; those of the queue held go to that of their role.",
                     "ml-queue release held rabc");
}
Result<Status> remove(VerbLine& line) {
  return ask_entries(line, Ask::remove, "Removes entries for good.",
                     "ml-queue remove failed rabc@post");
}

}  // namespace ml::queue_verb
