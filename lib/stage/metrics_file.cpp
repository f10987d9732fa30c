#include "stage/metrics_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/fd.hpp"

namespace ml {

Result<> replace_metrics_file(const std::string& file, std::string_view text) {
  const std::string draft = fmt::format("{}.{}", file, getpid());
  auto to = open_file(draft, O_WRONLY | O_CREAT | O_TRUNC);
  if (!to) return fail(to);
  fchmod(to->get(), 0644);  // for the exporter, which is another user
  Result<> done = write_all(*to, text, draft);
  if (done && std::rename(draft.c_str(), file.c_str()) != 0) {
    done = system_failure("cannot rename " + draft + " to " + file, errno);
  }
  if (!done) unlink(draft.c_str());
  return done;
}

}  // namespace ml
