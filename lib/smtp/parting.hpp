// Why the talk with a relay is over.
#pragma once

namespace ml {

enum class Parting {
  none,           // it is not
  quit,           // we said goodbye
  full,           // the relay takes no more messages on this connection: open another
  busy,           // leave the relay alone for a while
  relay_refuses,  // it will not talk to us
  no_tls,         // hands could not be shaken, or it is not whom we trust
  fault,          // a misunderstanding: reconnect in lockstep
  lost,           // the connection broke
};

}  // namespace ml
