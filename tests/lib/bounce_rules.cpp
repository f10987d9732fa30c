#include "list/bounce_rules.hpp"

#include <catch2/catch.hpp>

#include <optional>
#include <vector>

using namespace ml;

namespace {

constexpr std::uint16_t day = 20'000;
using Bounces = std::vector<CountedBounce>;

BounceStep step(BouncedState state, const Bounces& bounces,
                const std::optional<SentProbe>& probe = std::nullopt, std::uint16_t changed = day) {
  return judge_bounces(state, changed, bounces, probe, BounceRules(), day).step;
}

SentProbe probe_of(int days_ago, bool decides, bool bounced) {
  return {static_cast<std::uint16_t>(day - days_ago), decides, bounced};
}

}  // namespace

TEST_CASE("bounce rules: three messages on three days send a probe and nothing less does") {
  CHECK(step(BouncedState::bouncing, {{day - 2}, {day - 1}, {day}}) == BounceStep::probe);
  CHECK(step(BouncedState::bouncing, {{day - 1}, {day}}) == BounceStep::none);
  CHECK(step(BouncedState::bouncing, {{day}, {day}, {day}, {day}}) == BounceStep::none);
  CHECK(step(BouncedState::bouncing, {{day - 1}, {day}, {day}, {day}}) == BounceStep::none);
}

TEST_CASE("bounce rules: bounces lose their weight with time and a full mailbox has less") {
  CHECK(step(BouncedState::bouncing, {{day - 60}, {day - 59}, {day}}) == BounceStep::none);
  const Bounces full{{day - 2, true}, {day - 1, true}, {day, true}};
  CHECK(step(BouncedState::bouncing, full) == BounceStep::none);
  const Bounces fuller{{day - 5, true}, {day - 4, true}, {day - 3, true},
                       {day - 2, true}, {day - 1, true}, {day, true}};
  CHECK(step(BouncedState::bouncing, fuller) == BounceStep::probe);
  CHECK(step(BouncedState::bouncing, {{day - 90}}) == BounceStep::recover);
  CHECK(step(BouncedState::bouncing, {}) == BounceStep::recover);
}

TEST_CASE("bounce rules: only a bounced probe steps down and one that is silent recovers") {
  const Bounces many{{day - 2}, {day - 1}, {day}};
  CHECK(step(BouncedState::bouncing, many, probe_of(1, true, false)) == BounceStep::none);
  CHECK(step(BouncedState::bouncing, many, probe_of(1, true, true)) == BounceStep::suspend);
  CHECK(step(BouncedState::suspended, many, probe_of(1, true, true)) == BounceStep::remove);
  CHECK(step(BouncedState::bouncing, many, probe_of(7, true, false)) == BounceStep::recover);
  CHECK(step(BouncedState::suspended, many, probe_of(7, true, false)) == BounceStep::recover);
}

TEST_CASE("bounce rules: a probe for evidence decides nothing") {
  CHECK(step(BouncedState::sound, {}, probe_of(1, false, true)) == BounceStep::none);
  CHECK(step(BouncedState::sound, {}, probe_of(7, false, true)) == BounceStep::drop_probe);
  CHECK(step(BouncedState::bouncing, {{day}}, probe_of(7, false, false)) == BounceStep::drop_probe);
}

TEST_CASE("bounce rules: a suspended subscriber is probed again after a month") {
  CHECK(step(BouncedState::suspended, {}, {}, day - 29) == BounceStep::none);
  CHECK(step(BouncedState::suspended, {}, {}, day - 30) == BounceStep::probe);
}

TEST_CASE("bounce rules: a share of the domains makes the message the culprit") {
  const BounceRules rules;
  CHECK_FALSE(is_culprit(9, 9, rules));
  CHECK(is_culprit(10, 33, rules));
  CHECK_FALSE(is_culprit(10, 34, rules));
}

TEST_CASE("bounce rules: settings cannot go below three messages") {
  Settings settings;
  REQUIRE(settings.overlay("bounce-messages = 1\nbounce-score = 1\nbounce-share = 50\n", "x"));
  const auto rules = settings_to_bounce_rules(settings);
  REQUIRE(rules);
  CHECK(rules->messages == 3);
  CHECK(rules->score == 1);
  CHECK(rules->share == 50);
  CHECK(judge_bounces(BouncedState::bouncing, day, Bounces{{day}}, {}, *rules, day).step ==
        BounceStep::none);
}
