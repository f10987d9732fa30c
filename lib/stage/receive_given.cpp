#include "stage/receive_given.hpp"

#include <utility>

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

// A list that is not there is the operator's slip, and no fault of any message.
static Result<std::optional<std::string>> list_of(const Home& home, const Intake& intake,
                                                  const std::optional<std::string>& list) {
  if (!list) return std::nullopt;
  const auto name = find_list_name(home, *list);
  if (!name) return fail(name);
  const auto known = intake.knows(name->text());
  if (!known) return fail(known);
  if (*known) return name->text();
  return retry("{0}: no such list (make it with: ml-list create {0})", name->text());
}

Result<Status> receive_into_queues(const ReceiveGiven& given, int input) {
  if (auto fits = check_given(given); !fits) return fail(fits);
  const auto home = open_home(given.post.home, Create::no);
  if (!home) return fail(home);
  auto intake = Intake::open(*home, given.post.log);
  if (!intake) return fail(intake);
  if (given.bsmtp) return receive_batch(*home, *intake, input);
  auto list = list_of(*home, *intake, given.list);
  if (!list) return fail(list);
  MaildirOptions options{.directory = *given.maildir,
                         .list = std::move(*list),
                         .watch = given.watch ? Watch::yes : Watch::no};
  return receive_maildir(*intake, options);
}

}  // namespace ml
