// Relays behind names: smtp+mx: and smtp+srv: become the hosts that DNS has for them.
//
// Each host is a relay of its own, with its addresses, in the order and with the weight that DNS
// gives it; whatever else the URI says holds for all of them. A host that is not there is told and
// not used.
//
//   auto relays = looked_up(std::move(given), "127.0.0.1:5353", told);
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "smtp/relay.hpp"

namespace ml {

// Relays that are not to be looked up stay as they are, in their places. 75 where none is left.
[[nodiscard]] Result<std::vector<Relay>> looked_up(std::vector<Relay> relays,
                                                   const std::string& servers, const Told& told);

}  // namespace ml
