#include "stage/send_given.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/diag.hpp"
#include "base/shell_word.hpp"

namespace ml {
namespace {

// A mail server ends the programs of its aliases, most after 1,000 s.
constexpr std::uint64_t lasting_in_an_alias = 240;

// Beyond a century clocks would overflow, and nobody waits for that.
std::chrono::seconds to_seconds(std::uint64_t given) {
  constexpr std::uint64_t century = 100ULL * 366 * 86400;
  return std::chrono::seconds(std::min(given, century));
}

// What was given must be given again to go on; what the site says need not.
std::vector<std::string> words_to_go_on(const SendGiven& given) {
  std::vector<std::string> all;
  for (const auto& [value, name] :
       {std::pair{&given.home, "--home"}, std::pair{&given.unanswered, "--unanswered"},
        std::pair{&given.papers.auth_file, "--auth-file"},
        std::pair{&given.papers.authorities, "--tls-ca"},
        std::pair{&given.papers.certificate, "--tls-cert"},
        std::pair{&given.papers.resolver, "--resolver"},
        std::pair{&given.notices.notify, "--notify"}, std::pair{&given.notices.ret, "--ret"},
        std::pair{&given.refused, "--refused"}, std::pair{&given.undelivered, "--undelivered"}}) {
    if (*value) all.insert(all.end(), {name, **value});
  }
  for (const auto& [value, name] :
       {std::pair{&given.connections, "--connections"},
        std::pair{&given.per_connection, "--per-connection"}, std::pair{&given.rate, "--rate"},
        std::pair{&given.max_wait, "--max-wait"}, std::pair{&given.lasting, "--for"},
        std::pair{&given.sync, "--sync"}}) {
    if (*value) all.insert(all.end(), {name, fmt::format_int(**value).c_str()});
  }
  if (given.no_fuse) all.emplace_back("--no-fuse");
  return all;
}

std::string command_to_go_on(const SendGiven& given) {
  std::string command = "ml-send";
  const auto add = [&](std::string_view word) { command += ' ' + text_to_shell_word(word); };
  for (const std::string& uri : given.via) {
    add("--via");
    add(uri);
  }
  for (const std::string& word : given.to_go_on) add(word);
  return command;
}

Result<Relays::Terms> terms_of(const SendGiven& given) {
  if (given.connections == 0) return retry("--connections 0: nothing could be sent");
  Relays::Terms terms;
  if (given.connections) terms.connections = *given.connections;
  if (given.per_connection) terms.messages = *given.per_connection;
  if (given.max_wait) terms.max_wait = to_seconds(*given.max_wait);
  if (given.no_fuse) terms.fuse = FuseUse::off;
  return terms;
}

Result<Unanswered> unanswered_of(const SendGiven& given) {
  if (!given.unanswered || given.unanswered == "send") return Unanswered::send;
  if (given.unanswered == "hold") return Unanswered::hold;
  return retry("--unanswered {}: neither send nor hold", *given.unanswered);
}

}  // namespace

Result<> add_settings(SendGiven& given, const Settings& site) {
  given.reports.recipient_log = given.log;  // the setting is for events alone
  given.to_go_on = words_to_go_on(given);
  given.via_of = given.via.empty() ? Via::site : Via::given;
  if (given.via.empty()) {
    given.via = site.many("via").value_or(std::vector<std::string>{default_relay});
  }
  for (const auto& [value, key] :
       {std::pair{&given.max_wait, "max-wait"}, std::pair{&given.connections, "connections"}}) {
    const auto set = site.size(key);
    if (!set) return fail(set);
    if (!*value) *value = *set;
  }
  for (const auto& [value, key] :
       {std::pair{&given.log, "log"}, std::pair{&given.papers.auth_file, "auth-file"},
        std::pair{&given.papers.authorities, "tls-ca"},
        std::pair{&given.papers.certificate, "tls-cert"},
        std::pair{&given.papers.resolver, "resolver"}}) {
    if (!*value) *value = site.text(key);
  }
  if (!given.papers.auth_file) given.papers.auth_file = given.credential;
  return {};
}

Result<SendOptions> given_to_options(SendGiven given) {
  auto terms = terms_of(given);
  if (!terms) return fail(terms);
  auto unanswered = unanswered_of(given);
  if (!unanswered) return fail(unanswered);
  auto relays =
      texts_to_relays(given.via, given.papers, [](const std::string& line) { log(line); });
  if (!relays) return fail(relays);
  const auto lasting = given.lasting.value_or(given.in_alias ? lasting_in_an_alias : 0);
  SendOptions options;
  options.go_on = command_to_go_on(given);
  options.relays = std::move(*relays);
  options.terms = *terms;
  options.rate = given.rate.value_or(0);
  if (lasting > 0) options.lasting = to_seconds(lasting);
  options.unanswered = *unanswered;
  options.progress = given.progress ? ShowProgress::yes : ShowProgress::no;
  options.envelopes = std::move(given.notices);
  options.reports = std::move(given.reports);
  options.ledger.home = std::move(given.home);
  options.ledger.refused = std::move(given.refused);
  options.ledger.undelivered = std::move(given.undelivered);
  options.ledger.again = given.again ? Again::yes : Again::no;
  options.ledger.via = given.via_of;
  if (given.sync) options.ledger.sync = to_seconds(*given.sync).count();
  return options;
}

}  // namespace ml
