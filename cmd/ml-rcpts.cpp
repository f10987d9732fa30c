#include <string>
#include <vector>

#include "base/diag.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "stage/rcpts.hpp"

using namespace ml;

int main(int argc, char** argv) {
  if (auto started = start("ml-rcpts"); !started) return leave_unbegun(fail(started));

  std::vector<std::string> command;
  Options options("ml-rcpts", "-- COMMAND [ARGUMENT...]",
                  "Runs a line filter on the recipients of each section of a stream.",
                  "ml-expand news <mail.eml | ml-rcpts -- grep -v @test.invalid | ml-send");
  options.rest(command, "COMMAND");
  auto read = options.read(argc, argv);
  if (!read) return leave_unbegun(fail(read));
  if (*read) return leave(**read);

  Reader in(0);
  Writer out(1);
  return leave(rcpts(in, out, command));
}
