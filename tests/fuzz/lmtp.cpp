// The LMTP server's dialogue: whatever a client says, however it is cut, it gets the same replies
// and the same messages are taken; replies stay bounded; a recipient is answered once.
#include "lmtp/dialogue.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

using namespace ml;

namespace {

struct Box : Letterbox {
  std::string ask(const std::string&, const std::string& recipient) override {
    return recipient.starts_with('n') ? "550 5.1.1 no such list" : "250 2.1.5 ok";
  }
  void begin() override { now.clear(); }
  Result<> text(std::string_view piece) override {
    now.append(piece);
    return {};
  }
  void whole(const HandedEnvelope& envelope) override {
    recipients = envelope.recipients.size();
    if (recipients == 0) std::abort();
    taken += envelope.sender + '|' + now + '|';
  }
  std::string now;
  std::string taken;
  std::size_t recipients = 0;
};

// All replies and all messages.
std::string talk(std::string_view octets, std::size_t piece) {
  Box box;
  LmtpDialogue dialogue({.name = "me.test", .max_size = 500, .recipients = 5}, box);
  std::string replies;
  while (!octets.empty() && !dialogue.over()) {
    octets.remove_prefix(dialogue.hear(octets.substr(0, piece)));
    if (dialogue.waits_for_answer()) {
      dialogue.answer(std::vector<std::string>(box.recipients, "250 2.0.0 queued"));
    }
    if (dialogue.output().size() > 65536) std::abort();
    replies += dialogue.output();
    dialogue.wrote(dialogue.output().size());
  }
  return replies + box.taken;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  // Free of the long way to a first DATA where the first octet says so.
  std::string octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 1) {
    octets.insert(0, "LHLO x\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n");
  }
  if (talk(octets, octets.size()) != talk(octets, data[0] / 2U % 31 + 1)) std::abort();
  return 0;
}
