#include <optional>
#include <string>
#include <vector>

#include "base/diag.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "list/settings.hpp"
#include "smtp/relay.hpp"
#include "stage/send.hpp"

using namespace ml;

namespace {

constexpr const char* default_relay = "smtp://localhost:25";

Result<Status> run(int argc, char** argv) {
  if (auto started = start("ml-send"); !started) return fail(started);

  SendOptions send_options;
  std::vector<std::string> via;
  std::optional<std::uint64_t> max_wait;
  std::optional<std::string> log_file;
  bool progress = false;
  bool no_fuse = false;
  Options options("ml-send", "[OPTION...]",
                  "Delivers a stream; exits with 75 when recipients are left.",
                  "ml-expand news <mail.eml | ml-verp | ml-send --via smtp://localhost:10025");
  options.many(via, "--via", "URI", "smtp://localhost:25 (default), lmtp:, sendmail:, bsmtp:, ...")
      .number(max_wait, "--max-wait", "SECONDS", "patience with a busy relay (60)")
      .text(send_options.refused, "--refused", "FILE", "refused recipients; - is stdout")
      .text(send_options.undelivered, "--undelivered", "FILE", "the left ones; - is stdout")
      .flag(no_fuse, "--no-fuse", "go on when many get the same refusal")
      .flag(progress, "--progress", "numbers on stderr, terminal or not")
      .text(log_file, "--log", "WHERE", "stderr (default), syslog or a file")
      .text(send_options.home, "--home", "DIR", "where left and refused recipients are kept");
  auto read = options.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;

  const auto site = site_settings(send_options.home);
  if (!site) return fail(site);
  if (via.empty()) via = site->many("via").value_or(std::vector<std::string>{default_relay});
  auto relays = texts_to_relays(via);
  if (!relays) return fail(relays);
  send_options.relays = std::move(*relays);
  const auto patience = site->size("max-wait");
  if (!patience) return fail(patience);
  if (!max_wait) max_wait = *patience;
  if (max_wait) send_options.max_wait = std::chrono::seconds(*max_wait);
  if (progress) send_options.progress = ShowProgress::yes;
  if (no_fuse) send_options.fuse = FuseUse::off;
  if (!log_file) log_file = site->text("log");
  if (log_file) {
    if (auto logging = log_to(*log_file); !logging) return fail(logging);
  }
  Reader in(0);
  return send(in, send_options);
}

}  // namespace

int main(int argc, char** argv) {
  return leave(run(argc, argv));
}
