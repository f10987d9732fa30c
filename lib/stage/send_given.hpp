// What ml-send was given, made into what it does.
//
//   SendGiven given;                                // from the command line and the environment
//   if (auto added = add_settings(given, *site); !added) return fail(added);
//   auto options = given_to_options(std::move(given));       // the relays are looked up here
//   return send(in, std::move(*options));
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "list/settings.hpp"
#include "smtp/relay.hpp"
#include "stage/send.hpp"

namespace ml {

// Where nobody names a relay.
inline constexpr const char* default_relay = "smtp://localhost:25";

// As it was given; nothing where it was not.
struct SendGiven {
  std::vector<std::string> via{};
  Papers papers{};
  std::optional<std::uint64_t> connections{};
  std::optional<std::uint64_t> per_connection{};
  std::optional<std::uint64_t> rate{};  // recipients a second
  std::optional<std::uint64_t> sync{};  // seconds; so are the next two
  std::optional<std::uint64_t> max_wait{};
  std::optional<std::uint64_t> lasting{};
  std::optional<std::string> refused{};
  std::optional<std::string> undelivered{};
  std::optional<std::string> unanswered{};  // send, hold
  Envelopes::Terms notices{};
  bool again = false;
  bool no_fuse = false;
  bool progress = false;
  std::optional<std::string> log{};  // of events
  SendReports::Terms reports{};
  std::optional<std::string> home{};

  std::optional<std::string> credential{};  // the auth-file where nothing else names one
  bool in_alias = false;                    // a mail server waits for our end

  // Kept by add_settings().
  Via via_of = Via::site;
  std::vector<std::string> to_go_on{};  // what the command that goes on has behind --via
};

// What was not given is as the site has it.
[[nodiscard]] Result<> add_settings(SendGiven& given, const Settings& site);

// 75 where something that was given is none, or no relay can be found; relays that could not be
// looked up are told of in the log.
[[nodiscard]] Result<SendOptions> given_to_options(SendGiven given);

}  // namespace ml
