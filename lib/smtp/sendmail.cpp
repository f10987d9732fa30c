#include "smtp/sendmail.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/process.hpp"

namespace ml {
namespace {

constexpr int temporary_failure = 75;

std::string joined(const std::vector<std::string_view>& pieces) {
  std::string text;
  for (const std::string_view piece : pieces) text.append(piece);
  if (!text.ends_with('\n')) text.push_back('\n');
  return text;
}

std::vector<std::string> command(const std::string& program, const Transaction& transaction) {
  std::vector<std::string> argv{
      program, "-i", "-f", transaction.sender.empty() ? "<>" : std::string(transaction.sender)};
  if (!transaction.xverp.empty() && !transaction.sender.empty()) argv.emplace_back("-XV");
  argv.emplace_back("--");
  for (const Recipient& recipient : transaction.recipients) argv.emplace_back(recipient.address);
  return argv;
}

Result<> watch(const Fd& events, const Fd& one, std::uint32_t what) {
  epoll_event event{};
  event.events = what;
  if (epoll_ctl(events.get(), EPOLL_CTL_ADD, one.get(), &event) == 0) return {};
  return system_failure("cannot watch a program", errno);
}

Reply trouble(std::string_view why) {
  return local_reply(451, {4, 3, 0}, why);
}

}  // namespace

SendmailOutlet::SendmailOutlet(std::string program, Outcomes& outcomes)
    : program_(std::move(program)), outcomes_(outcomes), events_(epoll_create1(EPOLL_CLOEXEC)) {}

pollfd SendmailOutlet::watched() const {
  return {child_ ? events_.get() : -1, POLLIN, 0};
}

Clock::time_point SendmailOutlet::deadline() const {
  return child_ ? in_doubt_ : Clock::time_point::max();
}

void SendmailOutlet::give(Transaction& transaction) {
  std::swap(transaction_, transaction);
  transaction.recipients.clear();
  if (auto started = start(); !started) {
    parting_ = Parting::relay_refuses;
    last_words_ = trouble(started.error().text);
    settle(Fate::left, last_words_);
  }
}

Result<> SendmailOutlet::start() {
  auto input = make_pipe();
  if (!input) return fail(input);
  fcntl(input->write.get(), F_SETFL, O_NONBLOCK);
  auto nowhere = open_file("/dev/null", O_WRONLY);
  if (!nowhere) return fail(nowhere);
  if (auto watching = watch(events_, input->write, EPOLLOUT); !watching) return watching;
  for (const Recipient& recipient : transaction_.recipients) outcomes_.in_flight(recipient.id);
  auto child = spawn(command(program_, transaction_), input->read, *nowhere);
  if (!child) return fail(child);
  ending_.reset(static_cast<int>(syscall(SYS_pidfd_open, *child, 0)));
  const auto watching = watch(events_, ending_, EPOLLIN);
  if (!watching) {
    kill(*child, SIGKILL);  // it has read nothing, and no end of it
    static_cast<void>(wait_for(*child));
    return watching;
  }
  child_ = *child;
  input_ = std::move(input->write);
  text_ = joined(transaction_.message->pieces);
  written_ = 0;
  return {};
}

// A program that stops reading has its reasons; its exit status tells.
void SendmailOutlet::feed() {
  while (input_.open() && written_ < text_.size()) {
    const ssize_t done = write(input_.get(), text_.data() + written_, text_.size() - written_);
    if (done >= 0) {
      written_ += static_cast<std::size_t>(done);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      break;
    }
  }
  input_.reset();
}

bool SendmailOutlet::has_ended() const {
  pollfd one{ending_.get(), POLLIN, 0};
  return poll(&one, 1, 0) > 0;
}

void SendmailOutlet::flush(Clock::time_point /*now*/) {
  if (child_) feed();
}

void SendmailOutlet::hear(short /*ready*/, Clock::time_point now) {
  if (!child_) return;
  feed();
  if (has_ended()) return judge();
  if (now >= in_doubt_) end_by_force();
}

void SendmailOutlet::judge() {
  const auto ended = wait_for(*child_);
  if (!ended) return settle(Fate::unanswered, trouble(ended.error().text));
  if (ended->signal != 0) {
    return settle(Fate::unanswered,
                  trouble(fmt::format("{} was ended by signal {}", program_, ended->signal)));
  }
  if (ended->status == 0) {
    ++messages_;
    return settle(Fate::delivered, local_reply(250, {2, 0, 0}, "taken"));
  }
  settle(Fate::left,
         trouble(fmt::format("{} left with status {}{}", program_, ended->status,
                             ended->status == temporary_failure ? " (try again later)" : "")));
}

// Not waited for: a program that is somebody else's by now cannot be killed.
void SendmailOutlet::end_by_force() {
  kill(*child_, SIGKILL);
  settle(Fate::unanswered, trouble(program_ + " did not end"));
}

// Nothing of it runs any more.
void SendmailOutlet::settle(Fate fate, const Reply& reply) {
  child_.reset();
  ending_.reset();
  input_.reset();
  if (finishing_ && !over()) parting_ = Parting::quit;
  for (const Recipient& recipient : transaction_.recipients) {
    outcomes_.settled(recipient.id, fate, reply);
  }
  transaction_.recipients.clear();
}

void SendmailOutlet::finish() {
  finishing_ = true;
  if (!child_ && !over()) parting_ = Parting::quit;
}

}  // namespace ml
