#include "stream/plain_rcpt.hpp"

#include <catch2/catch.hpp>

#include <string>

#include "stream/record.hpp"

using namespace ml;

namespace {

const std::string behind = "\nrcpt\tcy@example.net\t-\n" + std::string(64, 'x');

// What the slow way says of the same line.
bool is_right(const PlainRcpt& plain, const std::string& text) {
  const std::string line = text.substr(0, text.find('\n'));
  const auto rcpt = line_to_rcpt(line);
  const bool is_plain = rcpt && rcpt->sender == "-" && rcpt->attributes.empty() &&
                        line.find_first_of("\x7f") == std::string::npos && line.size() < 64;
  bool ascii = true;
  for (const char c : line) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  if (!is_plain || !ascii) return plain.size == 0;
  return plain.size == line.size() && plain.at == PlainRcpt::address + rcpt->at &&
         plain.end == PlainRcpt::address + rcpt->address.size();
}

}  // namespace

TEST_CASE("plain rcpt: each octet at each place is judged as field by field") {
  for (const std::string line :
       {"rcpt\tann@example.org\t-", "rcpt\ta\t-", "rcpt\t\"a@b\"@c.org\t-"}) {
    for (std::size_t at = 0; at < line.size(); ++at) {
      for (int octet = 0; octet < 256; ++octet) {
        std::string text = line + behind;
        text[at] = static_cast<char>(octet);
        if (!is_right(find_plain_rcpt(text), text)) FAIL("octet " << octet << " at " << at);
      }
    }
  }
}

TEST_CASE("plain rcpt: it ends within the 64 octets looked at") {
  for (std::size_t local = 1; local < 80; ++local) {
    const std::string text = "rcpt\t" + std::string(local, 'a') + "@example.org\t-" + behind;
    INFO(local);
    CHECK(is_right(find_plain_rcpt(text), text));
  }
  CHECK(find_plain_rcpt({}).size == 0);
  CHECK(find_plain_rcpt("rcpt\tann@example.org\t-\n").size == 0);
}
