#include <unistd.h>

#include <csignal>
#include <optional>
#include <string>

#include "base/diag.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "stage/run.hpp"

using namespace ml;

int main(int argc, char** argv) {
  if (auto started = start("ml-run"); !started) return leave(fail(started));
  // A mail server may have left us descriptors of its own, and the habit not to wait for children.
  close_range(3, ~0U, 0);
  static_cast<void>(std::signal(SIGCHLD, SIG_DFL));

  RunTask task;
  std::optional<std::string> queue;
  std::optional<std::string> sender;
  std::optional<std::string> operand;
  Options options("ml-run", "[OPTION...] [LIST [ROLE]] | --sender SENDER -- RECIPIENT",
                  "Takes a message from a mail server for a list, and has it delivered.",
                  "news: \"|/usr/bin/ml-run news@x.org\"        # in an alias file");
  options.text(sender, "--sender,-f", "SENDER",
               "the envelope sender (empty: null); the operand is then the recipient");
  options.text(queue, "--from", "QUEUE", "run an entry of this queue, on standard input");
  options.text(task.home, "--home", "DIRECTORY", "the home of store, settings and queues");
  options.optional_operand(operand, "LIST");
  options.optional_operand(task.role, "ROLE");
  auto read = options.read(argc, argv);
  if (!read) return leave(fail(read));
  if (*read) return leave(**read);

  if (queue) {
    if (operand) return leave(retry("--from takes no LIST: the entry names its own"));
    return leave(run_entry(task.home, *queue, Fd(0), Fd(1)));
  }
  task.sender = environment_sender(environment_variable);
  task.recipients = environment_recipients(environment_variable);
  if (sender) {
    if (task.role) return leave(retry("one RECIPIENT at a time, please: each has its own status"));
    task.sender = {.option = sender};
    if (operand) task.recipients = {*operand};
  } else {
    task.list = operand;
  }
  return leave(run(task, 0));
}
