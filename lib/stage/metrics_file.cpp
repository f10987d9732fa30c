#include "stage/metrics_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/fd.hpp"

namespace ml {

Result<> replace_metrics_file(const std::string& file, std::string_view text) {
  struct stat about{};
  if (stat(file.c_str(), &about) == 0 && !S_ISREG(about.st_mode)) {
    return retry("{} is no plain file, which the numbers could replace", file);
  }
  const std::string draft = fmt::format("{}.{}", file, getpid());
  auto to = open_file(draft, O_WRONLY | O_CREAT | O_TRUNC);
  if (!to) {
    return retry("{} (as uid {}: whoever has the home, also where root calls)", to.error().text,
                 geteuid());
  }
  fchmod(to->get(), 0644);  // for the exporter, which is another user
  Result<> done = write_all(*to, text, draft);
  if (done && std::rename(draft.c_str(), file.c_str()) != 0) {
    done = system_failure("cannot rename " + draft + " to " + file, errno);
  }
  if (!done) unlink(draft.c_str());
  return done;
}

}  // namespace ml
