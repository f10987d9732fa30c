// The ways out where nobody is waited for: batched SMTP, Maildirs, nothing. Each settles a
// transaction before give() returns.
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
  // An error of ours, of the disk: nobody of this transaction has it.
  [[nodiscard]] virtual Result<> deliver(const Transaction& transaction) = 0;
  [[nodiscard]] virtual Result<> close() { return {}; }
  void break_down(const Error& error);

 private:
  Outcomes& outcomes_;
  Parting parting_ = Parting::none;
  Reply last_words_;
  std::size_t messages_ = 0;
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

}  // namespace ml
