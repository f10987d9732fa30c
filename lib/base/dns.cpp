#include "base/dns.hpp"

#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include <ares.h>

#include "base/text.hpp"

namespace ml {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t most_asked_at_once = 200;
constexpr int internet = 1;  // the class
constexpr int milliseconds_a_try = 2000;
constexpr int octets_a_datagram = 1232;  // fits everywhere in one piece

// ---- a reply's octets (RFC 1035 4.1)

// What is left of a reply; anything behind its end reads as nothing.
class ReplyOctets {
 public:
  explicit ReplyOctets(std::string_view reply) : reply_(reply) {}

  std::optional<std::uint16_t> two() {
    const auto octets = take(2);
    if (!octets) return std::nullopt;
    return static_cast<std::uint16_t>(octet(*octets, 0) << 8 | octet(*octets, 1));
  }
  std::optional<std::uint32_t> four() {
    const auto high = two();
    const auto low = two();
    if (!high || !low) return std::nullopt;
    return std::uint32_t{*high} << 16 | *low;
  }
  std::optional<std::string_view> take(std::size_t size) {
    if (reply_.size() - at_ < size) return std::nullopt;
    at_ += size;
    return reply_.substr(at_ - size, size);
  }
  std::optional<std::string> name() {
    const auto* const begin = reinterpret_cast<const unsigned char*>(reply_.data());
    if (at_ >= reply_.size()) return std::nullopt;
    char* text = nullptr;
    long used = 0;
    const int code =
        ares_expand_name(begin + at_, begin, static_cast<int>(reply_.size()), &text, &used);
    if (code != ARES_SUCCESS) return std::nullopt;
    std::string name = text;
    ares_free_string(text);
    at_ += static_cast<std::size_t>(used);
    return name;
  }
  [[nodiscard]] std::size_t at() const { return at_; }
  void go_to(std::size_t at) { at_ = at; }

