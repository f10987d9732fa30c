// The ways out that are no dialogue: batched SMTP, Maildirs, a sendmail program, nothing.
// Each settles a transaction before give() returns.
#pragma once

#include <string>

#include "base/fd.hpp"
#include "smtp/outlet.hpp"

namespace ml {

// What they have in common: they want until they are finished or broken.
class LocalOutlet : public Outlet {
 public:
  explicit LocalOutlet(Outcomes& outcomes) : outcomes_(outcomes) {}

  [[nodiscard]] bool wants() const override { return parting_ == Parting::none; }
  [[nodiscard]] WireForm form() const override { return WireForm::text; }
  void give(Transaction& transaction) override;
  void finish() override;
  [[nodiscard]] Parting parting() const override { return parting_; }
  [[nodiscard]] const Reply& last_words() const override { return last_words_; }
  [[nodiscard]] std::size_t messages() const override { return messages_; }

 protected:
  // An error of ours, of the disk, of the program: nobody of this transaction has it, unless it
  // was said that they may.
  [[nodiscard]] virtual Result<> deliver(const Transaction& transaction) = 0;
  [[nodiscard]] virtual Result<> close() { return {}; }
  // Before what a kill of ours could not take back.
  void in_flight(const Transaction& transaction);
  void may_be_taken() { may_be_taken_ = true; }
  void break_down(const Error& error);

 private:
  Outcomes& outcomes_;
  Parting parting_ = Parting::none;
  Reply last_words_;
  std::size_t messages_ = 0;
  bool may_be_taken_ = false;
};

// null: takes everything.
class NullOutlet : public LocalOutlet {
 public:
  using LocalOutlet::LocalOutlet;

 private:
  [[nodiscard]] Result<> deliver(const Transaction&) override { return {}; }
};

// bsmtp:FILE, bsmtp:-   The commands of RFC 2442 with LF line ends, as programs like `exim -bS`
// read them: MAIL, RCPTs, DATA, the message, a dot; no greeting and no QUIT, so that files join.
class BatchOutlet : public LocalOutlet {
 public:
  BatchOutlet(const std::string& path, Outcomes& outcomes);

 private:
  [[nodiscard]] Result<> deliver(const Transaction& transaction) override;
  [[nodiscard]] Result<> close() override;

  std::string name_;
  Fd file_;  // not open: standard output
};

// maildir:DIR   A file a recipient, in new, synced; Return-Path and Delivered-To carry the
// envelope. The directories are made.
class MaildirOutlet : public LocalOutlet {
 public:
  MaildirOutlet(const std::string& directory, Outcomes& outcomes);

  // One at a time: each is stored or not by itself.
  [[nodiscard]] std::size_t recipient_limit() const override { return 1; }

 private:
  [[nodiscard]] Result<> deliver(const Transaction& transaction) override;
  [[nodiscard]] Result<> store(const std::string& name, const std::string& text);

  std::string directory_;
  std::string unique_;  // what the names of this run have in common
  std::uint64_t count_ = 0;
};

// sendmail:PROGRAM   PROGRAM -i -f SENDER [-XV] -- RECIPIENT..., the message on its input; no shell
// -XV is Postfix's, for XVERP. One that a signal ended may have taken it.
class SendmailOutlet : public LocalOutlet {
 public:
  SendmailOutlet(std::string program, Outcomes& outcomes);

 private:
  [[nodiscard]] Result<> deliver(const Transaction& transaction) override;

  std::string program_;
};

}  // namespace ml
