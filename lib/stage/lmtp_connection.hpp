// A connection of ml-lmtpd: descriptors, a dialogue, and the message that is coming in.
//
//   LmtpConnection connection(std::move(socket), manner, intake, directories, now);
//   connection.read_some(room, now);
//   if (HandedMessage* message = connection.whole_message()) group.take(*message);
//   connection.answer(now);                        // when the group has its verdicts
//   connection.flush(now);
//   if (connection.gone()) ...
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "lmtp/dialogue.hpp"
#include "stage/handed.hpp"
#include "stage/intake.hpp"

namespace ml {

// RFC 5321 4.5.3.2.7: whole commands, pieces of a message and octets of ours that are taken keep a
// connection alive; single octets of a command do not.
struct LmtpPatience {
  std::chrono::seconds silence{300};
  std::chrono::seconds parting{10};  // for the last reply to be taken
};

class LmtpConnection : private Letterbox {
 public:
  using Clock = std::chrono::steady_clock;

  // A socket, or the two ends of an inetd's (`out` not open: it is `in` too).
  LmtpConnection(Fd in, Fd out, const LmtpDialogue::Manner& manner, Intake& intake,
                 std::vector<std::string> directories, Clock::time_point now);
  LmtpConnection(LmtpConnection&&) = delete;  // its dialogue knows where it is

  [[nodiscard]] int in() const { return in_.get(); }
  [[nodiscard]] int out() const { return out_.open() ? out_.get() : in_.get(); }
  [[nodiscard]] bool wants_to_read() const { return !ended_ && dialogue_.listens(); }
  [[nodiscard]] bool wants_to_write() const { return !dialogue_.output().empty(); }
  // It is over and all has been said, or the client is gone.
  [[nodiscard]] bool gone() const;
  [[nodiscard]] bool is_between_messages() const;

  void read_some(std::span<char> room, Clock::time_point now);
  void flush(Clock::time_point now);
  void close(std::string_view why, Clock::time_point now);
  [[nodiscard]] Clock::time_point deadline(const LmtpPatience& patience) const;

  // A message that is to be taken in, handed out once; nothing if there is none. From then on the
  // connection does not go before it has been answered by the message's verdicts.
  [[nodiscard]] HandedMessage* whole_message();
  void answer(Clock::time_point now);

 private:
  std::string ask(const std::string& sender, const std::string& recipient) override;
  void begin() override { message_.text.clear(); }
  Result<> text(std::string_view piece) override { return message_.text.append(piece); }
  void whole(const HandedEnvelope& envelope) override { message_.envelope = envelope; }

  void hear(std::string_view octets, Clock::time_point now);

  Fd in_;
  Fd out_;
  Intake& intake_;
  HandedMessage message_;
  LmtpDialogue dialogue_;
  std::string unheard_;  // behind a message that waits for its verdicts, or behind many replies
  bool is_tcp_ = true;   // until the socket says otherwise
  bool taken_ = false;   // the message is handed out
  bool ended_ = false;   // nothing more comes from the client
  bool broken_ = false;  // nothing more can be said to it
  std::uint64_t progress_ = 0;
  Clock::time_point since_;
};

}  // namespace ml
