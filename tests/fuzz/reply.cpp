// The reply parser: any octets, cut anywhere, give the same replies.
#include "smtp/reply.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace ml;

namespace {

std::string replies_in(std::string_view octets, std::size_t piece) {
  ReplyParser parser;
  std::string found;
  while (!octets.empty()) {
    std::string_view part = octets.substr(0, piece);
    octets.remove_prefix(part.size());
    while (!part.empty()) {
      const auto taken = parser.take(part);
      if (taken == ReplyParser::Found::garbage) return found + "garbage";
      if (taken == ReplyParser::Found::reply) found += reply_to_text(parser.reply()) + '\n';
    }
  }
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  const std::string whole = replies_in(octets, size);
  if (replies_in(octets, 1) != whole) std::abort();
  if (replies_in(octets, data[0] % 7U + 2) != whole) std::abort();
  return 0;
}
