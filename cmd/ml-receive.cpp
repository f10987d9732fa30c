#include <cstdlib>
#include <optional>
#include <string>

#include "base/diag.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "stage/receive.hpp"
#include "stream/writer.hpp"

using namespace ml;

namespace {

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  if (auto started = start("ml-receive"); !started) return leave_unbegun(fail(started));

  ReceiveOptions receiving;
  Options options("ml-receive", "[OPTION...] LIST",
                  "Judges a post to LIST on standard input and begins a stream with it.",
                  "ml-receive news@x.org <mail.eml | ml-expand | ml-verp | ml-send");
  options.text(receiving.sender.option, "--sender", "ADDRESS",
               "the envelope sender; empty or <>: the null sender");
  options.text(receiving.post, "--post", "WHO",
               "who may post: anyone, subscribers (default), nobody, or a FILE of addresses");
  options.text(receiving.otherwise, "--else", "WHAT",
               "hold, reject (default) or drop a post of anybody else");
  options.size(receiving.max_size, "--max-size", "OCTETS", "the largest post (default 50M)");
  options.number(receiving.max_hops, "--max-hops", "COUNT",
                 "more Received fields than these are a loop (default 25)");
  options.text(receiving.archive, "--archive", "URL", "where the posts can be read: List-Archive");
  options.text(receiving.log, "--log", "WHERE",
               "where drops and holds are told: stderr (default), syslog or a FILE");
  options.text(receiving.home, "--home", "DIRECTORY", "the home of store, settings and queues");
  options.operand(receiving.list, "LIST");
  auto read = options.read(argc, argv);
  if (!read) return leave_unbegun(fail(read));
  if (*read) return leave(**read);

  receiving.sender.environment = variable("SENDER");
  // Only Postfix local(8) sets this one, and it filters what SENDER says.
  if (variable("ORIGINAL_RECIPIENT")) receiving.sender.exactness = Exactness::filtered;
  Writer out(1);
  return leave(receive(receiving, 0, out));
}
