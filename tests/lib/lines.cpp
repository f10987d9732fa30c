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

TEST_CASE("lines: whoever reads only when there is something to be read never waits in a line") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  Lines lines(pipe->read.get(), "pipe", 100);
  const auto come = [&](const char* text) { REQUIRE(write_all(pipe->write, text, "pipe")); };
  come("ab");
  CHECK_FALSE(lines.read_once());
  come("c\nd\ne");
  CHECK(lines.read_once());
  CHECK(lines.next()->text == "abc");
  CHECK(lines.ready());
  CHECK(lines.next()->text == "d");
  CHECK_FALSE(lines.ready());
  come("f");
  CHECK_FALSE(lines.read_once());
  pipe->write.reset();
  CHECK(lines.read_once());
  const auto last = lines.next();
  CHECK(last->text == "ef");
  CHECK(last->kind == Line::Kind::cut);
  CHECK(lines.next()->kind == Line::Kind::none);
}

TEST_CASE("lines: whoever reads once hears of a failure and of a line that is too long") {
  Lines bad(-1, "nothing", 100);
  CHECK(bad.read_once());
  CHECK_FALSE(bad.next());
  auto pipe = make_pipe();
  REQUIRE(pipe);
  Lines lines(pipe->read.get(), "pipe", 100);
  REQUIRE(write_all(pipe->write, std::string(101, 'x') + "\nok\n", "pipe"));
  CHECK(lines.read_once());
  CHECK(lines.next()->kind == Line::Kind::too_long);
  CHECK(lines.next()->text == "ok");
}
