#include "stage/intake.hpp"

#include <catch2/catch.hpp>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "queue/queue.hpp"
#include "scratch-store.hpp"

using namespace ml;
using namespace ml::tests;

namespace {

const std::string plain = "From: Ann <ann@example.org>\nTo: news@x.org\nSubject: hello\n\nHello.\n";

// A home with the list news@x.org, ann@example.org on it, and a runner for each of its queues.
class ListHome : public ScratchStore {
 public:
  ListHome() : home_(home()) {
    auto made = store();
    Subscriber ann;
    ann.address = at("ann@example.org");
    REQUIRE(put(made, list(made), {ann}, Revive::no));
    for (const char* const name : {"post", "bounces", "outbound", "request"}) hold(name);
  }
  [[nodiscard]] Intake intake() const {
    auto opened = Intake::open(home_);
    REQUIRE(opened);
    return std::move(*opened);
  }
  // Every entry of a queue, as text.
  [[nodiscard]] std::vector<std::string> entries(const std::string& name) const {
    std::vector<std::string> all;
    const auto queue = Queue::open(home_, name, Create::yes);
    REQUIRE(queue);
    REQUIRE(queue->each([&](const EntryFacts& facts) {
      all.push_back(read("queue/" + name + "/" + facts.place));
    }));
    return all;
  }
  // 0, or the status and the first word of the refusal.
  std::string taken(const std::string& recipient, const std::string& message = plain,
                    const std::string& sender = "ann@example.org") const {
    auto to = intake();
    auto done = to.take({recipient, {.option = sender}, message});
    if (done) done = to.commit();
    if (done) return "0";
    const Error& error = done.error();
    return fmt::format("{} {}", static_cast<int>(error.status),
                       error.text.substr(0, error.text.find(' ')));
  }

 private:
  void hold(const std::string& name) {
    const auto queue = Queue::open(home_, name, Create::yes);
    REQUIRE(queue);
    auto lock = queue->become_runner(1);
    REQUIRE(lock);
    REQUIRE(*lock);
    locks_.push_back(std::move(**lock));
  }
  Home home_;
  std::vector<Fd> locks_;
};

}  // namespace

TEST_CASE("intake: a post that passes is an entry of post with what ml-receive writes",
          "[intake]") {
  const ListHome home;
  REQUIRE(home.taken("news@x.org") == "0");
  const auto entries = home.entries("post");
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].starts_with("message\tr"));
  CHECK(entries[0].ends_with("\tlist=news@x.org\tauthor=ann@example.org\nend\t0\n"));
}

TEST_CASE("intake: the same post again is the same entry", "[intake]") {
  const ListHome home;
  for (int i = 0; i < 2; ++i) REQUIRE(home.taken("news@x.org") == "0");
  CHECK(home.entries("post").size() == 1);
}

TEST_CASE("intake: verdicts are told before anything is stored", "[intake]") {
  const ListHome home;
  CHECK(home.taken("nobody@x.org") == "65 5.1.1");
  CHECK(home.taken("news@elsewhere.org") == "65 5.1.1");
  CHECK(home.taken("no address") == "65 5.1.1");
  CHECK(home.taken("news@x.org", "From: eve@example.org\n\nHi.\n", "eve@example.org") ==
        "77 5.7.1");
  CHECK(home.taken("news@x.org", std::string("From: ann@example.org\n\n\0", 25)) == "65 5.6.0");
  home.write("lists.toml", "max-size = 20\n");
  CHECK(home.taken("news@x.org") == "65 5.3.4");
  CHECK(home.entries("post").empty());
}

TEST_CASE("intake: a held post is durable in held and a dropped one nowhere", "[intake]") {
  const ListHome home;
  home.write("lists/x.org/news.toml", "post = \"nobody\"\nelse = \"hold\"\nlog = \"/dev/null\"\n");
  CHECK(home.taken("news@x.org") == "0");
  CHECK(home.entries("held").size() == 1);
  CHECK(home.taken("news@x.org", "From: ann@example.org\nX-BeenThere: news@x.org\n\nHi.\n") == "0");
  CHECK(home.entries("post").empty());
}

