// ml-send: recipients in, mail out, and three disjoint sets at the end.
//
//   delivered   a relay has taken the message for this recipient
//   refused     a relay has refused the recipient for good, by a reply about the recipient
//   left        everybody else; the caller's, who starts again with exactly these
//
// Recipients are read into a window of bounded size and leave it when they are settled; one
// section is settled before the next one is begun. What becomes of them is written where it
// outlives us as it happens (stage/ledger.hpp).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "smtp/relay.hpp"
#include "smtp/relays.hpp"
#include "stage/ledger.hpp"
#include "stage/progress.hpp"
#include "stage/send_reports.hpp"
#include "stage/wire_envelope.hpp"
#include "stream/reader.hpp"

namespace ml {

// What becomes of those who were on their way when an earlier run ended.
enum class Unanswered { send, hold };

struct SendOptions {
  std::vector<Relay> relays;      // at least one
  std::string go_on = "ml-send";  // a shell's command that goes on, but for its input
  Relays::Terms terms;
  std::uint64_t rate = 0;                         // recipients a second; 0: as it goes
  std::optional<std::chrono::seconds> lasting{};  // then what is in flight ends it, as by SIGTERM
  Unanswered unanswered = Unanswered::send;
  ShowProgress progress = ShowProgress::no;
  Envelopes::Terms envelopes;
  SendReports::Terms reports;
  Ledger::Terms ledger;
};

// 75 when recipients are left, with the line that says how to go on; else what became of the
// stream. SIGINT, SIGTERM and the end of its time end the delivery; what is in flight is waited
// for, the rest is left, and an input that does not end soon is as good as cut.
[[nodiscard]] Result<Status> send(Reader& in, SendOptions options);

}  // namespace ml
