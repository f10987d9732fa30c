// sendmail:PROGRAM   PROGRAM -i -f SENDER [-XV] -- RECIPIENT..., run once a transaction, one after
// the other, with the message on its input; no shell. -XV is Postfix's, for XVERP.
//
// It runs beside us: what it does not read yet waits, and no call of ours waits for its end.
//
//   | the program                       | its recipients                                    |
//   | --------------------------------- | ------------------------------------------------- |
//   | cannot be started                 | left; the outlet is over                          |
//   | leaves with 0                     | delivered, even if it has not read all            |
//   | leaves with another status        | left                                              |
//   | is ended by a signal, or nobody   | unanswered: it may have taken the message before  |
//   | can say how it ended              |                                                   |
//   | has not ended at Latest::in_doubt | unanswered; it is killed, before its input ends:  |
//   |                                   | what was cut off is not to be taken for a message |
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "smtp/outlet.hpp"

namespace ml {

class SendmailOutlet : public Outlet {
 public:
  SendmailOutlet(std::string program, Outcomes& outcomes);

  [[nodiscard]] bool wants() const override { return !over() && !finishing_ && !child_; }
  [[nodiscard]] WireForm form() const override { return WireForm::text; }
  void give(Transaction& transaction) override;
  void finish() override;
  [[nodiscard]] pollfd watched() const override;
  [[nodiscard]] Clock::time_point deadline() const override;
  void hear(short ready, Clock::time_point now) override;
  void flush(Clock::time_point now) override;
  void hurry(const Latest& latest) override { in_doubt_ = latest.in_doubt; }
  [[nodiscard]] Parting parting() const override { return parting_; }
  [[nodiscard]] const Reply& last_words() const override { return last_words_; }
  [[nodiscard]] std::size_t messages() const override { return messages_; }

 private:
  [[nodiscard]] Result<> start();
  [[nodiscard]] bool has_ended() const;
  void feed();
  void judge();
  void end_by_force();
  void settle(Fate fate, const Reply& reply);

  const std::string program_;
  Outcomes& outcomes_;
  Fd events_;  // an epoll of its own: whoever watches us sees one descriptor, whatever runs
  Transaction transaction_;
  std::string text_;         // the message,
  std::size_t written_ = 0;  // and so much of it
  Fd input_;                 // of the program; not open: it has all, or wants no more
  std::optional<pid_t> child_;
  Fd ending_;  // can be read when it has ended
  Clock::time_point in_doubt_ = Clock::time_point::max();
  bool finishing_ = false;
  Parting parting_ = Parting::none;
  Reply last_words_;
  std::size_t messages_ = 0;
};

}  // namespace ml
