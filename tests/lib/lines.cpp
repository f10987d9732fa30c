#include "base/lines.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <thread>

#include "base/fd.hpp"

using namespace ml;

namespace {

// What `Lines` makes of `input`, each line as KIND:TEXT.
std::vector<std::string> lines_of(const std::string& input, std::size_t limit) {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  std::thread feeder([&] {
    static_cast<void>(write_all(pipe->write, input, "pipe"));
    pipe->write.reset();
  });
  Lines lines(pipe->read.get(), "pipe", limit);
  std::vector<std::string> found;
  for (;;) {
    const auto line = lines.next();
    REQUIRE(line);
    const std::string text(line->text);
    if (line->kind == Line::Kind::none) break;
    if (line->kind == Line::Kind::whole) found.push_back("whole:" + text);
    if (line->kind == Line::Kind::cut) found.push_back("cut:" + text);
    if (line->kind == Line::Kind::too_long) found.push_back("long:" + text);
  }
  feeder.join();
  return found;
}

using Found = std::vector<std::string>;

}  // namespace

TEST_CASE("lines: an empty input has none") {
  CHECK(lines_of("", 100).empty());
}

TEST_CASE("lines: empty lines are lines and a last line without LF is cut") {
  CHECK(lines_of("a\n\nb", 100) == Found{"whole:a", "whole:", "cut:b"});
}

TEST_CASE("lines: a line at the limit passes and one above it is dropped whole") {
  CHECK(lines_of("12345\n123456\nx\n", 5) == Found{"whole:12345", "long:12345", "whole:x"});
}

TEST_CASE("lines: a line longer than any block is dropped to its LF and the next one comes") {
  const std::string huge(1'000'000, 'x');
  CHECK(lines_of(huge + "\nnext\n", 1000) == Found{"long:" + huge.substr(0, 80), "whole:next"});
}

TEST_CASE("lines: a line that grows over many blocks comes in one piece") {
  const std::string large(700'000, 'y');
  CHECK(lines_of("a\n" + large + "\nb\n", 1 << 20) ==
        Found{"whole:a", "whole:" + large, "whole:b"});
}
