#include "stage/sort.hpp"

#include <algorithm>
#include <utility>

#include "base/home.hpp"
#include "base/text.hpp"
#include "stage/mail_hosts.hpp"
#include "stage/pace.hpp"
#include "stage/sorter.hpp"
#include "stream/filter.hpp"

namespace ml {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t golden = 0x9E3779B97F4A7C15U;  // the golden ratio less 1, times 2^64

// splitmix64's finish: one to one, so that no two recipients draw the same number.
std::uint64_t scattered(std::uint64_t value) {
  value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9U;
  value = (value ^ value >> 27) * 0x94D049BB133111EBU;
  return value ^ value >> 31;
}

template <class Key>
Result<> write(Sorter<Key>& sorter, Writer& out) {
  return sorter.give([&](std::string_view lines) {
    out.put(lines);
    return out.failed() ? out.flush() : Result<>();
  });
}

// For each order there is a class of its own: begin() has the message of a section, add() each of
// its recipients, finish() writes them in order, clear() forgets them. Here is the begin() of those
// whom the message does not concern.
struct Section {
  [[nodiscard]] static Result<> begin(const MessageRecord&) { return {}; }
};

class DomainSection : public Section {
 public:
  explicit DomainSection(const SortOptions& options)
      : sorter_(key_, options.memory, options.directories) {}
  Result<> add(std::string_view line, const RcptRecord& rcpt) {
    return sorter_.add(line, key_.place(line, rcpt));
  }
  Result<> finish(Writer& out) {
    if (auto sorted = sorter_.finish(); !sorted) return fail(sorted);
    return write(sorter_, out);
  }
  void clear() { sorter_.clear(); }

 private:
  const ByDomain key_{ByDomain::Within::local};
  Sorter<ByDomain> sorter_;
};

class RandomSection : public Section {
 public:
  explicit RandomSection(const SortOptions& options)
      : sorter_(ByNumber(), options.memory, options.directories), drawn_(options.seed) {}
  Result<> add(std::string_view line, const RcptRecord&) {
    return sorter_.add(line, {scattered(drawn_ += golden)});
  }
  Result<> finish(Writer& out) {
    if (auto sorted = sorter_.finish(); !sorted) return fail(sorted);
    return write(sorter_, out);
  }
  void clear() { sorter_.clear(); }

 private:
  Sorter<ByNumber> sorter_;
  std::uint64_t drawn_;
};

// Two sorts: by domain, which shows each domain as a whole; then by the places they are given.
class PlacedSection : public Section {
 public:
  explicit PlacedSection(const SortOptions& options)
      : domains_(key_, options.memory / 2, options.directories),
        places_(ByNumber(), options.memory / 2, options.directories) {}
  PlacedSection(const PlacedSection&) = delete;
  PlacedSection& operator=(const PlacedSection&) = delete;
  virtual ~PlacedSection() = default;
  Result<> add(std::string_view line, const RcptRecord& rcpt) {
    return domains_.add(line, key_.place(line, rcpt));
  }
  Result<> finish(Writer& out) {
    if (auto sorted = domains_.finish(); !sorted) return fail(sorted);
    if (auto placed = give_places(); !placed) return fail(placed);
    domains_.clear();
    if (auto sorted = places_.finish(); !sorted) return fail(sorted);
    return write(places_, out);
  }
  void clear() {
    domains_.clear();
    places_.clear();
  }

 protected:
  using Lines = Sorter<ByDomain>::Cursor;

  [[nodiscard]] virtual Result<> give_places() = 0;
  // Each reads the lines in domain order, with half of the memory.
  Lines lines() { return domains_.cursor(4); }
  [[nodiscard]] std::string_view domain_of(const Lines& at) const {
    return key_.place(at.line()).domain;
  }
  Result<> place(const Lines& at, std::uint64_t number) { return places_.add(at.line(), {number}); }

 private:
  const ByDomain key_{ByDomain::Within::input};
  Sorter<ByDomain> domains_;
  Sorter<ByNumber> places_;
};

// One cursor counts a domain's recipients, another follows and gives them their places.
class FairSection : public PlacedSection {
 public:
  using PlacedSection::PlacedSection;

 private:
  Result<> give_places() override {
    auto ahead = lines();
    auto behind = lines();
    auto more = ahead.next();
    for (std::uint64_t domain = 0; more && *more; ++domain) {
      const std::string name(domain_of(ahead));
      std::uint64_t count = 0;
      while (more && *more && compare_domains(domain_of(ahead), name) == 0) {
        ++count;
        more = ahead.next();
      }
      for (std::uint64_t index = 0; index < count; ++index) {
        if (auto followed = behind.next(); !followed) return fail(followed);
        if (auto placed = place(behind, fair_place(index, count, domain)); !placed) return placed;
      }
    }
    if (!more) return fail(more);
    return {};
  }
};

// Domains that share a mail host in one place, that of the host in domain order.
class MxSection : public PlacedSection {
 public:
  explicit MxSection(const SortOptions& options)
      : PlacedSection(options),
        home_(options.home),
        terms_{.servers = options.resolver, .patience = options.max_wait} {}
  Result<> begin(const MessageRecord&) {
    if (hosts_) return {};
    const auto home = open_home_if_there(home_);
    if (!home) return fail(home);
    auto hosts = MailHosts::open(*home, terms_);
    if (!hosts) return fail(hosts);
    hosts_.emplace(std::move(*hosts));
    return {};
  }

