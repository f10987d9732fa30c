#include "stage/receive_given.hpp"

#include "list/settings.hpp"
#include "stage/batch.hpp"
#include "stage/intake.hpp"
#include "stage/maildir.hpp"

namespace ml {

bool goes_into_queues(const ReceiveGiven& given) {
  return given.maildir || given.bsmtp;
}

Result<> check_given(const ReceiveGiven& given) {
  const ReceiveOptions& post = given.post;
  if (!goes_into_queues(given)) {
    if (given.watch) return retry("--watch goes with --maildir");
    if (!given.list) return retry("LIST is missing (see ml-receive --help)");
    return {};
  }
  if (post.sender.option || post.post || post.otherwise || post.max_size || post.max_hops ||
      post.archive || post.unsubscribe) {
    return retry("with --maildir and --bsmtp the settings of each list decide, not options");
  }
  if (given.bsmtp && (given.maildir || given.watch || given.list)) {
    return retry("--bsmtp stands alone: a batch names its recipients");
  }
  return {};
}

Result<Status> receive_into_queues(const ReceiveGiven& given, int input) {
  if (auto fits = check_given(given); !fits) return fail(fits);
  const auto home = open_home(given.post.home, Create::no);
  if (!home) return fail(home);
  auto intake = Intake::open(*home, given.post.log);
  if (!intake) return fail(intake);
  if (given.bsmtp) return receive_batch(*home, *intake, input);
  MaildirOptions options{.directory = *given.maildir,
                         .recipient = std::nullopt,
                         .watch = given.watch ? Watch::yes : Watch::no};
  if (given.list) {
    const auto name = find_list_name(*home, *given.list);
    if (!name) return fail(name);
    options.recipient = name->text();
  }
  return receive_maildir(*intake, options);
}

}  // namespace ml
