#include <optional>
#include <string>

#include "base/diag.hpp"
#include "base/fd.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "stage/verp.hpp"

using namespace ml;

int main(int argc, char** argv) {
  if (auto started = start("ml-verp"); !started) return leave_unbegun(fail(started));

  std::optional<std::string> home;
  std::optional<std::string> decode;
  bool xverp = false;
  Options options("ml-verp", "[OPTION...]",
                  "Gives each recipient of a stream a signed sender, so that its bounces name it.",
                  "ml-expand news <mail.eml | ml-verp | ml-send");
  options.text(decode, "--decode", "ADDRESS", "say who a bounce address was made for, and leave");
  options.flag(xverp, "--xverp",
               "one sender for all, to which the mail server adds each recipient");
  options.text(home, "--home", "DIRECTORY", "where the keys and the store live (ML_HOME)");
  auto read = options.read(argc, argv);
  if (!read) return leave_unbegun(fail(read));
  if (*read) return leave(**read);

  if (decode) {
    const auto line = decoded_verp(*decode, home);
    if (!line) return leave(fail(line));
    if (auto written = write_all(1, *line, "standard output"); !written)
      return leave(fail(written));
    return leave(Status::done);
  }
  Reader in(0);
  Writer out(1);
  return leave(verp(in, out, home, xverp ? VerpSender::shared : VerpSender::each));
}
