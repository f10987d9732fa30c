// Any octets as a segment of the intake log: what is given lies within them, and with a check made
// right, so that records are reached, a record that does not fit ends it.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "fuzz/demand.hpp"
#include "queue/log_segment.hpp"

using namespace ml;

namespace {

constexpr std::size_t block = 4096;

std::size_t read(std::string_view octets) {
  const auto is_within = [&](std::string_view part) {
    return part.data() >= octets.data() &&
           part.data() + part.size() <= octets.data() + octets.size();
  };
  std::size_t length = 0;
  LogReader reader(octets);
  while (const auto record = reader.next()) {
    demand(is_within(record->queue) && is_within(record->name) && is_within(record->octets));
    length += record->queue.size() + record->name.size() + record->octets.size() + 22;
    demand(length <= octets.size());
  }
  demand(!reader.next());
  return length;
}

// A segment with one group, whose records are these octets.
std::string sealed(std::string_view records) {
  std::string octets = "mlpipe intake 1\n";
  octets.resize(block + 16, '\0');
  const std::uint64_t length = records.size();
  std::memcpy(octets.data() + block + 8, &length, sizeof length);
  octets.append(records);
  const std::uint64_t check = siphash(SipKey{}, std::string_view(octets).substr(block + 8));
  std::memcpy(octets.data() + block, &check, sizeof check);
  return octets;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string octets(reinterpret_cast<const char*>(data), size);
  read(octets);
  demand(read(sealed(octets)) <= octets.size());
  return 0;
}
