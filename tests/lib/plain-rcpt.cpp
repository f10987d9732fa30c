#include "stream/plain_rcpt.hpp"

#include <catch2/catch.hpp>

#include <string>

#include "stream/record.hpp"

using namespace ml;

namespace {

const std::string behind = "\nrcpt\tcy@example.net\t-\n" + std::string(128, 'x');

// What the slow way says of the same line.
bool is_right(const PlainRcpt& plain, const std::string& text) {
  const std::string line = text.substr(0, text.find('\n'));
  const auto rcpt = line_to_rcpt(line);
  const bool is_plain = rcpt && rcpt->attributes.empty() &&
                        line.find_first_of("\x7f") == std::string::npos && line.size() < 128 &&
                        PlainRcpt::address + rcpt->address.size() < 64;
  bool ascii = true;
  for (const char c : line) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  if (!is_plain || !ascii) return plain.size == 0;
  return plain.size == line.size() && plain.at == PlainRcpt::address + rcpt->at &&
         plain.end == PlainRcpt::address + rcpt->address.size();
}

}  // namespace

TEST_CASE("plain rcpt: each octet at each place is judged as field by field") {
  for (const std::string line : {"rcpt\tann@example.org\t-", "rcpt\ta\t-", "rcpt\t\"a@b\"@c.org\t-",
                                 "rcpt\tann@example.org\tlist+ann=example.org@x.org",
                                 "rcpt\tann@example.org\tlist-bounces+a1bcdefghijklmnopq-ann="
                                 "example.org@lists.example.net"}) {
    for (std::size_t at = 0; at < line.size(); ++at) {
      for (int octet = 0; octet < 256; ++octet) {
        std::string text = line + behind;
        text[at] = static_cast<char>(octet);
        if (!is_right(find_plain_rcpt(text), text)) FAIL("octet " << octet << " at " << at);
      }
    }
  }
}

TEST_CASE("plain rcpt: an address and a sender of any length are found or left to the slow way") {
  for (std::size_t local = 1; local < 64; ++local) {
    for (std::size_t sender = 0; sender < 130; ++sender) {
      const std::string text =
          "rcpt\t" + std::string(local, 'a') + "@x.org\t" + std::string(sender, 's') + behind;
      if (!is_right(find_plain_rcpt(text), text)) FAIL(local << " and " << sender);
    }
  }
}

TEST_CASE("plain rcpt: it ends within the octets looked at") {
  for (std::size_t local = 1; local < 80; ++local) {
    const std::string text = "rcpt\t" + std::string(local, 'a') + "@example.org\t-" + behind;
    INFO(local);
    CHECK(is_right(find_plain_rcpt(text), text));
  }
  CHECK(find_plain_rcpt({}).size == 0);
  CHECK(find_plain_rcpt("rcpt\tann@example.org\t-\n").size == 0);
  const std::string long_one = "rcpt\tann@example.org\t" + std::string(60, 's') + "\n";
  CHECK(find_plain_rcpt(long_one + std::string(127 - long_one.size(), 'x')).size == 0);
  CHECK(find_plain_rcpt(long_one + std::string(128 - long_one.size(), 'x')).size > 0);
}