 private:
  static unsigned octet(std::string_view octets, std::size_t at) {
    return static_cast<unsigned char>(octets[at]);
  }
  std::string_view reply_;
  std::size_t at_ = 0;
};

bool is_host_name(std::string_view name) {
  return !name.empty() && name.size() <= 253 && !name.starts_with('.') &&
         std::ranges::all_of(
             name, [](char c) { return is_alnum(c) || c == '.' || c == '-' || c == '_'; });
}

std::string text_to_host(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return lower(name);
}

// The inside of a record, or nothing where it is damaged.
std::optional<DnsRecord> take_record(ReplyOctets& octets, RecordType type, std::size_t size) {
  DnsRecord record;
  if (type == RecordType::a || type == RecordType::aaaa) {
    if (size != (type == RecordType::a ? 4 : 16)) return std::nullopt;
    const auto address = octets.take(size);
    if (!address) return std::nullopt;
    record.octets = *address;
    return record;
  }
  const auto order = octets.two();
  if (!order) return std::nullopt;
  record.host.order = *order;
  if (type == RecordType::srv) {
    const auto weight = octets.two();
    const auto port = octets.two();
    if (!weight || !port) return std::nullopt;
    record.host.weight = *weight;
    record.host.port = *port;
  }
  const auto name = octets.name();
  if (!name) return std::nullopt;
  record.host.name = text_to_host(*name);
  return record;
}

Failure damaged() {
  return retry("the reply of the resolver is damaged");
}

// ---- asking

// One name's records of one kind.
struct Found {
  Answer kind = Answer::unknown;
  bool name_exists = false;
  std::vector<DnsRecord> records{};
  std::string why{};
};

Found found(RecordType type, int status, std::string_view reply) {
  Found nothing_there{
      .kind = Answer::none, .name_exists = true, .why = "nothing of the kind is there"};
  switch (status) {
    case ARES_SUCCESS: break;
    case ARES_ENODATA: return nothing_there;
    case ARES_ENOTFOUND: return {.kind = Answer::none, .why = "there is no such name"};
    case ARES_EBADNAME: return {.kind = Answer::none, .why = "it could be no name"};
    case ARES_ECANCELLED: return {.why = "no answer in time"};
    default: return {.why = ares_strerror(status)};
  }
  auto records = reply_to_records(reply, type);
  if (!records) return {.why = records.error().text};
  if (records->empty()) return nothing_there;
  return {.kind = Answer::found, .records = std::move(*records)};
}

struct Question {
  const std::string& name;
  RecordType type;
};

// What one call asks: any number of questions, `question` to tell and `take` to answer.
struct Inquiry {
  std::size_t count;
  std::function<Question(std::size_t)> question;
  std::function<void(std::size_t, Found)> take;
  std::size_t waiting = 0;  // for replies
};

// One of its questions, with c-ares.
struct Query {
  Inquiry* inquiry;
  std::size_t index;
};

void on_reply(void* to, int status, int /*timeouts*/, unsigned char* reply, int size) {
  const std::unique_ptr<Query> query(static_cast<Query*>(to));
  Inquiry& inquiry = *query->inquiry;
  const std::string_view octets(reinterpret_cast<const char*>(reply),
                                reply == nullptr ? 0 : static_cast<std::size_t>(size));
  --inquiry.waiting;
  inquiry.take(query->index, found(inquiry.question(query->index).type, status, octets));
}

std::chrono::seconds least_ttl(const std::vector<DnsRecord>& records) {
  return std::chrono::seconds(std::ranges::min(records, {}, &DnsRecord::ttl).ttl);
}

SocketAddress octets_to_address(std::string_view octets) {
  SocketAddress made;
  if (octets.size() == sizeof(in_addr)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    std::memcpy(&address.sin_addr, octets.data(), octets.size());
    std::memcpy(&made.octets, &address, sizeof address);
    made.size = sizeof address;
  } else {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    std::memcpy(&address.sin6_addr, octets.data(), sizeof address.sin6_addr);
    std::memcpy(&made.octets, &address, sizeof address);
    made.size = sizeof address;
  }
  return made;
}

// In the order to try; none where all it says is that nobody is there.
HostsAnswer hosts_answer(Found found, std::mt19937& random) {
  HostsAnswer answer{.kind = found.kind, .why = std::move(found.why)};
  if (answer.kind != Answer::found) return answer;
  answer.ttl = least_ttl(found.records);
  for (DnsRecord& record : found.records) {
    if (is_host_name(record.host.name)) answer.hosts.push_back(std::move(record.host));
  }
  put_in_order(answer.hosts, random);
  if (answer.hosts.empty()) {
    answer.kind = Answer::none;
    answer.why = "what is there says that no host does it";
  }
  return answer;
}

}  // namespace

Result<std::vector<DnsRecord>> reply_to_records(std::string_view octets, RecordType type) {
  ReplyOctets reply(octets);
  if (!reply.four()) return damaged();  // id and flags
  const auto questions = reply.two();
  const auto answers = reply.two();
  if (!questions || !answers || !reply.four()) return damaged();
  for (unsigned i = 0; i < *questions; ++i) {
    if (!reply.name() || !reply.four()) return damaged();
  }
  std::vector<DnsRecord> records;
  for (unsigned i = 0; i < *answers; ++i) {
    if (!reply.name()) return damaged();
    const auto its_type = reply.two();
    const auto its_class = reply.two();
    const auto ttl = reply.four();
    const auto size = reply.two();
    const std::size_t begin = reply.at();
    if (!its_type || !its_class || !ttl || !size || !reply.take(*size)) return damaged();
    if (*its_type != static_cast<std::uint16_t>(type) || *its_class != internet) continue;
    reply.go_to(begin);
    auto record = take_record(reply, type, *size);
    if (!record || reply.at() != begin + *size) return damaged();
    record->ttl = *ttl > 0x7fffffff ? 0 : *ttl;  // RFC 2181 8
    records.push_back(std::move(*record));
  }
  return records;
}

