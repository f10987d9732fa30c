#include "stage/batch.hpp"

#include <array>
#include <optional>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "lmtp/batch.hpp"
#include "mail/message.hpp"
#include "stage/handed.hpp"

namespace ml {
namespace {

// Takes in what a batch gives, and remembers how it went.
class Box : public BatchLetterbox {
 public:
  Box(const Home& home, Intake& intake)
      : intake_(intake), message_({home.directory(), "/var/tmp"}) {}

  // Whoever is unknown is so when the message is taken: there is nobody to be told earlier.
  std::string ask(const std::string&, const std::string&) override { return "250 ok"; }
  void begin() override { message_.text.clear(); }
  Result<> text(std::string_view piece) override { return message_.text.append(piece); }

  void whole(const HandedEnvelope& envelope) override {
    message_.envelope = envelope;
    HandedGroup group(intake_);
    group.take(message_);
    group.commit();
    for (std::size_t i = 0; i < message_.verdicts.size(); ++i) {
      count(message_.verdicts[i], envelope.recipients[i]);
    }
  }

  void refused(std::string_view whom, std::string_view reply) override {
    const Status status = reply.starts_with('4') ? Status::retry : Status::rejected;
    const std::string_view text = reply.substr(reply.find(' ') + 1);
    count(failure(status, "{}", text), whom);
  }

  [[nodiscard]] Result<Status> verdict() const {
    if (later_) return Failure(*later_);
    if (!refusal_) return Status::done;
    if (all_ == 1) return Failure(*refusal_);
    return failure(refusal_->status, "{} (refused for {} of {} recipients; the others have it)",
                   refusal_->text, refusals_, all_);
  }

 private:
  void count(const Result<>& verdict, std::string_view whom) {
    ++all_;
    if (verdict) return;
    const Error& error = verdict.error();
    if (error.status == Status::retry) {
      if (!later_) later_ = Error{Status::retry, fmt::format("{}: {}", whom, error.text)};
      return;
    }
    ++refusals_;
    if (!refusal_) refusal_ = error;
  }

  Intake& intake_;
  HandedMessage message_;
  std::uint64_t all_ = 0;
  std::uint64_t refusals_ = 0;
  std::optional<Error> refusal_;  // the first
  std::optional<Error> later_;
};

}  // namespace

Result<Status> receive_batch(const Home& home, Intake& intake, int input) {
  Box box(home, intake);
  BatchReader batch(largest_message, box);
  std::array<char, 65536> room;
  bool any = false;
  for (;;) {
    auto got = read_some(input, room, "standard input");
    if (!got) return fail(got);
    if (*got == 0) break;
    any = true;
    if (auto heard = batch.hear({room.data(), *got}); !heard) return fail(heard);
  }
  if (!any) return retry("the input is empty: no batch came");
  if (auto whole = batch.finish(); !whole) return fail(whole);
  return box.verdict();
}

}  // namespace ml
