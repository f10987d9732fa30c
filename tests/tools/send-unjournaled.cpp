// ml-send without its journal, to measure what the journal costs; no program for mail of anybody.
//
//   send-unjournaled HOME CONNECTIONS URI <stream
#include "base/diag.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "smtp/relay.hpp"
#include "stage/send.hpp"

using namespace ml;

namespace {

Result<Status> run(char** argv) {
  SendOptions options;
  auto relay = text_to_relay(argv[3]);
  if (!relay) return fail(relay);
  options.relays.push_back(std::move(*relay));
  options.terms.connections = number(argv[2]).value_or(4);
  options.ledger.home = argv[1];
  options.ledger.journaling = Journaling::off;
  Reader in(0);
  return send(in, std::move(options));
}

}  // namespace

int main(int argc, char** argv) {
  if (auto started = start("send-unjournaled"); !started) return leave(fail(started));
  if (argc != 4) return leave(retry("send-unjournaled HOME CONNECTIONS URI <stream"));
  return leave(run(argv));
}
