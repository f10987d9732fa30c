#include "base/diag.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "stage/receive_given.hpp"
#include "stream/writer.hpp"

using namespace ml;

int main(int argc, char** argv) {
  if (auto started = start("ml-receive"); !started) return leave_unbegun(fail(started));

  ReceiveGiven given;
  ReceiveOptions& post = given.post;
  Options options("ml-receive", "[OPTION...] LIST | --maildir DIR [LIST] | --bsmtp",
                  "Judges a post to LIST on standard input and begins a stream with it.",
                  "ml-receive news@x.org <mail.eml | ml-expand | ml-verp | ml-send");
  options.text(post.sender.option, "--sender", "ADDRESS",
               "the envelope sender; empty or <>: the null sender");
  options.text(post.post, "--post", "WHO",
               "who may post: anyone, subscribers (default), nobody, or a FILE of addresses");
  options.text(post.otherwise, "--else", "WHAT",
               "hold, reject (default) or drop a post of anybody else");
  options.size(post.max_size, "--max-size", "OCTETS", "the largest post (default 50M)");
  options.number(post.max_hops, "--max-hops", "COUNT",
                 "more Received fields than these are a loop (default 25)");
  options.text(post.archive, "--archive", "URL", "where the posts can be read: List-Archive");
  options.text(post.unsubscribe, "--unsubscribe", "URL",
               "List-Unsubscribe by one click: https://...{{token}}");
  options.text(post.log, "--log", "WHERE",
               "where drops and holds are told: stderr (default), syslog or a FILE");
  options.text(post.home, "--home", "DIRECTORY", "the home of store, settings and queues");
  options.text(given.maildir, "--maildir", "DIR",
               "take what is in a Maildir into the queues, for LIST or whom it names");
  options.flag(given.watch, "--watch", "with --maildir: go on with what comes");
  options.flag(given.bsmtp, "--bsmtp", "take batched SMTP on standard input into the queues");
  options.optional_operand(given.list, "LIST");
  auto read = options.read(argc, argv);
  if (!read) return leave_unbegun(fail(read));
  if (*read) return leave(**read);
  if (goes_into_queues(given)) return leave(receive_into_queues(given, 0));
  if (auto fits = check_given(given); !fits) return leave_unbegun(fail(fits));

  post.list = *given.list;
  const auto told = environment_sender(environment_variable);
  post.sender.environment = told.environment;
  post.sender.exactness = told.exactness;
  post.recipients = environment_recipients(environment_variable);
  Writer out(1);
  return leave(receive(post, 0, out));
}
