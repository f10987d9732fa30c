// A resolver's reply: whatever it is, its records are whole or it is damaged.
#include "base/dns.hpp"

#include <cstdint>
#include <cstdlib>

using namespace ml;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  for (const auto type : {RecordType::a, RecordType::aaaa, RecordType::mx, RecordType::srv}) {
    const auto records = reply_to_records(octets, type);
    if (!records) continue;
    for (const DnsRecord& record : *records) {
      if (record.ttl > 0x7fffffff) std::abort();
      if (type == RecordType::a && record.octets.size() != 4) std::abort();
      if (type == RecordType::aaaa && record.octets.size() != 16) std::abort();
    }
  }
  return 0;
}
