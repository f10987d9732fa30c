#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/diag.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "list/settings.hpp"
#include "mail/envelope.hpp"
#include "smtp/relay.hpp"
#include "stage/send.hpp"

using namespace ml;

namespace {

constexpr const char* default_relay = "smtp://localhost:25";

struct Given {
  SendOptions send;
  std::vector<std::string> via;
  std::optional<std::uint64_t> connections;
  std::optional<std::uint64_t> per_connection;
  std::optional<std::uint64_t> rate;
  std::optional<std::uint64_t> max_wait;
  std::optional<std::uint64_t> lasting;
  std::optional<std::string> unanswered;
  std::optional<std::string> log_file;
  Papers papers;
  bool again = false;
  bool no_fuse = false;
  bool progress = false;
};

void declare(Options& options, Given& given) {
  options.many(given.via, "--via", "URI", "smtp://localhost:25 (default), lmtp:, sendmail:, ...")
      .text(given.papers.auth_file, "--auth-file", "FILE", "lines of: HOST USER:PASSWORD")
      .text(given.papers.authorities, "--tls-ca", "FILE", "whom to trust, not the system's (PEM)")
      .text(given.papers.certificate, "--tls-cert", "FILE", "our certificate and its key (PEM)")
      .text(given.papers.resolver, "--resolver", "SERVER", "whom smtp+mx: and smtp+srv: ask")
      .number(given.connections, "--connections", "N", "at most, to each relay (4)")
      .number(given.per_connection, "--per-connection", "N", "messages (as suits the relay)")
      .number(given.rate, "--rate", "N", "recipients a second, at most")
      .number(given.max_wait, "--max-wait", "SECONDS", "patience with a busy relay (60)")
      .number(given.lasting, "--for", "SECONDS",
              "then leave the rest (240 in an alias, else 0: no end)")
      .text(given.send.ledger.refused, "--refused", "WHERE", "queue, a file, or - for stdout")
      .text(given.send.ledger.undelivered, "--undelivered", "WHERE", "the left ones; the same")
      .text(given.unanswered, "--unanswered", "WHAT",
            "send (default) or hold: in doubt from a kill")
      .text(given.send.envelopes.notify, "--notify", "WHEN",
            "DSN: never, or some of success,failure,delay")
      .text(given.send.envelopes.ret, "--ret", "WHAT", "what a DSN brings back: full or hdrs")
      .flag(given.again, "--again", "send what was sent already")
      .flag(given.no_fuse, "--no-fuse", "go on when many get the same refusal")
      .flag(given.progress, "--progress", "numbers on stderr, terminal or not")
      .text(given.log_file, "--log", "WHERE", "stderr, syslog or a file; a line a recipient")
      .text(given.send.reports.metrics, "--metrics", "FILE",
            "counters for Prometheus, added to FILE")
      .text(given.send.ledger.home, "--home", "DIR", "journal, queues, left and refused");
}

// What was given here must be given again to go on.
void keep_to_go_on(Given& given) {
  for (const auto& [value, name] : {std::pair{&given.papers.auth_file, "--auth-file"},
                                    std::pair{&given.papers.authorities, "--tls-ca"},
                                    std::pair{&given.papers.certificate, "--tls-cert"},
                                    std::pair{&given.papers.resolver, "--resolver"},
                                    std::pair{&given.send.envelopes.notify, "--notify"},
                                    std::pair{&given.send.envelopes.ret, "--ret"}}) {
    if (*value) given.send.to_go_on.insert(given.send.to_go_on.end(), {name, **value});
  }
}

// A mail server ends the programs of its aliases, most after 1,000 s.
constexpr std::uint64_t lasting_in_an_alias = 240;

bool is_in_an_alias() {
  return !environment_recipients([](const char* name) -> std::optional<std::string> {
            const char* const value = std::getenv(name);
            return value == nullptr ? std::nullopt : std::optional<std::string>(value);
          }).empty();
}

Result<> use_settings(Given& given, const Settings& site) {
  if (!given.via.empty()) {
    given.send.ledger.via = Via::given;
  } else {
    given.via = site.many("via").value_or(std::vector<std::string>{default_relay});
  }
  for (auto& [value, key] :
       {std::pair{&given.max_wait, "max-wait"}, std::pair{&given.connections, "connections"}}) {
    const auto set = site.size(key);
    if (!set) return fail(set);
    if (!*value) *value = *set;
  }
  for (auto& [value, key] :
       {std::pair{&given.log_file, "log"}, std::pair{&given.papers.auth_file, "auth-file"},
        std::pair{&given.papers.authorities, "tls-ca"},
        std::pair{&given.papers.certificate, "tls-cert"},
        std::pair{&given.papers.resolver, "resolver"}}) {
    if (!*value) *value = site.text(key);
  }
  return {};
}

// The credential mlpipe-auth (LoadCredential= of the unit), if there is one.
std::optional<std::string> auth_file_of_systemd() {
  const char* const directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr) return std::nullopt;
  std::string file = std::string(directory) + "/mlpipe-auth";
  if (access(file.c_str(), F_OK) != 0) return std::nullopt;
  return file;
}

Result<SendOptions> options_of(Given given) {
  if (!given.papers.auth_file) given.papers.auth_file = auth_file_of_systemd();
  auto relays =
      texts_to_relays(given.via, given.papers, [](const std::string& line) { log(line); });
  if (!relays) return fail(relays);
  given.send.relays = std::move(*relays);
  Relays::Terms& terms = given.send.terms;
  if (given.connections == 0) return retry("--connections 0: nothing could be sent");
  if (given.connections) terms.connections = *given.connections;
  if (given.per_connection) terms.messages = *given.per_connection;
  if (given.max_wait) terms.max_wait = std::chrono::seconds(*given.max_wait);
  const std::uint64_t lasting = given.lasting.value_or(is_in_an_alias() ? lasting_in_an_alias : 0);
  if (lasting > 0) given.send.lasting = std::chrono::seconds(lasting);
  if (given.no_fuse) terms.fuse = FuseUse::off;
  if (given.rate) given.send.rate = *given.rate;
  if (given.again) given.send.ledger.again = Again::yes;
  if (given.progress) given.send.progress = ShowProgress::yes;
  if (given.unanswered == "hold") {
    given.send.unanswered = Unanswered::hold;
  } else if (given.unanswered && given.unanswered != "send") {
    return retry("--unanswered {}: neither send nor hold", *given.unanswered);
  }
  return std::move(given.send);
}

Result<Status> run(int argc, char** argv) {
  if (auto started = start("ml-send"); !started) return fail(started);
  Given given;
  Options options("ml-send", "[OPTION...]",
                  "Delivers a stream; exits with 75 when recipients are left.",
                  "ml-expand news <mail.eml | ml-verp | ml-send --via smtp://localhost:10025");
  declare(options, given);
  auto read = options.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  keep_to_go_on(given);
  given.send.reports.recipient_log = given.log_file;
  const auto site = site_settings(given.send.ledger.home);
  if (!site) return fail(site);
  if (auto used = use_settings(given, *site); !used) return fail(used);
  if (given.log_file) {
    if (auto logging = log_to(*given.log_file); !logging) return fail(logging);
  }
  auto send_options = options_of(std::move(given));
  if (!send_options) return fail(send_options);
  Reader in(0);
  return send(in, std::move(*send_options));
}

}  // namespace

int main(int argc, char** argv) {
  return leave(run(argc, argv));
}
