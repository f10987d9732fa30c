// The dialogue: whatever a relay says, each recipient given to it is settled exactly once, and the
// dialogue comes to an end.
#include "smtp/dialogue.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

using namespace ml;

namespace {

struct Counts : Outcomes {
  std::array<unsigned, 64> settled_times{};
  void settled(std::uint64_t id, Fate, const Reply&) override { ++settled_times.at(id); }
};

void flush(Dialogue& dialogue) {
  std::array<iovec, 4> room{};
  while (dialogue.has_output()) {
    std::size_t octets = 0;
    const std::size_t count = dialogue.gather(room);
    for (std::size_t i = 0; i < count; ++i) octets += room[i].iov_len;
    if (octets == 0) std::abort();
    dialogue.wrote(octets);
  }
}

const std::array credentials{Credentials{"ann", "secret", Credentials::Kind::password},
                             Credentials{"ann", "secret", Credentials::Kind::token}};

// The low bit is the protocol; then come STARTTLS, AUTH, the size of the pieces and wary_after.
Dialogue::Manner manner_of(std::uint8_t choice) {
  Dialogue::Manner manner{.hello = "me.test", .messages = 8};
  if ((choice & 1) != 0) manner.protocol = Protocol::lmtp;
  manner.starttls = static_cast<StartTls>((choice >> 5 & 3) % 3);
  manner.wary_after = choice >> 1 & 3;
  manner.channel = (choice & 128) != 0 ? Channel::local : Channel::open;
  if ((choice & 128) != 0) manner.credentials = &credentials[choice >> 4 & 1];
  return manner;
}

void talk(std::string_view octets, Dialogue::Manner manner, std::size_t piece) {
  static const std::string line(300, 'x');
  const WireMessage message{
      {"Subject: x\r\n\r\n", line, "\r\n", "..x\r\n"}, 21 + line.size(), false};
  Counts counts;
  Dialogue dialogue(std::move(manner), counts);
  std::uint64_t given = 0;
  while (!octets.empty() && !dialogue.over()) {
    dialogue.hear(octets.substr(0, piece));
    octets.remove_prefix(std::min(piece, octets.size()));
    if (dialogue.wants_tls()) dialogue.secured();
    while (dialogue.wants() && given < counts.settled_times.size()) {
      Transaction transaction;
      transaction.sender = "s@x.org";
      transaction.message = &message;
      transaction.recipients = {{given, "a@x.org"}, {given + 1, "b@x.org"}};
      transaction.lockstep = given % 10 == 6;
      given += 2;
      dialogue.give(transaction);
    }
    flush(dialogue);
  }
  dialogue.broke_off("the end");
  if (!dialogue.over()) std::abort();
  for (std::uint64_t id = 0; id < given; ++id) {
    if (counts.settled_times[id] != 1) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  talk(octets, manner_of(data[0]), 1 + (data[0] >> 1 & 7) * 4U);
  return 0;
}