void put_in_order(std::vector<ServiceHost>& hosts, std::mt19937& random) {
  std::ranges::shuffle(hosts, random);
  // Those without a weight first: they get the little chance that RFC 2782 gives them.
  std::ranges::stable_sort(
      hosts, {}, [](const ServiceHost& host) { return std::pair(host.order, host.weight > 0); });
  for (auto at = hosts.begin(); at != hosts.end(); ++at) {
    const auto end = std::find_if(at, hosts.end(),
                                  [&](const ServiceHost& host) { return host.order != at->order; });
    const auto sum = std::accumulate(at, end, std::uint32_t{0},
                                     [](auto all, const auto& host) { return all + host.weight; });
    if (sum == 0) continue;
    auto dice = std::uniform_int_distribution<std::uint32_t>(0, sum)(random);
    auto thrown = at;
    while (thrown->weight < dice) dice -= (thrown++)->weight;
    std::rotate(at, thrown, thrown + 1);
  }
}

// ---- c-ares

struct Resolver::Channel {
  ares_channel handle = nullptr;

  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() {
    if (handle != nullptr) ares_destroy(handle);
  }

  void ask(Inquiry inquiry, Clock::time_point latest);
  void ask(Inquiry& inquiry, std::size_t index);
  void serve(Clock::time_point latest);
};

// Sleeps until a server answers, a try's time is up, or `latest`.
void Resolver::Channel::serve(Clock::time_point latest) {
  std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
  const auto wanted =
      static_cast<unsigned>(ares_getsock(handle, sockets.data(), ARES_GETSOCK_MAXNUM));
  std::array<pollfd, ARES_GETSOCK_MAXNUM> watched{};
  nfds_t count = 0;
  for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
    const bool reads = (wanted >> i & 1U) != 0;
    const bool writes = (wanted >> (i + ARES_GETSOCK_MAXNUM) & 1U) != 0;
    if (!reads && !writes) continue;
    watched[count++] = {sockets[i],
                        static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)), 0};
  }
  const auto left =
      std::max(std::chrono::ceil<milliseconds>(latest - Clock::now()), milliseconds(0));
  timeval most{.tv_sec = left.count() / 1000, .tv_usec = left.count() % 1000 * 1000};
  timeval time{};
  const timeval* const until = ares_timeout(handle, &most, &time);
  const auto pause = until->tv_sec * 1000 + (until->tv_usec + 999) / 1000;
  if (poll(watched.data(), count, static_cast<int>(pause)) <= 0) {
    return ares_process_fd(handle, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }
  for (nfds_t i = 0; i < count; ++i) {
    const int ready = watched[i].revents;
    if (ready == 0) continue;
    const bool readable = (ready & (POLLIN | POLLERR | POLLHUP)) != 0;
    ares_process_fd(handle, readable ? watched[i].fd : ARES_SOCKET_BAD,
                    (ready & POLLOUT) != 0 ? watched[i].fd : ARES_SOCKET_BAD);
  }
}

void Resolver::Channel::ask(Inquiry& inquiry, std::size_t index) {
  const auto [name, type] = inquiry.question(index);
  if (!is_host_name(name)) return inquiry.take(index, found(type, ARES_EBADNAME, {}));
  ++inquiry.waiting;
  auto query = std::make_unique<Query>(Query{&inquiry, index});
  ares_query(handle, name.c_str(), internet, static_cast<int>(type), on_reply, query.release());
}

void Resolver::Channel::ask(Inquiry inquiry, Clock::time_point latest) {
  std::size_t next = 0;
  while ((next < inquiry.count || inquiry.waiting > 0) && Clock::now() < latest) {
    while (next < inquiry.count && inquiry.waiting < most_asked_at_once) ask(inquiry, next++);
    if (inquiry.waiting > 0) serve(latest);
  }
  ares_cancel(handle);  // takes what is still waiting
  for (; next < inquiry.count; ++next) {
    inquiry.take(next, found(inquiry.question(next).type, ARES_ECANCELLED, {}));
  }
}

