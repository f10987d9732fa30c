#include <optional>
#include <string>

#include "base/diag.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "list/settings.hpp"
#include "stage/batch.hpp"
#include "stage/maildir.hpp"
#include "stage/receive.hpp"
#include "stream/writer.hpp"

using namespace ml;

namespace {

// The ways into the queues: nothing of what one message on standard input may be told.
struct Ways {
  std::optional<std::string> maildir;
  bool watch = false;
  bool batch = false;
};

Result<Status> receive_into_queues(const ReceiveOptions& given, const Ways& ways,
                                   std::optional<std::string> list) {
  if (given.sender.option || given.post || given.otherwise || given.max_size || given.max_hops ||
      given.archive || given.unsubscribe) {
    return retry("with --maildir and --bsmtp the settings of each list decide, not options");
  }
  if (ways.batch && (ways.maildir || ways.watch || list)) {
    return retry("--bsmtp stands alone: a batch names its recipients");
  }
  const auto home = open_home(given.home, Create::no);
  if (!home) return fail(home);
  auto intake = Intake::open(*home, given.log);
  if (!intake) return fail(intake);
  if (ways.batch) return receive_batch(*home, *intake, 0);
  if (list) {
    const auto name = find_list_name(*home, *list);
    if (!name) return fail(name);
    list = name->text();
  }
  return receive_maildir(*intake, {.directory = *ways.maildir,
                                   .recipient = list,
                                   .watch = ways.watch ? Watch::yes : Watch::no});
}

}  // namespace

int main(int argc, char** argv) {
  if (auto started = start("ml-receive"); !started) return leave_unbegun(fail(started));

  ReceiveOptions receiving;
  Ways ways;
  std::optional<std::string> list;
  Options options("ml-receive", "[OPTION...] LIST | --maildir DIR [LIST] | --bsmtp",
                  "Judges a post to LIST on standard input and begins a stream with it.",
                  "ml-receive news@x.org <mail.eml | ml-expand | ml-verp | ml-send");
  options.text(receiving.sender.option, "--sender", "ADDRESS",
               "the envelope sender; empty or <>: the null sender");
  options.text(receiving.post, "--post", "WHO",
               "who may post: anyone, subscribers (default), nobody, or a FILE of addresses");
  options.text(receiving.otherwise, "--else", "WHAT",
               "hold, reject (default) or drop a post of anybody else");
  options.size(receiving.max_size, "--max-size", "OCTETS", "the largest post (default 50M)");
  options.number(receiving.max_hops, "--max-hops", "COUNT",
                 "more Received fields than these are a loop (default 25)");
  options.text(receiving.archive, "--archive", "URL", "where the posts can be read: List-Archive");
  options.text(receiving.unsubscribe, "--unsubscribe", "URL",
               "List-Unsubscribe by one click: https://...{{token}}");
  options.text(receiving.log, "--log", "WHERE",
               "where drops and holds are told: stderr (default), syslog or a FILE");
  options.text(receiving.home, "--home", "DIRECTORY", "the home of store, settings and queues");
  options.text(ways.maildir, "--maildir", "DIR",
               "take what is in a Maildir into the queues, for LIST or whom it names");
  options.flag(ways.watch, "--watch", "with --maildir: go on with what comes");
  options.flag(ways.batch, "--bsmtp", "take batched SMTP on standard input into the queues");
  options.optional_operand(list, "LIST");
  auto read = options.read(argc, argv);
  if (!read) return leave_unbegun(fail(read));
  if (*read) return leave(**read);
  if (ways.maildir || ways.batch) return leave(receive_into_queues(receiving, ways, list));
  if (ways.watch) return leave_unbegun(retry("--watch goes with --maildir"));
  if (!list) return leave_unbegun(retry("LIST is missing (see ml-receive --help)"));
  receiving.list = *list;

  const auto told = environment_sender(environment_variable);
  receiving.sender.environment = told.environment;
  receiving.sender.exactness = told.exactness;
  Writer out(1);
  return leave(receive(receiving, 0, out));
}
