#include "smtp/local.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include <fmt/format.h>

#include "base/digest.hpp"
#include "base/directory.hpp"
#include "smtp/sendmail.hpp"
#include "smtp/session.hpp"

namespace ml {
namespace {

std::string joined(const std::vector<std::string_view>& pieces) {
  std::string text;
  for (const std::string_view piece : pieces) text.append(piece);
  if (!text.ends_with('\n')) text.push_back('\n');
  return text;
}

// Text with LF line ends, each line that begins with a dot doubled.
void append_stuffed(std::string& to, std::string_view text) {
  while (!text.empty()) {
    const auto lf = text.find('\n');
    const std::string_view line = text.substr(0, lf == text.npos ? lf : lf + 1);
    if (line.starts_with('.')) to.push_back('.');
    to.append(line);
    text.remove_prefix(line.size());
  }
}

}  // namespace

// ---- what they have in common

void LocalOutlet::give(Transaction& transaction) {
  const auto done = deliver(transaction);
  const Reply reply =
      done ? local_reply(250, {2, 0, 0}, "taken") : local_reply(451, {4, 3, 0}, done.error().text);
  if (done) ++messages_;
  for (const Recipient& recipient : transaction.recipients) {
    outcomes_.settled(recipient.id, done ? Fate::delivered : Fate::left, reply);
  }
  transaction.recipients.clear();
}

void LocalOutlet::finish() {
  if (parting_ != Parting::none) return;
  const auto closed = close();
  if (!closed) return break_down(closed.error());
  parting_ = Parting::quit;
}

void LocalOutlet::break_down(const Error& error) {
  parting_ = Parting::relay_refuses;
  last_words_ = local_reply(451, {4, 3, 0}, error.text);
}

// ---- batched SMTP

BatchOutlet::BatchOutlet(const std::string& path, Outcomes& outcomes)
    : LocalOutlet(outcomes), name_(path == "-" ? "standard output" : path) {
  if (path == "-") return;
  auto file = open_file(path, O_WRONLY | O_CREAT | O_APPEND);
  if (file) {
    file_ = std::move(*file);
  } else {
    break_down(file.error());
  }
}

Result<> BatchOutlet::deliver(const Transaction& transaction) {
  std::string text = fmt::format("MAIL FROM:<{}>{}\n", transaction.sender,
                                 transaction.needs_smtputf8 ? " SMTPUTF8" : "");
  for (const Recipient& recipient : transaction.recipients) {
    text += fmt::format("RCPT TO:<{}>\n", recipient.address);
  }
  text += "DATA\n";
  append_stuffed(text, joined(transaction.message->pieces));
  text += ".\n";
  auto written = write_all(file_.open() ? file_.get() : 1, text, name_);
  // Half a transaction may stand there now: nothing may follow it.
  if (!written) break_down(written.error());
  return written;
}

Result<> BatchOutlet::close() {
  if (!file_.open()) return {};
  return sync(file_, name_);
}

// ---- Maildir

MaildirOutlet::MaildirOutlet(const std::string& directory, Outcomes& outcomes)
    : LocalOutlet(outcomes),
      directory_(directory),
      unique_(fmt::format("{}.M{:016x}P{}", std::time(nullptr), random_number(), getpid())) {
  for (const char* below : {"", "/tmp", "/new", "/cur"}) {
    if (auto made = make_directory(directory + below); !made) {
      break_down(made.error());
      return;
    }
  }
}

Result<> MaildirOutlet::deliver(const Transaction& transaction) {
  const std::string text = joined(transaction.message->pieces);
  for (const Recipient& recipient : transaction.recipients) {
    auto stored = store(fmt::format("{}Q{}.mlpipe", unique_, ++count_),
                        fmt::format("Return-Path: <{}>\nDelivered-To: {}\n{}", transaction.sender,
                                    recipient.address, text));
    if (!stored) return fail(stored);
  }
  return sync_directory(directory_ + "/new");
}

Result<> MaildirOutlet::store(const std::string& name, const std::string& text) {
  const std::string draft = directory_ + "/tmp/" + name;
  const std::string kept = directory_ + "/new/" + name;
  auto file = open_file(draft, O_WRONLY | O_CREAT | O_EXCL);
  if (!file) return fail(file);
  if (auto written = write_all(*file, text, draft); !written) return fail(written);
  if (auto synced = sync(*file, draft); !synced) return fail(synced);
  if (rename(draft.c_str(), kept.c_str()) != 0) return system_failure("cannot make " + kept, errno);
  return {};
}

// ---- all of them

std::unique_ptr<Outlet> open_outlet(const Relay& relay, const OutletManner& manner,
                                    Outcomes& outcomes) {
  switch (relay.scheme) {
    case Scheme::sendmail: return std::make_unique<SendmailOutlet>(relay.path, outcomes);
    case Scheme::bsmtp: return std::make_unique<BatchOutlet>(relay.path, outcomes);
    case Scheme::maildir: return std::make_unique<MaildirOutlet>(relay.path, outcomes);
    case Scheme::null: return std::make_unique<NullOutlet>(outcomes);
    default: return std::make_unique<Session>(relay, manner, outcomes);
  }
}

}  // namespace ml
