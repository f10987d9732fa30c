#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "base/diag.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "mail/envelope.hpp"
#include "stage/send.hpp"
#include "stage/send_given.hpp"

using namespace ml;

namespace {

Options options_into(SendGiven& given) {
  Options options("ml-send", "[OPTION...]",
                  "Delivers a stream; exits with 75 when recipients are left.",
                  "ml-expand news <mail.eml | ml-verp | ml-send --via smtp://localhost:10025");
  options.many(given.via, "--via", "URI", "smtp://localhost:25 (default), lmtp:, ...")
      .text(given.papers.auth_file, "--auth-file", "FILE", "lines of: HOST USER:PASSWORD")
      .text(given.papers.authorities, "--tls-ca", "FILE", "")
      .text(given.papers.certificate, "--tls-cert", "FILE",
            "whom to trust; our certificate and key")
      .text(given.papers.resolver, "--resolver", "SERVER", "whom to ask where relays are")
      .number(given.connections, "--connections", "N", "")
      .number(given.per_connection, "--per-connection", "N",
              "to a relay at once (4); messages over each")
      .number(given.rate, "--rate", "N", "recipients a second, at most")
      .number(given.max_wait, "--max-wait", "SECONDS", "patience with a busy relay (60)")
      .number(given.lasting, "--for", "SECONDS", "then leave the rest (in an alias 240)")
      .text(given.refused, "--refused", "WHERE", "")
      .text(given.undelivered, "--undelivered", "WHERE", "queue, a file, or - for stdout")
      .text(given.unanswered, "--unanswered", "WHAT", "in doubt from a kill: send (default), hold")
      .text(given.notices.notify, "--notify", "WHEN", "")
      .text(given.notices.ret, "--ret", "WHAT", "DSN for: failure,delay...; full or hdrs")
      .flag(given.again, "--again", "")
      .flag(given.no_fuse, "--no-fuse", "send what was sent; go on when all refuse")
      .flag(given.progress, "--progress", "numbers on stderr, terminal or not")
      .text(given.log, "--log", "WHERE", "")
      .text(given.reports.metrics, "--metrics", "FILE", "stderr, syslog, a file; for Prometheus")
      .text(given.home, "--home", "DIR", "")
      .number(given.sync, "--sync", "SECONDS", "journal, queues; how often to disk (1)");
  return options;
}

// LoadCredential= of the unit, if there is one.
std::optional<std::string> auth_file_of_systemd() {
  const auto directory = environment_variable("CREDENTIALS_DIRECTORY");
  if (!directory) return std::nullopt;
  std::string file = *directory + "/mlpipe-auth";
  return access(file.c_str(), F_OK) == 0 ? std::optional(std::move(file)) : std::nullopt;
}

Result<Status> run(int argc, char** argv) {
  if (auto started = start("ml-send"); !started) return fail(started);
  SendGiven given;
  auto read = options_into(given).read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  given.in_alias = !environment_recipients(environment_variable).empty();
  given.credential = auth_file_of_systemd();
  const auto site = site_settings(given.home);
  if (!site) return fail(site);
  if (auto added = add_settings(given, *site); !added) return fail(added);
  if (given.log) {
    if (auto logging = log_to(*given.log); !logging) return fail(logging);
  }
  auto options = given_to_options(std::move(given));
  if (!options) return fail(options);
  Reader in(0);
  return send(in, std::move(*options));
}

}  // namespace

int main(int argc, char** argv) {
  return leave(run(argc, argv));
}
