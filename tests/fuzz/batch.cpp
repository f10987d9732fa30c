// Batched SMTP: however it is cut, the same messages are given out and the same is refused.
#include "lmtp/batch.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace ml;

namespace {

struct Box : BatchLetterbox {
  std::string ask(const std::string&, const std::string& recipient) override {
    return recipient.starts_with('n') ? "550 5.1.1 no such list" : "250 2.1.5 ok";
  }
  void begin() override { now.clear(); }
  Result<> text(std::string_view piece) override {
    now.append(piece);
    return {};
  }
  void whole(const HandedEnvelope& envelope) override {
    if (envelope.recipients.empty() || now.size() > 500) std::abort();
    said += envelope.sender + '|' + now + '|';
  }
  void refused(std::string_view whom, std::string_view reply) override {
    if (reply.size() < 4 || reply[0] == '2') std::abort();
    said.append(whom).append(reply);
  }
  std::string now;
  std::string said;
};

std::string read(std::string_view octets, std::size_t piece) {
  Box box;
  BatchReader batch(500, box);
  Result<> state;
  while (state && !octets.empty()) {
    state = batch.hear(octets.substr(0, piece));
    octets.remove_prefix(std::min(piece, octets.size()));
  }
  if (state) state = batch.finish();
  return box.said + (state ? "" : state.error().text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (read(octets, size) != read(octets, data[0] % 31 + 1)) std::abort();
  return 0;
}
