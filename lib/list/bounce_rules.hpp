// What follows from bounces: the one place that decides about a subscriber, with neither store nor
// clock.
//
//   from                 event                            to
//   active               a mark                           bouncing: mail still goes out
//   bouncing             score, messages, days reached    the same, and a probe goes out
//   bouncing             that probe came back             suspended: no mail
//   suspended            suspended_days are over          the same, and a probe goes out
//   suspended            that probe came back             removed
//   bouncing, suspended  a probe is silent: probe_days    active, its marks gone
//   bouncing             the score has decayed            active, its marks gone
//
// A bounce of no such mailbox or domain weighs 2, of a full mailbox 1; the weight halves each
// half_life days. No score alone sends a probe: it takes bounces of three messages on three days.
//
//   const BounceVerdict verdict = judge_bounces(state, marks, probe, rules, today());
//   if (verdict.step == BounceStep::suspend) ...
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.hpp"
#include "list/settings.hpp"

namespace ml {

struct BounceRules {
  double score = 5;              // bounce-score
  unsigned half_life = 30;       // bounce-half-life, days
  unsigned messages = 3;         // bounce-messages, never less than 3
  unsigned probe_days = 7;       // bounce-probe-days: so long a probe may take to bounce
  unsigned suspended_days = 30;  // bounce-suspended-days: before the last probe
  unsigned share = 30;           // bounce-share, percent of the list's domains
  std::string probe_text;        // bounce-probe-text, a file
  std::string notice_text;       // bounce-notice-text, a file
};
// So few domains never make a message the culprit.
inline constexpr unsigned fewest_domains = 10;

[[nodiscard]] Result<BounceRules> settings_to_bounce_rules(const Settings& settings);

enum class BouncedState { sound, bouncing, suspended };

struct CountedBounce {
  std::uint16_t day = 0;
  bool full = false;  // only its mailbox was full
};

struct SentProbe {
  std::uint16_t day = 0;
  bool decides = false;  // it is before a step down, and not for evidence
  bool bounced = false;
};

enum class BounceStep {
  none,
  probe,  // to be sent before the next step down
  suspend,
  remove,
  recover,     // active again, marks and probe gone
  drop_probe,  // it was for evidence, and its time is over
};

struct BounceVerdict {
  BounceStep step = BounceStep::none;
  double score = 0;
  std::string why;  // for --explain and notices, a half sentence
};

// `changed`: the day of the last change of state.
[[nodiscard]] BounceVerdict judge_bounces(BouncedState state, std::uint16_t changed,
                                          std::span<const CountedBounce> bounces,
                                          const std::optional<SentProbe>& probe,
                                          const BounceRules& rules, std::uint16_t today);

// True if so many domains refusing one message make the message the culprit.
[[nodiscard]] bool is_culprit(std::uint64_t refusing, std::uint64_t domains,
                              const BounceRules& rules);

}  // namespace ml
