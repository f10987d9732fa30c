#include "stage/queue_job.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/diag.hpp"
#include "base/text.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_line = 4096;

std::string way_of_ending(const Ending& ending) {
  return ending.signal != 0 ? fmt::format("ended by signal {}", ending.signal)
                            : fmt::format("exit status {}", ending.status);
}

}  // namespace

Job::Job(Taken taken, QueueEntry output, Fd errors, pid_t child, Fd ended)
    : taken_(std::move(taken)),
      output_(std::move(output)),
      errors_(std::move(errors)),
      child_(child),
      ended_(std::move(ended)) {}

Result<Job> Job::start(const Queue& queue, Taken& taken, const std::vector<std::string>& command) {
  auto output = QueueEntry::create(queue, "output");
  if (!output) return fail(output);
  auto errors = make_pipe();
  if (!errors) return fail(errors);
  fcntl(errors->read.get(), F_SETFL, O_NONBLOCK);
  auto child = spawn(command, taken.fd(), output->file(), errors->write.get());
  if (!child) return fail(child);
  errors->write.reset();  // a descriptor less, so that there is one for what follows
  Fd ended(static_cast<int>(syscall(SYS_pidfd_open, *child, 0)));
  if (!ended.open()) {
    const int code = errno;
    kill(*child, SIGKILL);
    if (auto waited = wait_for(*child); !waited) return fail(waited);
    return system_failure("cannot watch a command", code);
  }
  return Job(std::move(taken), std::move(*output), std::move(errors->read), *child,
             std::move(ended));
}

void Job::listen() {
  std::array<char, 4096> room;
  while (errors_.open()) {
    const ssize_t got = read(errors_.get(), room.data(), room.size());
    if (got > 0) {
      take_lines({room.data(), static_cast<std::size_t>(got)});
    } else if (got == 0) {
      errors_.reset();
    } else if (errno != EINTR) {
      return;
    }
  }
}

// Whole lines go on to the log, so that two commands do not speak in one line.
void Job::take_lines(std::string_view octets) {
  partial_.append(octets);
  for (;;) {
    const auto lf = partial_.find('\n');
    if (lf == std::string::npos && partial_.size() < longest_line) return;
    std::string line = partial_.substr(0, std::min(lf, longest_line));
    partial_.erase(0, lf == std::string::npos ? longest_line : lf + 1);
    if (!trim(line).empty()) last_line_ = trim(line);
    log_said(line);
  }
}

Result<JobEnding> Job::finish() {
  auto ending = wait_for(child_);
  if (!ending) return fail(ending);
  listen();
  if (!partial_.empty()) take_lines("\n");
  JobEnding judgement;
  judgement.reason =
      last_line_.empty() || ending->signal != 0 ? way_of_ending(*ending) : last_line_;
  if (ending->signal != 0) return judgement;
  const auto status = static_cast<Status>(ending->status);
  if (status == Status::done) {
    judgement.kind = JobEnding::Kind::done;
  } else if (status == Status::rejected || status == Status::denied) {
    judgement.kind = JobEnding::Kind::failed;
  } else if (status == Status::retry && output_is_stream()) {
    judgement.kind = JobEnding::Kind::left;
  } else {
    judgement.at_once = !last_line_.empty() && lseek(taken_.fd().get(), 0, SEEK_CUR) == 0;
  }
  return judgement;
}

// Whole, with a message, and nothing in it that failed.
bool Job::output_is_stream() const {
  if (lseek(output_.fd(), 0, SEEK_SET) != 0) return false;
  Reader in(output_.fd());
  Verdict verdict;
  bool any = false;
  for (Record record = in.next(); record != Record::none; record = in.next()) {
    any = any || record == Record::message;
    if (record == Record::end) verdict.add(in.end());
  }
  return any && !verdict.failed();
}

Result<> Job::pass_output() const {
  if (lseek(output_.fd(), 0, SEEK_SET) != 0) return {};
  std::array<char, 65536> room;
  for (;;) {
    auto got = read_some(output_.fd(), room, "the output of the command");
    if (!got) return fail(got);
    if (*got == 0) return {};
    auto written = write_all(1, std::string_view(room.data(), *got), "standard output");
    if (!written) return written;
  }
}

}  // namespace ml
