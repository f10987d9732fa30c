#include "stage/lmtp_connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/diag.hpp"
#include "lmtp/verdict_reply.hpp"

namespace ml {
namespace {

// What has come is acknowledged at once, for clients that write a message in small pieces. False
// where that means nothing: the socket is none of TCP.
bool acknowledge_at_once(int socket) {
  const int one = 1;
  return setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one) == 0;
}

}  // namespace

LmtpConnection::LmtpConnection(Fd in, Fd out, const LmtpDialogue::Manner& manner, Intake& intake,
                               std::vector<std::string> directories, Clock::time_point now)
    : in_(std::move(in)),
      out_(std::move(out)),
      intake_(intake),
      message_(std::move(directories)),
      dialogue_(manner, *this),
      since_(now) {}

std::string LmtpConnection::ask(const std::string&, const std::string& recipient) {
  const auto known = intake_.knows(recipient);
  if (!known) {
    log(known.error().text);
    return verdict_to_reply(known.error());
  }
  return *known ? "250 2.1.5 ok" : "550 5.1.1 no such list";
}

bool LmtpConnection::gone() const {
  if (taken_) return false;
  if (broken_) return true;
  const bool nothing_to_come = dialogue_.over() || (ended_ && unheard_.empty());
  return nothing_to_come && !wants_to_write() && !dialogue_.waits_for_answer();
}

bool LmtpConnection::is_between_messages() const {
  return dialogue_.is_between_messages() && unheard_.empty();
}

LmtpConnection::Clock::time_point LmtpConnection::deadline(const LmtpPatience& patience) const {
  return since_ + (dialogue_.over() ? patience.parting : patience.silence);
}

void LmtpConnection::read_some(std::span<char> room, Clock::time_point now) {
  const ssize_t got = read(in_.get(), room.data(), room.size());
  if (got > 0) {
    is_tcp_ = is_tcp_ && acknowledge_at_once(in_.get());
    hear({room.data(), static_cast<std::size_t>(got)}, now);
  } else if (got == 0) {
    ended_ = true;
  } else if (errno != EAGAIN && errno != EINTR) {
    broken_ = true;
  }
}

void LmtpConnection::hear(std::string_view octets, Clock::time_point now) {
  unheard_.append(octets.substr(dialogue_.hear(octets)));
  if (dialogue_.progress() != progress_) since_ = now;
  progress_ = dialogue_.progress();
}

void LmtpConnection::flush(Clock::time_point now) {
  while (wants_to_write() && !broken_) {
    const std::string_view text = dialogue_.output();
    const ssize_t done = write(out(), text.data(), text.size());
    if (done < 0 && errno == EAGAIN) break;
    if (done < 0 && errno != EINTR) broken_ = true;
    if (done <= 0) continue;
    dialogue_.wrote(static_cast<std::size_t>(done));
    since_ = now;
    if (!unheard_.empty()) hear(std::exchange(unheard_, {}), now);
  }
}

void LmtpConnection::close(std::string_view why, Clock::time_point now) {
  if (dialogue_.over()) {
    broken_ = true;  // it has had its time for the last reply
    return;
  }
  dialogue_.close(why);
  since_ = now;
}

HandedMessage* LmtpConnection::whole_message() {
  if (!dialogue_.waits_for_answer() || broken_ || taken_) return nullptr;
  taken_ = true;
  return &message_;
}

void LmtpConnection::answer(Clock::time_point now) {
  taken_ = false;
  std::vector<std::string> replies;
  for (std::size_t i = 0; i < message_.verdicts.size(); ++i) {
    const auto& verdict = message_.verdicts[i];
    const std::string& recipient = message_.envelope.recipients[i];
    if (!verdict) {
      log(fmt::format("{} from {}: {}", recipient, message_.envelope.sender, verdict.error().text));
    }
    replies.push_back(verdict ? fmt::format("250 2.0.0 <{}> has it", recipient)
                              : verdict_to_reply(verdict.error()));
  }
  dialogue_.answer(replies);
  hear(std::exchange(unheard_, {}), now);
}

}  // namespace ml
