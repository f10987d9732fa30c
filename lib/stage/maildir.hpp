// ml-receive --maildir: what a mail server drops into a Maildir, into the queues.
//
//   | a message is in    | event                               | then in            |
//   | ------------------ | ----------------------------------- | ------------------ |
//   | new/X              | renamed: ours, if no other reader   | mlpipe/X           |
//   |                    | was first                           |                    |
//   | mlpipe/X           | taken in, durable                   | mlpipe/X and queue |
//   | mlpipe/X and queue | unlinked                            | queue              |
//   | mlpipe/X           | refused: copied with the reason on  | mlpipe/X and       |
//   |                    | top, synced, renamed                | .rejected/new/X    |
//   | mlpipe/X and       | unlinked                            | .rejected/new/X    |
//   | .rejected/new/X    |                                     |                    |
//   | mlpipe/X           | trouble of ours                     | mlpipe/X, tried    |
//   |                    |                                     | again              |
//
// A kill leaves it where it is; the next one begins with mlpipe/. Doing a step again changes
// nothing: the same message is the same entry, the same refusal the same file. One process at a
// time has mlpipe/ (flock); a second one waits. Other readers see a message in new/ or not at all.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "stage/intake.hpp"

namespace ml {

enum class Watch { no, yes };

struct MaildirOptions {
  std::string directory;
  // Every message is for this list, in the role that the message names; nothing: it names the list.
  std::optional<std::string> list;
  Watch watch = Watch::no;
};

// Takes all that is there, many for the price of one sync; with Watch::yes goes on with what comes
// (inotify) until SIGTERM or SIGINT. The recipient is the first of Delivered-To, X-Original-To and
// Envelope-To above the first Received that is an address of a list here; with a list given, one of
// that, else the list. 75: some are still in mlpipe/; watching, they are tried again each minute.
[[nodiscard]] Result<Status> receive_maildir(Intake& intake, const MaildirOptions& options);

}  // namespace ml
