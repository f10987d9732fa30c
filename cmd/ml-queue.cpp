#include <array>

#include "base/diag.hpp"
#include "base/process.hpp"
#include "base/verbs.hpp"
#include "stage/queue_verbs.hpp"

using namespace ml;

namespace {

constexpr std::array verbs{
    Verb{"put", queue_verb::put, "QUEUE [FILE...]", "store an entry, durably", Status::retry},
    Verb{"run", queue_verb::run, "QUEUE -- COMMAND", "feed each due entry to a command",
         Status::retry},
    Verb{"list", queue_verb::list, "[QUEUE]", "what waits, since when, why and until when"},
    Verb{"show", queue_verb::show, "QUEUE ID", "one entry as it is"},
    Verb{"retry", queue_verb::retry_entries, "QUEUE [ID...]", "try now instead of later"},
    Verb{"hold", queue_verb::hold, "QUEUE ID...", "keep from every runner"},
    Verb{"release", queue_verb::release, "QUEUE ID...", "let go on"},
    Verb{"remove", queue_verb::remove, "QUEUE ID...", "throw away"}};

}  // namespace

int main(int argc, char** argv) {
  if (auto started = start("ml-queue"); !started) return leave(fail(started));
  return leave(run_verb(
      {"ml-queue", "A durable pipe for any standard input.",
       "ml-queue put post <stream; ml-queue run post -- 'ml-expand | ml-send'", Status::retry},
      verbs, argc, argv));
}
