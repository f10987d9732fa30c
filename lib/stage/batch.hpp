// ml-receive --bsmtp: batched SMTP on standard input into the queues (lmtp/batch.hpp).
#pragma once

#include "base/home.hpp"
#include "base/result.hpp"
#include "stage/intake.hpp"

namespace ml {

// Takes each message for each of its recipients; what a recipient's list makes of it is durable
// before the next message is read. A batch has one status for all:
//
//   75      somebody could not be served, or the batch is cut or none: the whole may be handed over
//           again, what has been taken is the same entry then
//   65, 77  nobody is left to be served, but some were refused; the text is about the first of them
//           and says how many
//   done    everybody was served
[[nodiscard]] Result<Status> receive_batch(const Home& home, Intake& intake, int input);

}  // namespace ml
