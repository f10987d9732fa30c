#include <algorithm>
#include <ctime>
#include <optional>
#include <string>

#include "base/diag.hpp"
#include "base/home.hpp"
#include "base/options.hpp"
#include "base/out.hpp"
#include "base/process.hpp"
#include "list/settings.hpp"
#include "queue/journals.hpp"
#include "stage/log.hpp"

using namespace ml;

namespace {

constexpr std::int64_t day = 86'400;
constexpr std::int64_t idle_days = 14;
constexpr std::int64_t kept_days = 400;

// Not before the queues have given up what waits in them.
Result<Status> prune(const Home& home) {
  const auto site = load_settings(home, nullptr);
  if (!site) return fail(site);
  const auto give_up = site->size("give-up");
  if (!give_up) return fail(give_up);
  const auto longest =
      static_cast<std::int64_t>(std::min<std::uint64_t>(give_up->value_or(0), kept_days * day));
  const auto idle = std::max(idle_days * day, longest);
  const auto count = prune_journals(home, std::time(nullptr), idle, kept_days * day);
  if (!count) return fail(count);
  return Status::done;
}

Result<Status> run(int argc, char** argv) {
  if (auto started = start("ml-log"); !started) return fail(started);
  LogQuery query;
  std::optional<std::string> home_option;
  std::optional<std::string> outcome;
  bool json = false;
  bool prunes = false;
  Options options("ml-log", "[OPTION...] [ID]",
                  "Says who got what: the messages sent, or the recipients of some.",
                  "ml-log --list news@x.org --outcome delivered | cut -f1 | sort -u",
                  Status::usage);
  options.optional_operand(query.id, "ID")
      .text(query.message_id, "--message-id", "ID", "of the message with this Message-ID")
      .text(query.list, "--list", "LIST", "of messages to this list")
      .text(query.address, "--address", "ADDRESS", "only this recipient")
      .text(outcome, "--outcome", "WORD",
            "delivered, refused, deferred, unanswered, left or given-up")
      .flag(query.every_attempt, "--all", "every attempt, not only what came of it")
      .flag(json, "--json", "an array of objects")
      .flag(prunes, "--prune", "forget the recipients of what was done two weeks ago")
      .text(home_option, "--home", "DIR", "whose journals");
  auto read = options.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  query.form = form_of(json);
  if (outcome) {
    query.outcome = text_to_outcome(*outcome);
    if (!query.outcome) return failure(Status::usage, "--outcome {}: no such outcome", *outcome);
  }
  auto home = open_home(home_option, Create::no);
  if (!home) return fail(home);
  if (prunes) return prune(*home);
  Out out(1, "standard output");
  const auto count = look_up(*home, query, out);
  if (!count) return fail(count);
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  return *count > 0 ? Status::done : Status::no;
}

}  // namespace

int main(int argc, char** argv) {
  return leave(run(argc, argv));
}
