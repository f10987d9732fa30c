// Programs in a sendmail's place that end well, badly, by a signal and not at all.
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "smtp/outlet.hpp"

using namespace ml;
using namespace std::chrono_literals;

namespace {

class Program {
 public:
  explicit Program(const std::string& script) {
    std::signal(SIGPIPE, SIG_IGN);  // as start() does it
    REQUIRE(mkdtemp(directory_.data()) != nullptr);
    std::ofstream(path()) << "#!/bin/sh\ncd " << directory_ << '\n' << script << '\n';
    REQUIRE(chmod(path().c_str(), 0700) == 0);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::string path() const { return directory_ + "/program"; }
  [[nodiscard]] std::string file(const std::string& name) const {
    std::ifstream in(directory_ + '/' + name);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::string directory_ = "/tmp/ml-sendmail.XXXXXX";
};

struct Fates : Outcomes {
  void in_flight(std::uint64_t id) override { flying.push_back(id); }
  void settled(std::uint64_t id, Fate fate, const Reply& reply) override {
    REQUIRE(id == flying.at(fates.size()));
    fates.push_back(fate);
    words = reply.text();
  }
  std::vector<std::uint64_t> flying;
  std::vector<Fate> fates;
  std::string words;
};

class Talk {
 public:
  explicit Talk(const Program& program, std::string text = "Subject: hello\n\nHello.\n")
      : relay_(text_to_relay("sendmail:" + program.path()).value()),
        text_(std::move(text)),
        message_{{text_}, text_.size(), false},
        outlet(open_outlet(relay_, {}, fates)) {}

  void give() {
    Transaction transaction;
    transaction.sender = "b@x.org";
    transaction.recipients = {{7, "ann@x.org"}, {8, "bob@x.org"}};
    transaction.message = &message_;
    outlet->give(transaction);
    outlet->flush(Clock::now());
  }
  void hear_to_the_end() {
    while (!outlet->wants() && !outlet->over()) {
      pollfd one = outlet->watched();
      poll(&one, 1, -1);
      outlet->hear(one.revents, Clock::now());
      outlet->flush(Clock::now());
    }
  }

 private:
  Relay relay_;
  std::string text_;
  WireMessage message_;

 public:
  Fates fates;
  std::unique_ptr<Outlet> outlet;
};

std::vector<Fate> both(Fate fate) {
  return {fate, fate};
}

}  // namespace

TEST_CASE("sendmail: whoever was given to a program has the fate that its end says", "[smtp]") {
  const auto [script, fate] = GENERATE(table<std::string, Fate>({
      {"cat >/dev/null", Fate::delivered},
      {"exit 0", Fate::delivered},
      {"cat >/dev/null; exit 75", Fate::left},
      {"exit 67", Fate::left},
      {"cat >/dev/null; kill -9 $$", Fate::unanswered},
      {"kill -9 $$", Fate::unanswered},
      {"exec 0<&-; exit 0", Fate::delivered},
  }));
  CAPTURE(script);
  const Program program(script);
  Talk talk(program, GENERATE(as<std::string>(), "Hi.\n", std::string(300'000, 'x')));
  talk.give();
  talk.hear_to_the_end();
  CHECK(talk.fates.fates == both(fate));
  talk.give();  // and the next message is another one
  talk.hear_to_the_end();
  CHECK(talk.fates.fates.size() == 4);
  talk.outlet->finish();
  CHECK(talk.outlet->parting() == Parting::quit);
}

TEST_CASE("sendmail: a message larger than any pipe comes whole to one that takes its time",
          "[smtp]") {
  const Program program("head -c 1 >copy; cat >>copy; echo \"$@\" >words");
  std::string text(1'000'000, 'x');
  Talk talk(program, text);
  talk.give();
  CHECK(talk.fates.fates.empty());
  CHECK_FALSE(talk.outlet->wants());
  talk.outlet->finish();
  CHECK_FALSE(talk.outlet->over());
  talk.hear_to_the_end();
  CHECK(talk.fates.fates == both(Fate::delivered));
  CHECK(talk.outlet->over());
  CHECK(program.file("copy") == text + '\n');
  CHECK(program.file("words") == "-i -f b@x.org -- ann@x.org bob@x.org\n");
}

TEST_CASE("sendmail: one that does not end is given up when time is up and may have taken it",
          "[smtp]") {
  const std::string script = GENERATE("kill -STOP $$", "cat >/dev/null; kill -STOP $$");
  const Program program(script);
  Talk talk(program, std::string(300'000, 'x'));
  talk.give();
  const auto now = Clock::now();
  talk.outlet->hear(0, now);
  CHECK(talk.fates.fates.empty());
  talk.outlet->hurry({now + 10s, now + 1s});
  talk.outlet->finish();
  CHECK(talk.outlet->deadline() == now + 10s);
  talk.outlet->hear(0, now + 9s);
  CHECK(talk.fates.fates.empty());
  talk.outlet->hear(0, now + 10s);
  CHECK(talk.fates.fates == both(Fate::unanswered));
  CHECK(talk.fates.words.find("did not end") != std::string::npos);
  CHECK(talk.outlet->over());
}

TEST_CASE("sendmail: one that is not there leaves its recipients and is over", "[smtp]") {
  std::string gone;
  { gone = Program("exit 0").path(); }
  const Relay relay = text_to_relay("sendmail:" + gone).value();
  Fates fates;
  const auto outlet = open_outlet(relay, {}, fates);
  const std::string text = "Hi.\n";
  const WireMessage message{{text}, text.size(), false};
  Transaction transaction;
  transaction.sender = "b@x.org";
  transaction.recipients = {{7, "ann@x.org"}};
  transaction.message = &message;
  outlet->give(transaction);
  CHECK(fates.fates == std::vector{Fate::left});
  CHECK(outlet->parting() == Parting::relay_refuses);
}
