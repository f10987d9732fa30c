#include "stage/mail_hosts.hpp"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <utility>

#include "base/diag.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"

namespace ml {
namespace {

// Seconds that an answer holds: as DNS says, but within these; and one that says nothing of it, as
// that there is no such name.
constexpr std::int64_t least = 3600;
constexpr std::int64_t briefly = 900;

// A name whose lookup fails takes 6 s: a sort waits for a few silent ones no longer.
constexpr int tries = 2;

bool may_be_asked(std::string_view domain) {
  return !domain.empty() && domain.size() <= longest_domain && !domain.starts_with('[');
}

MxCache::Known answer_to_known(const HostsAnswer& answer, std::int64_t now) {
  if (answer.kind != Answer::found) return {.until = now + briefly};
  const auto& host = std::ranges::min(
      answer.hosts, {}, [](const ServiceHost& one) { return std::pair(one.order, one.name); });
  const std::int64_t ttl = answer.ttl.count();
  return {host.name, now + (ttl == 0 ? briefly : std::clamp(ttl, least, MxCache::longest))};
}

}  // namespace

Result<MailHosts> MailHosts::open(const std::optional<Home>& home, const Terms& terms) {
  auto resolver = Resolver::open({.servers = terms.servers, .tries = tries});
  if (!resolver) return fail(resolver);
  MailHosts hosts(std::move(*resolver), terms.patience);
  if (!home) return hosts;
  auto cache = MxCache::open(*home);
  if (cache) {
    hosts.cache_.emplace(std::move(*cache));
  } else {
    hosts.use_cache(fail(cache));
  }
  return hosts;
}

// Answers matter more than their being kept.
void MailHosts::use_cache(const Result<>& used) {
  if (used) return;
  say("mail hosts are not kept: " + used.error().text);
  cache_.reset();
}

std::vector<std::string> MailHosts::of(const std::vector<std::string>& domains) {
  const std::int64_t now = std::time(nullptr);
  auto hosts = domains;
  std::vector<bool> holds(domains.size());
  std::vector<bool> known(domains.size());
  if (cache_) {
    use_cache(cache_->find(domains, now, [&](std::size_t at, const MxCache::Known& found) {
      if (!found.host.empty()) hosts[at] = found.host;
      known[at] = true;
      holds[at] = found.until >= now;
    }));
  }

  std::vector<std::string> asked;
  std::vector<std::size_t> places;  // of them among the domains
  for (std::size_t at = 0; at < domains.size(); ++at) {
    if (holds[at] || !may_be_asked(domains[at])) continue;
    asked.push_back(domains[at]);
    places.push_back(at);
  }
  if (asked.empty()) return hosts;

  MxCache::News news;
  std::size_t unknown = 0;
  std::string why;
  const auto begun = std::chrono::steady_clock::now();
  resolver_.mail_hosts(asked, patience_, [&](std::size_t index, const HostsAnswer& answer) {
    const std::size_t at = places[index];
    if (answer.kind == Answer::unknown) {
      why = answer.why;
      if (!known[at]) ++unknown;
      return;
    }
    auto found = answer_to_known(answer, now);
    hosts[at] = found.host.empty() ? domains[at] : found.host;
    if (cache_) news.emplace_back(domains[at], std::move(found));
  });
  patience_ -= std::min(patience_, std::chrono::ceil<std::chrono::milliseconds>(
                                       std::chrono::steady_clock::now() - begun));
  if (unknown > 0) {
    say(fmt::format(
        "who takes the mail of {} of {} domains is not known ({}): each stands by itself", unknown,
        domains.size(), why));
  }
  if (!news.empty()) use_cache(cache_->keep(std::move(news), now));
  return hosts;
}

}  // namespace ml
