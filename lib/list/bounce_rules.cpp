#include "list/bounce_rules.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace ml {
namespace {

constexpr double decayed = 0.5;  // half of what a full mailbox weighs: nothing worth counting

Result<> read_number(const Settings& settings, std::string_view key, unsigned least, unsigned& to) {
  const auto set = settings.size(key);
  if (!set) return fail(set);
  if (*set) {
    constexpr std::uint64_t most = std::numeric_limits<std::uint16_t>::max();
    to = static_cast<unsigned>(std::clamp(**set, std::uint64_t{least}, most));
  }
  return {};
}

unsigned days_between(std::uint16_t from, std::uint16_t to) {
  return to > from ? static_cast<unsigned>(to - from) : 0;
}

double score_of(std::span<const CountedBounce> bounces, const BounceRules& rules,
                std::uint16_t today) {
  double score = 0;
  for (const CountedBounce& bounce : bounces) {
    const double halves = static_cast<double>(days_between(bounce.day, today)) / rules.half_life;
    score += (bounce.full ? 1.0 : 2.0) * std::exp2(-halves);
  }
  return score;
}

std::size_t days_of(std::span<const CountedBounce> bounces) {
  std::set<std::uint16_t> days;
  for (const CountedBounce& bounce : bounces) days.insert(bounce.day);
  return days.size();
}

void judge_probe(const SentProbe& probe, BouncedState state, const BounceRules& rules,
                 std::uint16_t today, BounceVerdict& verdict) {
  const unsigned age = days_between(probe.day, today);
  if (probe.decides && probe.bounced) {
    verdict.step = state == BouncedState::suspended ? BounceStep::remove : BounceStep::suspend;
    verdict.why = "its probe bounced";
  } else if (age < rules.probe_days) {
    verdict.why = fmt::format("a probe is on its way, for {} of {} days", age, rules.probe_days);
  } else if (probe.decides) {
    verdict.step = BounceStep::recover;
    verdict.why = "its probe did not bounce";
  } else {
    verdict.step = BounceStep::drop_probe;
    verdict.why = "the probe for evidence did not bounce";
  }
}

void judge_marks(std::span<const CountedBounce> bounces, const BounceRules& rules,
                 BounceVerdict& verdict) {
  const std::size_t days = days_of(bounces);
  if (verdict.score < decayed) {
    verdict.step = BounceStep::recover;
    verdict.why = "its bounces are long past, or were taken back";
  } else if (verdict.score >= rules.score && bounces.size() >= rules.messages && days >= 3) {
    verdict.step = BounceStep::probe;
    verdict.why = fmt::format("{} messages bounced on {} days", bounces.size(), days);
  } else {
    verdict.why = fmt::format("score {:.1f} of {:.1f}, {} of {} messages, {} of 3 days",
                              verdict.score, rules.score, bounces.size(), rules.messages, days);
  }
}

}  // namespace

Result<BounceRules> settings_to_bounce_rules(const Settings& settings) {
  BounceRules rules;
  unsigned score = 5;
  struct Row {
    std::string_view key;
    unsigned least;
    unsigned& to;
  };
  for (const Row& row :
       {Row{"bounce-score", 1, score}, Row{"bounce-half-life", 1, rules.half_life},
        Row{"bounce-messages", 3, rules.messages}, Row{"bounce-probe-days", 1, rules.probe_days},
        Row{"bounce-suspended-days", 1, rules.suspended_days},
        Row{"bounce-share", 1, rules.share}}) {
    if (auto read = read_number(settings, row.key, row.least, row.to); !read) return fail(read);
  }
  rules.score = score;
  rules.probe_text = settings.text("bounce-probe-text").value_or("");
  rules.notice_text = settings.text("bounce-notice-text").value_or("");
  return rules;
}

BounceVerdict judge_bounces(BouncedState state, std::uint16_t changed,
                            std::span<const CountedBounce> bounces,
                            const std::optional<SentProbe>& probe, const BounceRules& rules,
                            std::uint16_t today) {
  BounceVerdict verdict;
  verdict.score = score_of(bounces, rules, today);
  if (probe) {
    judge_probe(*probe, state, rules, today, verdict);
  } else if (state == BouncedState::bouncing) {
    judge_marks(bounces, rules, verdict);
  } else if (state == BouncedState::suspended) {
    const unsigned days = days_between(changed, today);
    if (days >= rules.suspended_days) verdict.step = BounceStep::probe;
    verdict.why = fmt::format("suspended for {} of {} days", days, rules.suspended_days);
  }
  return verdict;
}

bool is_culprit(std::uint64_t refusing, std::uint64_t domains, const BounceRules& rules) {
  return refusing >= fewest_domains && refusing * 100 >= domains * rules.share;
}

}  // namespace ml