Result<Resolver> Resolver::open(Terms terms) {
  auto channel = std::make_unique<Channel>();
  ares_options options{};
  options.flags = ARES_FLAG_STAYOPEN | ARES_FLAG_EDNS;
  options.ednspsz = octets_a_datagram;
  options.timeout = milliseconds_a_try;
  options.tries = terms.tries;
  int code = ares_library_init(ARES_LIB_INIT_ALL);
  if (code == ARES_SUCCESS) {
    code =
        ares_init_options(&channel->handle, &options,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ);
  }
  if (code != ARES_SUCCESS) return retry("cannot look up names: {}", ares_strerror(code));
  if (!terms.servers.empty() &&
      ares_set_servers_ports_csv(channel->handle, terms.servers.c_str()) != ARES_SUCCESS) {
    return retry(
        "'{}' is not a valid resolver: an address or ADDRESS:PORT, or several joined by commas",
        printable(terms.servers, 200));
  }
  return Resolver(std::move(channel), std::move(terms));
}

Resolver::Resolver(std::unique_ptr<Channel> channel, Terms terms)
    : channel_(std::move(channel)), terms_(std::move(terms)), random_(std::random_device{}()) {}
Resolver::Resolver(Resolver&&) noexcept = default;
Resolver& Resolver::operator=(Resolver&&) noexcept = default;
Resolver::~Resolver() = default;

void Resolver::mail_hosts(std::span<const std::string> domains, milliseconds patience,
                          const TakeHosts& take) {
  channel_->ask({.count = domains.size(),
                 .question = [&](std::size_t at) { return Question{domains[at], RecordType::mx}; },
                 .take =
                     [&](std::size_t at, Found found) {
                       const bool is_own_host = found.kind == Answer::none && found.name_exists;
                       auto answer = hosts_answer(std::move(found), random_);
                       if (is_own_host) {
                         answer = {.kind = Answer::found,
                                   .hosts = {{.name = text_to_host(domains[at])}}};
                       }
                       take(at, std::move(answer));
                     }},
                Clock::now() + patience);
}

std::vector<HostsAnswer> Resolver::mail_hosts(std::span<const std::string> domains) {
  std::vector<HostsAnswer> answers(domains.size());
  mail_hosts(domains, terms_.patience,
             [&](std::size_t at, HostsAnswer answer) { answers[at] = std::move(answer); });
  return answers;
}

HostsAnswer Resolver::service_hosts(const std::string& name) {
  HostsAnswer answer;
  channel_->ask(
      {.count = 1,
       .question = [&](std::size_t) { return Question{name, RecordType::srv}; },
       .take = [&](std::size_t, Found found) { answer = hosts_answer(std::move(found), random_); }},
      Clock::now() + terms_.patience);
  return answer;
}

std::vector<AddressesAnswer> Resolver::addresses(std::span<const std::string> hosts) {
  std::vector<Found> all(2 * hosts.size());
  const auto question = [&](std::size_t at) {
    return Question{hosts[at / 2], at % 2 == 0 ? RecordType::aaaa : RecordType::a};
  };
  const auto take = [&](std::size_t at, Found found) { all[at] = std::move(found); };
  channel_->ask({.count = all.size(), .question = question, .take = take},
                Clock::now() + terms_.patience);
  std::vector<AddressesAnswer> answers;
  for (std::size_t i = 0; i < all.size(); i += 2) {
    AddressesAnswer answer{.kind = Answer::none};
    std::vector<DnsRecord> records;
    for (const Found& found : {all[i], all[i + 1]}) {
      records.insert(records.end(), found.records.begin(), found.records.end());
      if (found.kind == Answer::unknown) answer.kind = Answer::unknown;
      if (found.kind == Answer::unknown || answer.why.empty()) answer.why = found.why;
    }
    if (!records.empty()) {
      answer = {.kind = Answer::found, .ttl = least_ttl(records)};
      for (const DnsRecord& record : records) {
        answer.addresses.push_back(octets_to_address(record.octets));
      }
    }
    answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace ml
