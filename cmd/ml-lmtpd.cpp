#include "base/diag.hpp"
#include "base/home.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "stage/lmtpd.hpp"

using namespace ml;

int main(int argc, char** argv) {
  if (auto started = start("ml-lmtpd"); !started) return leave(fail(started));

  LmtpdOptions serving;
  std::optional<std::string> home_option;
  Options options("ml-lmtpd", "[OPTION...]",
                  "Takes mail for the lists from mail servers by LMTP, into the queues.",
                  "ml-lmtpd --listen unix:/run/mlpipe/lmtp");
  options.many(serving.listen, "--listen", "WHERE",
               "unix:PATH, PORT on 127.0.0.1, or ADDRESS:PORT; may be repeated; if not given: what "
               "systemd or inetd hands over");
  options.number(serving.connections, "--connections", "COUNT",
                 "at a time; further ones wait to be accepted (default 200)");
  options.size(serving.max_size, "--max-size", "OCTETS",
               "the largest message of all; each list has its own limit (default 100M)");
  options.text(serving.name, "--name", "HOST", "who we are in the greeting (default: this host)");
  options.text(serving.log, "--log", "WHERE",
               "where what was not taken is told: stderr (default), syslog or a FILE");
  options.text(home_option, "--home", "DIRECTORY", "the home of store, settings and queues");
  auto read = options.read(argc, argv);
  if (!read) return leave(fail(read));
  if (*read) return leave(**read);

  const auto home = open_home(home_option, Create::no);
  if (!home) return leave(fail(home));
  return leave(serve_lmtp(*home, serving));
}
