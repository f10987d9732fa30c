#include "stage/bounce.hpp"

#include <utility>

#include "list/name.hpp"
#include "mail/mime.hpp"
#include "stage/bounce_home.hpp"
#include "stage/bounce_judgement.hpp"
#include "stage/bounce_message.hpp"
#include "stage/bounce_refusals.hpp"
#include "stage/bounce_steps.hpp"
#include "stream/reader.hpp"

namespace ml {
namespace {

Result<Status> judge_input(int input, const std::vector<std::string>& recipients, BounceHome& home,
                           BounceSteps& steps) {
  auto first = first_octets(input);
  if (!first) return fail(first);
  if (begins_stream(*first) || (!first->empty() && may_begin_stream(*first))) {
    Reader in(input, *first);
    return judge_refusals(in, home, steps);
  }
  if (first->empty()) return retry("the input is empty: no message came");
  auto message = read_bounce(input, std::move(*first));
  if (!message) return fail(message);
  auto judged = judge_bounce(tamed_text(*message), recipients, home, steps);
  return judged ? Result<Status>(Status::done) : fail(judged);
}

Result<Status> sweep_lists(BounceHome& home, BounceSteps& steps) {
  Verdict verdict;
  std::vector<ListName> lists;
  if (home.list) {
    lists.push_back(*home.list);
  } else {
    const auto names = home.store.lists();
    if (!names) return fail(names);
    for (const std::string& name : *names) {
      auto list = text_to_list_name(name);
      if (!list) return fail(list);
      lists.push_back(std::move(*list));
    }
  }
  for (const ListName& list : lists) {
    if (auto swept = steps.sweep(list); !swept) verdict.add(swept.error());
  }
  return verdict.result();
}

// Runs `work` with the home open, and ends the stream.
template <class Work>
Result<Status> with_home(Writer& out, const BounceOptions& options, const Work& work) {
  std::size_t sections = 0;
  const auto judged = [&]() -> Result<Status> {
    auto home = open_bounce_home(options.home, options.list, options.now);
    if (!home) return fail(home);
    BounceSteps steps(*home, out);
    auto done = work(*home, steps);
    sections = steps.sections();
    return done;
  }();
  if (!judged) {
    out.end(judged.error().status, judged.error().text);
  } else if (sections == 0) {
    out.end(Status::done, {});
  }
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  return judged;
}

}  // namespace

Result<Status> bounce(int input, Writer& out, const BounceOptions& options) {
  return with_home(out, options, [&](BounceHome& home, BounceSteps& steps) {
    return judge_input(input, options.recipients, home, steps);
  });
}

Result<Status> bounce_sweep(Writer& out, const BounceOptions& options) {
  return with_home(out, options,
                   [](BounceHome& home, BounceSteps& steps) { return sweep_lists(home, steps); });
}

Result<Status> bounce_explain(Out& out, const std::string& subscriber,
                              const BounceOptions& options) {
  if (!options.list) return retry("--explain needs the list: ml-bounce --explain ADDRESS LIST");
  auto home = open_bounce_home(options.home, options.list, options.now);
  if (!home) return fail(home);
  const auto address = text_to_address(subscriber);
  if (!address) return fail(address);
  Writer nothing(-1);
  auto text = BounceSteps(*home, nothing).explain(*home->list, *address);
  if (!text) return fail(text);
  out.put(*text);
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  return Status::done;
}

}  // namespace ml
