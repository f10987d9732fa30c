#include "smtp/outgoing.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <random>
#include <string>

using namespace ml;

namespace {

// As a socket would that takes at most so many octets at a time.
std::string write_some(Outgoing& out, std::size_t most) {
  std::array<iovec, 3> room{};
  std::string wrote;
  for (const iovec& piece : std::span(room).first(out.gather(room))) {
    const std::size_t part = std::min(piece.iov_len, most - wrote.size());
    wrote.append(static_cast<const char*>(piece.iov_base), part);
  }
  out.wrote(wrote.size());
  return wrote;
}

std::string write_all_of(Outgoing& out) {
  std::string wrote;
  while (!out.empty()) wrote += write_some(out, SIZE_MAX);
  return wrote;
}

}  // namespace

TEST_CASE("outgoing: our texts are one piece and a message between them is not copied",
          "[outgoing]") {
  const std::string message = "Subject: hello\r\n\r\n" + std::string(500, 'x') + "\r\n";
  Outgoing out;
  out.put("MAIL FROM:<", std::string("ann@example.org"), ">\r\n");
  out.put("DATA\r\n");
  out.put_foreign(message);
  out.put(".\r\n");
  std::array<iovec, 8> room{};
  REQUIRE(out.gather(room) == 3);
  CHECK(std::string_view(static_cast<const char*>(room[0].iov_base), room[0].iov_len) ==
        "MAIL FROM:<ann@example.org>\r\nDATA\r\n");
  CHECK(room[1].iov_base == message.data());
  CHECK(room[1].iov_len == message.size());
}

TEST_CASE("outgoing: what was kept is written though its owner has it no more", "[outgoing]") {
  std::string first(1000, '1');
  const std::string second(1000, '2');
  Outgoing out;
  out.put("BDAT 1000 LAST\r\n");
  out.put_foreign(first);
  const std::uint64_t end = out.queued();
  out.put("BDAT 1000 LAST\r\n");
  out.put_foreign(second);
  const std::string expected = "BDAT 1000 LAST\r\n" + first + "BDAT 1000 LAST\r\n" + second;
  std::string wrote = write_some(out, 20);
  out.keep(end);
  first.assign(first.size(), '?');
  wrote += write_all_of(out);
  CHECK(wrote == expected);
}

TEST_CASE("outgoing: what was forgotten is not written and what comes after it is", "[outgoing]") {
  Outgoing out;
  out.put("MAIL FROM:<>\r\n");
  std::string wrote = write_some(out, 4);
  out.forget();
  CHECK(out.empty());
  CHECK(out.written() == 4);
  out.put("QUIT\r\n");
  CHECK(write_all_of(out) == "QUIT\r\n");
}

TEST_CASE("outgoing: in whatever parts it is written the octets and their order stay",
          "[outgoing]") {
  std::minstd_rand dice(7);
  const auto up_to = [&](std::size_t most) { return dice() % (most + 1); };
  for (int round = 0; round < 500; ++round) {
    std::array<std::string, 4> foreign;
    for (std::size_t i = 0; i < foreign.size(); ++i) foreign[i].assign(up_to(600), char('a' + i));
    std::string expected;
    std::string wrote;
    Outgoing out;
    for (int step = 0; step < 40; ++step) {
      const std::string& message = foreign[up_to(3)];
      switch (up_to(4)) {
        case 0:
        case 1:
          out.put(std::to_string(step), " ");
          expected += std::to_string(step) + " ";
          break;
        case 2:
          out.put_foreign(message);
          expected += message;
          break;
        case 3: wrote += write_some(out, up_to(900)); break;
        default: out.keep(up_to(out.queued()));
      }
      REQUIRE(out.queued() == expected.size());
      REQUIRE(out.written() == wrote.size());
    }
    wrote += write_all_of(out);
    REQUIRE(wrote == expected);
  }
}
