// Batched SMTP (RFC 2442, Exim's use_bsmtp): whole SMTP transactions one after another, with
// nobody there who could answer. Pure; fed with octets cut anywhere.
//
//   MAIL FROM:<ann@example.org>
//   RCPT TO:<news@x.org>
//   DATA
//   From: ann@example.org
//
//   Hello.
//   .
//
// HELO, EHLO, LHLO, RSET, NOOP and QUIT may stand around them. The first line tells whether lines
// end in LF or CRLF; from then on the other is no line end (data_text.hpp).
//
//   BatchReader batch({.max_size = limit}, letterbox);
//   if (auto heard = batch.hear(octets); !heard) return fail(heard);      // no batch: 75
//   return batch.finish();                                                // cut: 75
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "lmtp/command.hpp"
#include "lmtp/data_text.hpp"
#include "lmtp/dialogue.hpp"

namespace ml {

// A letterbox that also hears what could not be taken, where a client would get a reply.
class BatchLetterbox : public Letterbox {
 public:
  // A recipient, by name if it has a legal one, or a sender with all the message's recipients.
  virtual void refused(std::string_view whom, std::string_view reply) = 0;
};

class BatchReader {
 public:
  BatchReader(std::uint64_t max_size, BatchLetterbox& letterbox)
      : max_size_(max_size), letterbox_(letterbox) {}

  // The letterbox gets each message as its dot comes, and makes it safe before it returns. What
  // is no batch is 75 naming the line; nothing behind it is read.
  [[nodiscard]] Result<> hear(std::string_view octets);
  // The input has ended. In the middle of a message is 75: that one was not given out.
  [[nodiscard]] Result<> finish();

 private:
  enum class Phase { command, text };
  enum class Mail { none, taken, refused };

  [[nodiscard]] Result<> hear_line(std::string_view& octets);
  [[nodiscard]] Result<> on_command(const Command& command);
  [[nodiscard]] Result<> on_mail(std::string_view argument);
  [[nodiscard]] Result<> on_rcpt(std::string_view argument);
  [[nodiscard]] Result<> on_data();
  void hear_text(std::string_view& octets);
  void on_dot();
  void forget();
  [[nodiscard]] Failure no_batch(std::string_view why) const;

  std::uint64_t max_size_;
  BatchLetterbox& letterbox_;
  Phase phase_ = Phase::command;
  Mail mail_ = Mail::none;
  NonAscii non_ascii_ = NonAscii::refused;
  HandedEnvelope envelope_;
  std::string line_;
  std::uint64_t lines_ = 0;  // command lines, for messages to people
  std::optional<LineEnding> ending_;
  DataText text_{LineEnding::lf};
  std::uint64_t size_ = 0;
  Result<> kept_;
};

}  // namespace ml
