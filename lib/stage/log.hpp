// ml-log: who got what, when, by which relay, out of ml-send's journals.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/home.hpp"
#include "base/json.hpp"
#include "base/out.hpp"
#include "base/result.hpp"
#include "queue/journal.hpp"

namespace ml {

struct LogQuery {
  std::optional<std::string> id;
  std::optional<std::string> message_id;  // with or without its angles
  std::optional<std::string> list;        // a posting address
  std::optional<std::string> address;     // capitals do not count
  std::optional<Outcome> outcome;
  bool every_attempt = false;  // not only what came of it
  Form form = Form::text;

  // Recipients are asked for, not messages.
  [[nodiscard]] bool asks_for_recipients() const {
    return id || message_id || address || outcome || every_attempt;
  }
};

// "delivered", "refused", "deferred", "unanswered", "left", "given-up"; nothing for another word.
[[nodiscard]] std::optional<Outcome> text_to_outcome(std::string_view text);

[[nodiscard]] std::string_view outcome_to_text(Outcome outcome);

// Writes what was found, a line each, TABs between; gives the number of lines.
//
// Messages: id, when it was begun, delivered, refused, not yet delivered, state (done, queued,
// given-up, sending or unfinished), list, Message-ID. Recipients, sorted by their octets: address,
// outcome, time, relay, reply, id.
[[nodiscard]] Result<std::uint64_t> look_up(const Home& home, const LogQuery& query, Out& out);

}  // namespace ml
