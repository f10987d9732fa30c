#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/diag.hpp"
#include "base/options.hpp"
#include "base/out.hpp"
#include "base/process.hpp"
#include "mail/envelope.hpp"
#include "stage/bounce.hpp"
#include "stage/bounce_report.hpp"
#include "stream/writer.hpp"

using namespace ml;

int main(int argc, char** argv) {
  if (auto started = start("ml-bounce"); !started) return leave_unbegun(fail(started));

  BounceOptions task;
  std::optional<std::string> recipient;
  std::optional<std::string> events;
  bool report = false;
  BounceReportOptions reporting;
  bool sweep = false;
  std::optional<std::string> explained;
  Options options("ml-bounce", "[OPTION...] [LIST]",
                  "Reads a bounce, marks the subscriber whose mail failed, and does what follows.",
                  "ml-bounce --report <bounce.eml | cut -f1,3");
  options.flag(report, "--report", "only print what the bounce says; needs no list and no store");
  options.text(reporting.mbox, "--mbox", "FILE",
               "with --report: every message of an mbox, - for input");
  options.text(reporting.maildir, "--maildir", "DIRECTORY",
               "with --report: every message of a Maildir");
  options.flag(reporting.json, "--json", "with --report: an object a line instead of fields");
  options.flag(sweep, "--sweep", "from a timer: probes, notices and changes that time brings");
  options.text(explained, "--explain", "ADDRESS", "how this subscriber of LIST stands, and why");
  options.text(recipient, "--recipient", "ADDRESS", "the address that the bounce came to");
  options.text(task.home, "--home", "DIRECTORY", "where the keys and the store live (ML_HOME)");
  options.text(events, "--log", "WHERE", "stderr (default), syslog or a file");
  options.optional_operand(task.list, "LIST");
  auto read = options.read(argc, argv);
  if (!read) return leave_unbegun(fail(read));
  if (*read) return leave(**read);
  if (events) {
    if (auto logging = log_to(*events); !logging) return leave_unbegun(fail(logging));
  }

  if (!report && (reporting.mbox || reporting.maildir || reporting.json)) {
    return leave(retry("--mbox, --maildir and --json go with --report"));
  }
  if (report) {
    Out out(1, "standard output");
    return leave(bounce_report(0, reporting, out));
  }
  task.now = std::chrono::system_clock::now();
  if (explained) {
    Out out(1, "standard output");
    return leave(bounce_explain(out, *explained, task));
  }
  task.recipients =
      recipient ? std::vector{*recipient} : environment_recipients(environment_variable);
  Writer out(1);
  return leave(sweep ? bounce_sweep(out, task) : bounce(0, out, task));
}
