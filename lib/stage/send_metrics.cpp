#include "stage/send_metrics.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <iterator>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "stage/metrics_file.hpp"

namespace ml {
namespace {

constexpr std::size_t largest_file = std::size_t{4} << 20;
constexpr std::string_view name = "mlpipe_send_recipients_total";

// Whoever renames the file away while we wait for it leaves us with a lock on nothing.
Result<Fd> lock(const std::string& file) {
  for (;;) {
    auto fd = open_file(file, O_RDWR | O_CREAT);
    if (!fd) return fd;
    struct stat about{};
    if (fstat(fd->get(), &about) == 0 && !S_ISREG(about.st_mode)) {
      return retry("{} is no plain file, which the numbers could be added up in", file);
    }
    while (flock(fd->get(), LOCK_EX) != 0) {
      if (errno != EINTR) return system_failure("cannot lock " + file, errno);
    }
    if (is_same_file(*fd, file)) return fd;
  }
}

using NamedCounts = std::map<std::string, std::uint64_t, std::less<>>;

// The counts that a file of ours has; what else stands there is not ours and goes.
void add_counts(std::string_view text, NamedCounts& to) {
  for (const auto line : split(text, '\n')) {
    const auto blank = line.rfind(' ');
    if (!line.starts_with(name) || blank == std::string_view::npos) continue;
    if (const auto value = number(line.substr(blank + 1)))
      to[std::string(line.substr(0, blank))] += *value;
  }
}

std::string counts_to_text(const NamedCounts& counts) {
  std::string text = fmt::format(
      "# HELP {0} Recipients, by relay, outcome and class of the reply.\n# TYPE {0} counter\n",
      name);
  for (const auto& [series, value] : counts)
    fmt::format_to(std::back_inserter(text), "{} {}\n", series, value);
  return text;
}

std::string_view class_of(const Reply& reply) {
  if (reply.ours || reply.code == 0) return "none";
  if (reply.positive()) return "2xx";
  return reply.transient() ? "4xx" : "5xx";
}

}  // namespace

void SendMetrics::count(std::string_view relay, std::string_view outcome, const Reply& reply) {
  series_.assign(name).append("{relay=\"");
  for (const char c : relay) {
    if (c == '"' || c == '\\') series_.push_back('\\');
    series_.push_back(c);
  }
  series_.append("\",outcome=\"").append(outcome).append("\",reply=\"");
  series_.append(class_of(reply)).append("\"}");
  const auto found = counts_.find(series_);
  ++(found == counts_.end() ? counts_[series_] : found->second);
}

Result<> SendMetrics::write() {
  const auto locked = lock(file_);
  if (!locked) return fail(locked);
  auto before = read_all(locked->get(), largest_file, file_);
  if (!before) return retry("{}: {}", file_, before.error().text);
  NamedCounts all = counts_;
  add_counts(*before, all);
  if (auto written = replace_metrics_file(file_, counts_to_text(all)); !written) return written;
  counts_.clear();
  return {};
}

}  // namespace ml
