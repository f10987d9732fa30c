#include "stage/pace.hpp"

#include <algorithm>
#include <bit>
#include <vector>

#include "base/text.hpp"
#include "queue/journal_log.hpp"
#include "queue/journals.hpp"

namespace ml {
namespace {

constexpr std::int64_t deferral = 60;            // seconds that it counts for
constexpr std::int64_t longest_silence = 60;     // beyond that nobody was sending
constexpr std::int64_t shortest_silence = 2;     // journals know whole seconds
constexpr std::size_t most_domains = 1'000'000;  // that are counted; others are quick

struct Delay {
  std::int64_t seconds = 0;
  std::int64_t outcomes = 0;
};
using Delays = std::unordered_map<std::string, Delay>;

// The journals of the last message, of which there may be parts.
Result<std::vector<JournalFacts>> last_journals(const Home& home, std::string_view list) {
  std::vector<JournalFacts> last;
  auto read = each_unpruned_journal(home, [&](const JournalFacts& facts) -> Result<> {
    if (!list.empty() && !same_nocase(facts.list, list)) return {};
    if (last.empty() || facts.id == last.front().id) {
      last.push_back(facts);
    } else if (facts.begun > last.front().begun) {
      last.assign(1, facts);
    }
    return {};
  });
  if (!read) return fail(read);
  return last;
}

Result<> add_delays(Delays& delays, const JournalFacts& facts) {
  std::int64_t before = 0;
  std::string domain;
  return each_outcome(facts.directory, [&](const OutcomeLine& line) -> Result<> {
    domain.assign(line.address.substr(std::min(line.address.rfind('@') + 1, line.address.size())));
    std::ranges::transform(domain, domain.begin(), to_lower);
    const std::int64_t silence = before == 0 ? 0 : line.time - before;
    before = std::max(before, line.time);  // one that was missing comes late
    if (delays.size() >= most_domains && !delays.contains(domain)) return {};
    Delay& delay = delays[domain];
    ++delay.outcomes;
    if (silence >= shortest_silence) delay.seconds += std::min(silence, longest_silence);
    const bool kept = line.outcome == Outcome::left && line.relay != "-";  // by its entry
    if (kept || line.outcome == Outcome::deferred || line.outcome == Outcome::unanswered) {
      delay.seconds += deferral;
    }
    return {};
  });
}

}  // namespace

Result<Pace> Pace::read(const Home& home, std::string_view list) {
  auto journals = last_journals(home, list);
  if (journals && journals->empty() && !list.empty()) journals = last_journals(home, {});
  if (!journals) return fail(journals);
  Delays delays;
  for (const JournalFacts& facts : *journals) {
    if (auto added = add_delays(delays, facts); !added) return fail(added);
  }
  Pace pace;
  for (const auto& [domain, delay] : delays) {
    const auto tenths = static_cast<std::uint64_t>(10 * delay.seconds / delay.outcomes);
    if (tenths > 0) pace.slow_[domain] = static_cast<std::uint64_t>(std::bit_width(tenths));
  }
  return pace;
}

std::uint64_t Pace::slowness(std::string_view domain) const {
  if (slow_.empty()) return 0;
  const auto found = slow_.find(lower(domain));
  return found == slow_.end() ? 0 : found->second;
}

}  // namespace ml
