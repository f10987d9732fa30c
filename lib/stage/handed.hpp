// A message that somebody hands over with its envelope, on its way into the queues.
//
//   HandedMessage message({.directories = {home.directory()}});
//   message.text.append(piece);                     // LMTP, batched SMTP, a file of a Maildir
//   message.envelope = {"ann@example.org", {"news@x.org"}};
//   HandedGroup group(intake);
//   group.take(message);
//   group.commit();                                 // message.verdicts, one a recipient
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/spill.hpp"
#include "lmtp/envelope.hpp"
#include "stage/intake.hpp"

namespace ml {

// The octets of a message while they come: up to 64 KiB in memory, more in a file without a name.
class HandedText {
 public:
  explicit HandedText(std::vector<std::string> directories)
      : spill_(std::move(directories), 0, most) {}

  [[nodiscard]] Result<> append(std::string_view piece);
  [[nodiscard]] Result<std::string> octets();
  void clear();

 private:
  static constexpr std::size_t most = std::size_t{64} << 10;

  std::string begin_;
  Spill spill_;  // all of it, once there is more than `most`
};

struct HandedMessage {
  explicit HandedMessage(std::vector<std::string> directories) : text(std::move(directories)) {}

  HandedEnvelope envelope;
  HandedText text;
  std::vector<Result<>> verdicts;  // of HandedGroup, one a recipient: 65, 77 or 75, or it is safe
};

// Messages that are taken in together. They stay where they are until they have their verdicts.
class HandedGroup {
 public:
  explicit HandedGroup(Intake& intake) : intake_(&intake) {}

  // For each of its recipients: a failure at once, or a draft. Of the octets one message is in
  // memory at a time; many drafts are committed at once.
  void take(HandedMessage& message);

  // Returns when all is on disk, or has its failure.
  void commit();

 private:
  void take(HandedMessage& message, std::size_t index, std::string octets);

  Intake* intake_;
  std::vector<Result<>*> waiting_;  // verdicts that hang on the commit
};

}  // namespace ml
