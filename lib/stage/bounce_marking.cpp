#include "stage/bounce_marking.hpp"

#include "base/diag.hpp"
#include "mail/diagnosis.hpp"
#include "mail/verp.hpp"

namespace ml {

std::string mark_text(const Report& report) {
  return telling_status(report) + ' ' + std::string(bounce_class_to_text(bounce_class(report)));
}

Result<std::string> BounceMarking::mark(const Address& recipient, std::uint32_t tag,
                                        const std::optional<std::string>& status,
                                        std::string_view said) {
  const auto probe = home_.store.probe(number_, recipient);
  if (!probe) return fail(probe);
  if (*probe && (*probe)->tag == tag && (*probe)->step != ProbeStep::evidence) {
    if (!status) return std::string(said);
    Probe bounced = **probe;
    bounced.bounced = true;
    if (auto put = home_.store.put_probe(number_, recipient, bounced); !put) return fail(put);
  } else {
    const auto bounced =
        home_.store.mark_bounce(number_, recipient, {tag, home_.day(), status.value_or("")});
    if (!bounced) return fail(bounced);
    const auto culprit = is_message_to_blame(bounced->refused, tag);
    if (!culprit) return fail(culprit);
    if (*culprit) return std::string("so many domains refuse this message that it is to blame");
    if (!status) return std::string(said);
    if (!bounced->marked) {
      if (auto again = steps_.follow_again(list_, recipient); !again) return fail(again);
      return why_unmarked(recipient);
    }
  }
  if (auto followed = steps_.follow(list_, recipient); !followed) return fail(followed);
  return std::string();
}

Result<bool> BounceMarking::is_message_to_blame(const Refused& refused, std::uint32_t tag) {
  if (refused.blamed || refused.domains < fewest_domains) return refused.blamed;
  const auto rules = steps_.rules(list_);
  if (!rules) return fail(rules);
  const auto domains = home_.store.domains(number_);
  if (!domains) return fail(domains);
  if (!is_culprit(refused.domains, *domains, **rules)) return false;
  const auto taken_back = home_.store.blame_message(number_, tag);
  if (!taken_back) return fail(taken_back);
  log(
      fmt::format("message {} of {} is refused by {} of {} domains: it is to blame, and {} marks "
                  "are taken back",
                  tag_to_text(tag), list_.text(), refused.domains, *domains, *taken_back));
  return true;
}

Result<std::string> BounceMarking::why_unmarked(const Address& recipient) const {
  const auto there = home_.store.find(number_, recipient);
  if (!there) return fail(there);
  const bool subscribed = *there && (*there)->state != State::removed;
  return std::string(subscribed ? "this message was counted before" : "no such subscriber");
}

}  // namespace ml
