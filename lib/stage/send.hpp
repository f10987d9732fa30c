// ml-send: recipients in, mail out, and three disjoint sets at the end.
//
//   delivered   a relay has taken the message for this recipient
//   refused     a relay has refused the recipient for good, by a reply about the recipient
//   left        everybody else; the caller's, who starts again with exactly these
//
// Recipients are read into a window of bounded size and leave it when they are settled; one
// section is settled before the next one is begun.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "smtp/relay.hpp"
#include "smtp/relays.hpp"
#include "stream/reader.hpp"

namespace ml {

enum class ShowProgress { no, yes };

struct SendOptions {
  std::vector<Relay> relays;  // at least one
  std::chrono::seconds max_wait{60};
  FuseUse fuse = FuseUse::armed;
  ShowProgress progress = ShowProgress::no;
  std::optional<std::string> home;
  std::optional<std::string> refused;      // a file, "-"; nothing: a file in the home
  std::optional<std::string> undelivered;  // the same for the left
};

// 75 when recipients are left, with the line that says how to go on; else what became of the
// stream. SIGINT and SIGTERM end the delivery; what is in flight is waited for, the rest is left.
[[nodiscard]] Result<Status> send(Reader& in, const SendOptions& options);

}  // namespace ml
