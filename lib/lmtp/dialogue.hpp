// One connection's talk with a mail server that hands us mail by LMTP (RFC 2033): pure, without
// sockets and without a clock.
//
// It is fed with what the client says and asked for what to write. Whole messages go to a
// Letterbox, which answers for each recipient when it has made the message safe.
//
//   LmtpDialogue dialogue({.name = "lists.example.org"}, letterbox);
//   for (;;) {
//     write(dialogue.output()); dialogue.wrote(count);
//     if (dialogue.over() && dialogue.output().empty()) break;
//     octets.append(read());
//     octets.erase(0, dialogue.hear(octets));       // what it leaves is to be offered again
//   }
//
//   | state   | event                             | answer                     | next    |
//   | ------- | --------------------------------- | -------------------------- | ------- |
//   | -       | connected                         | 220                        | command |
//   | command | LHLO MAIL RCPT RSET NOOP VRFY     | 250 252 4yz 5yz            | command |
//   | command | EHLO HELO: this is not SMTP       | 500                        | command |
//   | command | DATA without MAIL, without a RCPT | 503                        | command |
//   |         | that was taken                    |                            |         |
//   | command | DATA                              | 354                        | text    |
//   | text    | CRLF.CRLF                         | -                          | waiting |
//   | waiting | answer()                          | one reply a taken RCPT, in | command |
//   |         |                                   | the order of the RCPTs     |         |
//   | command | QUIT                              | 221                        | over    |
//   | command | a line that ends in a bare LF     | 521                        | over    |
//   | command | the 20th line that is at fault    | 421                        | over    |
//   | any     | close() but when waiting: then    | 421                        | over    |
//   |         | after the answer                  |                            |         |
//
// Whatever the client says, memory is bounded: a line over 2048 octets is passed over and refused,
// nothing is heard while 16 KiB of replies wait to be written, a message over max_size goes to
// nobody, and of recipients there are `recipients` at most. Nothing behind a message is looked at
// before it has been answered.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "lmtp/command.hpp"
#include "lmtp/data_text.hpp"
#include "lmtp/envelope.hpp"

namespace ml {

// Who takes the messages of a dialogue. A reply is one line without CRLF: "250 2.1.5 ok".
class Letterbox {
 public:
  virtual ~Letterbox() = default;
  // The reply to RCPT; one that begins with 2 takes the recipient.
  [[nodiscard]] virtual std::string ask(const std::string& sender,
                                        const std::string& recipient) = 0;
  // A message begins; what came of another one that never was whole can be forgotten.
  virtual void begin() = 0;
  // A piece of its text, with the line ends that it came with. After a failure the rest is
  // dropped and each recipient gets that failure.
  [[nodiscard]] virtual Result<> text(std::string_view piece) = 0;
  // It is whole: answer() is due, now or later.
  virtual void whole(const HandedEnvelope& envelope) = 0;
};

class LmtpDialogue {
 public:
  struct Manner {
    std::string name{};  // who we are: a host name
    std::uint64_t max_size = std::uint64_t{50} << 20;
    std::size_t recipients = 1000;  // of a message
  };

  LmtpDialogue(Manner manner, Letterbox& letterbox);

  // Takes octets off the front of what came, and says how many; fewer than all of them where it
  // waits for an answer() or for its output to be written.
  [[nodiscard]] std::size_t hear(std::string_view octets);
  // The verdicts on the message that is whole, a reply for each recipient of the envelope.
  void answer(std::span<const std::string> replies);
  // The client has had its time, or we leave: "4.4.2 time is up".
  void close(std::string_view why);

  [[nodiscard]] std::string_view output() const;
  void wrote(std::size_t octets);

  // Nothing more is heard; what is left of the output is to be written.
  [[nodiscard]] bool over() const { return over_; }
  // True if the next octets would be taken.
  [[nodiscard]] bool listens() const;
  // A message is whole and has no answer yet: it is our turn, not the client's.
  [[nodiscard]] bool waits_for_answer() const { return phase_ == Phase::waiting; }
  // No transaction is open: nothing would be lost by a goodbye.
  [[nodiscard]] bool is_between_messages() const { return phase_ == Phase::command && !mail_; }
  // Grows with every command and every piece of a message: as long as it does there is life.
  [[nodiscard]] std::uint64_t progress() const { return progress_; }

 private:
  enum class Phase { command, text, waiting };

  void hear_line(std::string_view& octets);
  void hear_text(std::string_view& octets);
  void on_line(std::string_view line);
  void on_command(const Command& command);
  void on_lhlo(std::string_view argument);
  void on_mail(std::string_view argument);
  void on_rcpt(std::string_view argument);
  void on_data(std::string_view argument);
  void on_dot();
  void forget();

  void say(std::string_view reply);
  void refuse(std::string_view reply);  // the client's fault; too many of them end it
  void end(std::string_view reply);

  Manner manner_;
  Letterbox& letterbox_;
  Phase phase_ = Phase::command;
  bool over_ = false;
  bool greeted_ = false;
  bool mail_ = false;
  NonAscii non_ascii_ = NonAscii::refused;
  HandedEnvelope envelope_;

  std::string line_;  // an unfinished one
  bool too_long_ = false;
  DataText text_{LineEnding::crlf};
  std::uint64_t size_ = 0;  // of the message so far
  Result<> kept_;           // what the letterbox made of it
  std::string closing_;     // why, once the answer has been given
  unsigned faults_ = 0;
  std::uint64_t progress_ = 0;

  std::string output_;
  std::size_t written_ = 0;
};

}  // namespace ml