 private:
  static constexpr std::size_t most_domains = 1'000'000;  // others stand behind, each by itself

  Result<> give_places() override {
    auto domains = first_domains();
    if (!domains) return fail(domains);
    const auto hosts = hosts_->of(*domains);
    Domains groups;
    std::vector<std::uint32_t> group_of(hosts.size());
    std::ranges::transform(hosts, group_of.begin(),
                           [&](const std::string& host) { return groups.number(host); });
    const auto ranks = groups.ranks();
    auto at = lines();
    auto more = at.next();
    for (std::size_t i = 0; more && *more; more = at.next()) {
      while (i < domains->size() && compare_domains(domain_of(at), (*domains)[i]) != 0) ++i;
      const std::uint64_t number = i < hosts.size() ? ranks[group_of[i]] : ranks.size();
      if (auto placed = place(at, number); !placed) return placed;
    }
    if (!more) return fail(more);
    return {};
  }

  // In lower case and domain order.
  Result<std::vector<std::string>> first_domains() {
    std::vector<std::string> domains;
    auto at = lines();
    auto more = at.next();
    for (; more && *more && domains.size() < most_domains; more = at.next()) {
      const auto domain = domain_of(at);
      if (domains.empty() || compare_domains(domain, domains.back()) != 0) {
        domains.push_back(lower(domain));
      }
    }
    if (!more) return fail(more);
    return domains;
  }

  std::optional<std::string> home_;
  MailHosts::Terms terms_;
  std::optional<MailHosts> hosts_;
};

// How domains took their mail last time is looked up once for sections of one list.
class PaceSection : public Section {
 public:
  explicit PaceSection(const SortOptions& options)
      : sorter_(ByNumber(), options.memory, options.directories), home_(options.home) {}
  Result<> begin(const MessageRecord& message) {
    std::string list = message.attributes.value("list").value_or("");
    if (pace_ && list == list_) return {};
    pace_.reset();
    list_ = std::move(list);
    const auto home = open_home_if_there(home_);
    if (!home) return fail(home);
    if (!*home) {
      pace_.emplace();
      return {};
    }
    auto pace = Pace::read(**home, list_);
    if (!pace) return fail(pace);
    pace_.emplace(std::move(*pace));
    return {};
  }
  Result<> add(std::string_view line, const RcptRecord& rcpt) {
    return sorter_.add(line, {pace_->slowness(key_.place(line, rcpt).domain)});
  }
  Result<> finish(Writer& out) {
    if (auto sorted = sorter_.finish(); !sorted) return fail(sorted);
    return write(sorter_, out);
  }
  void clear() { sorter_.clear(); }

 private:
  const ByDomain key_{ByDomain::Within::input};
  Sorter<ByNumber> sorter_;
  std::optional<std::string> home_;
  std::string list_;
  std::optional<Pace> pace_;  // of that list's last message
};

template <class Section>
struct Sorting {
  Section section;
  Writer& out;

  Result<> message(Reader& in) {
    auto begun = section.begin(in.message());
    out.pass(in.line());
    return begun;
  }
  Result<> recipient(Reader& in) { return section.add(in.line(), in.rcpt()); }
  Result<> finish(Reader&, Result<> so_far) {
    if (so_far) so_far = section.finish(out);
    section.clear();
    return so_far;
  }
};

template <class Section>
Result<Status> sort_as(Reader& in, Writer& out, const SortOptions& options) {
  Sorting<Section> sorting{Section(options), out};
  return filter(in, out, sorting);
}

}  // namespace

std::optional<Order> text_to_order(std::string_view text) {
  if (text == "domain") return Order::domain;
  if (text == "fair") return Order::fair;
  if (text == "random") return Order::random;
  if (text == "mx") return Order::mx;
  if (text == "pace") return Order::pace;
  return std::nullopt;
}

std::uint64_t fair_place(std::uint64_t index, std::uint64_t count, std::uint64_t domain) {
  const std::uint64_t offset = domain * golden;  // modulo 2^64
  return static_cast<std::uint64_t>(((static_cast<Wide>(index) << 64) + offset) / count);
}

Result<Status> sort(Reader& in, Writer& out, const SortOptions& options) {
  switch (options.order) {
    case Order::domain: break;
    case Order::fair: return sort_as<FairSection>(in, out, options);
    case Order::random: return sort_as<RandomSection>(in, out, options);
    case Order::mx: return sort_as<MxSection>(in, out, options);
    case Order::pace: return sort_as<PaceSection>(in, out, options);
  }
  return sort_as<DomainSection>(in, out, options);
}

}  // namespace ml