TEST_CASE("intake: many messages are there after one commit and none before", "[intake]") {
  const ListHome home;
  auto intake = home.intake();
  for (int i = 0; i < 50; ++i) {
    REQUIRE(intake.take({"news@x.org",
                         {.option = "ann@example.org"},
                         fmt::format("From: ann@example.org\nSubject: {}\n\nHi.\n", i)}));
  }
  CHECK(home.entries("post").empty());
  REQUIRE(intake.commit());
  CHECK(home.entries("post").size() == 50);
}

TEST_CASE("intake: every bounce address of a list is known and its mail kept with the recipient",
          "[intake]") {
  const ListHome home;
  const std::string forged = "news-bounces+aaaaaaaaaaaaaaaaaaa-bob=example.org@x.org";
  {
    const auto intake = home.intake();
    for (const std::string& address :
         {forged, std::string("news-bounces+x@x.org"), std::string("NEWS-bounces@X.org")}) {
      CHECK(intake.knows(address).value());
    }
    CHECK_FALSE(intake.knows("olds-bounces+x@x.org").value());
    CHECK_FALSE(intake.knows("news@y.org").value());
  }
  CHECK(home.taken(forged, std::string("Subject: failed\n\n\0gone\n", 23), "") == "0");
  const auto entries = home.entries("bounces");
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].find("\t<>\t") != std::string::npos);
  CHECK(entries[0].ends_with(
      "\tlist=news@x.org\tauthor=<>\tml.role=bounces\tml.recipient=" + forged + "\nend\t0\n"));
}

TEST_CASE("intake: mail to a role without a pipeline goes to the owners and not round twice",
          "[intake]") {
  const ListHome home;
  home.write("lists/x.org/news.toml",
             "owner = [\"own@example.org\", \"two@example.net\"]\nlog = \"/dev/null\"\n");
  CHECK(home.taken("news-owner@x.org") == "0");
  const auto entries = home.entries("outbound");
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].find("\tnews-bounces@x.org\t") != std::string::npos);
  CHECK(entries[0].ends_with("\nrcpt\town@example.org\t-\nrcpt\ttwo@example.net\t-\nend\t0\n"));
  CHECK(home.taken("news-owner@x.org",
                   "From: ann@example.org\nX-BeenThere: news-owner@x.org\n\nHi.\n") == "0");
  CHECK(home.entries("outbound").size() == 1);
}

TEST_CASE("intake: filters before ml-receive are run and their verdict is the answer", "[intake]") {
  const ListHome home;
  const auto with = [&](const std::string& pipeline) {
    home.write("lists/x.org/news.toml", "log = \"/dev/null\"\npipeline.post = " + pipeline + "\n");
    return home.taken("news@x.org");
  };
  // No ml-receive is beside this program: a shell plays it.
  const std::string plays =
      "\"cat >/dev/null; printf 'message\\\\tr1\\\\tnews-bounces@x.org\\\\tSGkK"
      "\\\\nend\\\\t0\\\\n' # ml-receive\"";
  CHECK(with("[\"cat\", " + plays + ", \"ml-send\"]") == "0");
  CHECK(home.entries("post").size() == 1);
  CHECK(with("[\"cat >/dev/null; echo 5.7.1 no >&2; exit 77\", " + plays + "]") == "77 5.7.1");
  CHECK(with("[\"kill -9 $$\", " + plays + "]") == "75 the");
  CHECK(with("[\"false\", " + plays + "]") == "75 the");
  CHECK(with("[\"cat >/dev/null; yes | head -c 9000000 >&2; echo 5.7.1 no >&2; exit 77\", " +
             plays + "]") == "77 5.7.1");
  CHECK(with("[\"no-such-filter\", " + plays + "]") == "75 cannot");
  CHECK(home.entries("post").size() == 1);
}

TEST_CASE("intake: filters that write without end are stopped", "[intake]") {
  const ListHome home;
  home.write("lists/x.org/news.toml", "pipeline.post = [\"yes # ml-receive\"]\n");
  auto to = home.intake();
  const auto done = to.take({"news@x.org", {.option = "ann@example.org"}, plain});
  REQUIRE_FALSE(done);
  CHECK(done.error().status == Status::retry);
  CHECK(done.error().text == "the stages before ml-receive write more than 144004436 octets");
}

TEST_CASE("intake: a queue that nobody could run takes nothing", "[intake]") {
  const ListHome home;
  home.write("lists/x.org/news.toml", "pipeline.subscribe = [\"cat\"]\n");
  CHECK(home.taken("news-subscribe@x.org") == "75 nobody");
  CHECK(home.entries("subscribe").empty());
}
