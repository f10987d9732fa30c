#include "mail/envelope.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ml;

namespace {

// The sender, "?" where nobody says it, or the failure's text.
std::string sender(const SenderSources& sources) {
  const auto found = envelope_sender(sources);
  if (!found) return found.error().text;
  return found->value_or("?");
}

SenderSources all_of_them() {
  return {.option = "option@x.org",
          .environment = "env@x.org",
          .return_path = "<path@x.org>",
          .from_line = "line@x.org"};
}

}  // namespace

TEST_CASE("envelope: option then exact environment then Return-Path then From line", "[mail]") {
  SenderSources sources = all_of_them();
  CHECK(sender(sources) == "option@x.org");
  sources.option.reset();
  CHECK(sender(sources) == "env@x.org");
  sources.environment.reset();
  CHECK(sender(sources) == "path@x.org");
  sources.return_path.reset();
  CHECK(sender(sources) == "line@x.org");
  sources.from_line.reset();
  CHECK(sender(sources) == "?");
}

TEST_CASE("envelope: a filtered environment comes behind the Return-Path", "[mail]") {
  SenderSources sources = all_of_them();
  sources.option.reset();
  sources.exactness = Exactness::filtered;
  CHECK(sender(sources) == "path@x.org");
  sources.return_path.reset();
  CHECK(sender(sources) == "env@x.org");
}

TEST_CASE("envelope: the null sender has three spellings", "[mail]") {
  for (const char* text : {"", "<>", "MAILER-DAEMON", "<MAILER-DAEMON>", " <> ", "mailer-daemon"}) {
    CAPTURE(text);
    CHECK(sender({.option = text}) == "<>");
    CHECK(sender({.environment = text}) == "<>");
    CHECK(sender({.return_path = text}) == "<>");
    CHECK(sender({.from_line = text}) == "<>");
  }
  CHECK(sender({.environment = "MAILER-DAEMON@x.org"}) == "MAILER-DAEMON@x.org");
}

TEST_CASE("envelope: an empty exact environment is the null sender and is not passed over",
          "[mail]") {
  CHECK(sender({.environment = "", .return_path = "<path@x.org>"}) == "<>");
}

TEST_CASE("envelope: an option that is no address is the message's fault", "[mail]") {
  const auto found = envelope_sender({.option = "not an address"});
  REQUIRE(!found);
  CHECK(found.error().status == Status::rejected);
  CHECK(found.error().text.substr(0, 6) == "5.1.7 ");
}

TEST_CASE("envelope: elsewhere what is no address is as if it were not there", "[mail]") {
  CHECK(sender({.environment = "root", .return_path = "<path@x.org>"}) == "path@x.org");
  CHECK(sender({.return_path = "<a@b@>", .from_line = "root"}) == "?");
  CHECK(sender({.return_path = "<a@x.org>\n\tend\t0"}) == "?");
}
