// An envelope as a mail server hands it over: who sent the message, and whom it is for.
#pragma once

#include <string>
#include <vector>

namespace ml {

struct HandedEnvelope {
  std::string sender;                   // in our spelling; "<>": the null sender
  std::vector<std::string> recipients;  // in our spelling, in the order of their RCPTs
};

}  // namespace ml
