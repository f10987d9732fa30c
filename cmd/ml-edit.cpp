#include <string>
#include <vector>

#include "base/diag.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "stage/edit.hpp"

using namespace ml;

int main(int argc, char** argv) {
  if (auto started = start("ml-edit"); !started) return leave_unbegun(fail(started));

  std::vector<std::string> command;
  Options options("ml-edit", "-- COMMAND [ARGUMENT...]",
                  "Runs an RFC 5322 filter on the message of each section of a stream.",
                  "ml-receive news <mail.eml | ml-edit -- sed '/^X-Spam/d' | ml-expand | ml-send");
  options.rest(command, "COMMAND");
  auto read = options.read(argc, argv);
  if (!read) return leave_unbegun(fail(read));
  if (*read) return leave(**read);

  Reader in(0);
  Writer out(1);
  return leave(edit(in, out, command));
}
