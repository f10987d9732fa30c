#include "stage/bounce_steps.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "mail/verp.hpp"
#include "scratch-store.hpp"
#include "stage/bounce.hpp"
#include "stage/bounce_address.hpp"
#include "store/keys.hpp"

using namespace ml;
using namespace ml::tests;

namespace {

const std::string news = "news@x.org";
constexpr std::uint16_t first_day = 20'000;

// A home with the list and its subscribers, and a clock that the test sets.
class Desk : public ScratchStore {
 public:
  explicit Desk(const std::vector<std::string>& addresses) {
    REQUIRE(make_keys(home()));
    auto opened = store();
    number = list(opened, news);
    std::vector<Subscriber> subscribers;
    for (const auto& address : addresses) {
      Subscriber subscriber;
      subscriber.address = at(address);
      subscribers.push_back(subscriber);
    }
    REQUIRE(put(opened, number, subscribers, Revive::no));
  }

  // The sender that message `id` of the list has for the address, of today.
  std::string sender(const std::string& id, const std::string& address) const {
    const auto keys = load_keys(home());
    REQUIRE(keys);
    Verp verp(signing_keys(*keys), news, {}, id, day);
    std::string made;
    if (address.empty()) {
      verp.append_shared_sender(made);
    } else {
      REQUIRE(verp.append_sender(made, at(address).local, at(address).domain));
    }
    return made;
  }

  // What ml-bounce writes when a failure comes to `to`.
  std::string bounced(const std::string& to, const std::string& status = "5.1.1",
                      const std::string& address = "ann@c.org") {
    return run("To: " + to +
               "\nContent-Type: multipart/report; boundary=b\n\n--b\n"
               "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; " +
               address + "\nAction: failed\nStatus: " + status + "\n\n--b--\n");
  }
  std::string bounced_message(const std::string& id, const std::string& address = "ann@c.org",
                              const std::string& status = "5.1.1") {
    return bounced(sender(id, address), status, address);
  }

  std::string run(const std::string& input) {
    write("input", input);
    const auto in = open_file(path("input"), O_RDONLY);
    REQUIRE(in);
    return written([&](Writer& out) { return bounce(in->get(), out, options()); });
  }
  std::string swept() {
    return written([&](Writer& out) { return bounce_sweep(out, options()); });
  }

  State state(const std::string& address = "ann@c.org") {
    const auto found = store().find(number, at(address));
    REQUIRE(found);
    REQUIRE(*found);
    return (*found)->state;
  }
  std::size_t marks(const std::string& address = "ann@c.org") {
    return store().bounce_marks(number, at(address))->size();
  }

  // Three messages on three days: the subscriber is to be asked.
  std::string bounced_thrice(const std::string& address = "ann@c.org") {
    std::string last;
    for (const std::string id : {"m1", "m2", "m3"}) {
      last = bounced_message(id + std::to_string(day), address);
      ++day;
    }
    return last;
  }

  ListNumber number{};
  std::uint16_t day = first_day;
  unsigned hour = 0;

 private:
  BounceOptions options() const {
    BounceOptions options;
    options.home = path("");
    options.now =
        std::chrono::system_clock::time_point(std::chrono::days(day) + std::chrono::hours(hour));
    return options;
  }

  template <class Work>
  std::string written(const Work& work) {
    const auto file = open_file(path("output"), O_RDWR | O_CREAT | O_TRUNC);
    REQUIRE(file);
    Writer out(file->get());
    const auto done = work(out);
    INFO((done ? std::string() : done.error().text));
    REQUIRE(done);
    return *read_file(path("output"), 1 << 20);
  }
};

const std::string nothing = "end\t0\n";

// The senders of the rcpt lines of a stream.
std::vector<std::string> senders_in(const std::string& stream) {
  std::vector<std::string> found;
  for (const auto line : split(stream, '\n')) {
    if (line.starts_with("rcpt\t")) found.emplace_back(split(line, '\t')[2]);
  }
  return found;
}

std::string text_in(const std::string& stream) {
  const auto fields = split(std::string_view(stream).substr(0, stream.find('\n')), '\t');
  REQUIRE(fields.size() > 3);
  return *base64_decoded(fields[3]);
}

}  // namespace

TEST_CASE("bounce steps: three messages on three days send a probe with a sender of its own") {
  Desk desk({"ann@c.org", "bob@c.org"});
  CHECK(desk.bounced_message("m1") == nothing);
  CHECK(desk.bounced_message("m2") == nothing);
  CHECK(desk.bounced_message("m3") == nothing);
  ++desk.day;
  CHECK(desk.bounced_message("m4") == nothing);
  ++desk.day;
  const std::string probe = desk.bounced_message("m5");
  const auto senders = senders_in(probe);
  REQUIRE(senders.size() == 1);
  CHECK(senders[0].starts_with("news-bounces+"));
  CHECK(senders[0].ends_with("-ann=c.org@x.org"));
  CHECK(text_in(probe).find("To: ann@c.org\n") != std::string::npos);
  CHECK(desk.state() == State::bouncing);
  // No second one while it is on its way.
  ++desk.day;
  CHECK(desk.bounced_message("m6") == nothing);
}

TEST_CASE("bounce steps: a probe that comes back suspends, after the owners are told") {
  Desk desk({"ann@c.org"});
  const auto sender = senders_in(desk.bounced_thrice()).at(0);
  const std::string notice = desk.bounced(sender);
  CHECK(notice.starts_with("message\t"));
  CHECK(notice.find("\t<>\t") != std::string::npos);
  CHECK(notice.find("rcpt\tpostmaster@x.org\t-\n") != std::string::npos);
  CHECK(text_in(notice).find("ann@c.org  suspended") != std::string::npos);
  CHECK(desk.state() == State::suspended);
  CHECK(desk.bounced(sender) == nothing);
}

TEST_CASE("bounce steps: the notice goes to no address of the list itself") {
  Desk desk({"ann@c.org"});
  desk.write("lists.toml", "owner = [\"news@x.org\", \"News-owner@x.org\", \"own@y.org\"]\n");
  const std::string notice = desk.bounced(senders_in(desk.bounced_thrice()).at(0));
  CHECK(notice.find("rcpt\town@y.org\t-\n") != std::string::npos);
  CHECK(notice.find("rcpt\tnews@x.org") == std::string::npos);
  CHECK(notice.find("rcpt\tnews-owner@x.org") == std::string::npos);
}

TEST_CASE("bounce steps: a probe refused by policy suspends nobody") {
  Desk desk({"ann@c.org"});
  const auto sender = senders_in(desk.bounced_thrice()).at(0);
  CHECK(desk.bounced(sender, "5.7.1") == nothing);
  CHECK(desk.state() == State::bouncing);
}

TEST_CASE("bounce steps: owners are told once an hour and nobody falls untold") {
  Desk desk({"ann@c.org", "bob@c.org"});
  const auto ann = senders_in(desk.bounced_thrice("ann@c.org")).at(0);
  desk.day = first_day;
  const auto bob = senders_in(desk.bounced_thrice("bob@c.org")).at(0);
  CHECK(desk.bounced(ann) != nothing);
  CHECK(desk.bounced(bob, "5.1.1", "bob@c.org") == nothing);
  CHECK(desk.state("bob@c.org") == State::bouncing);
  CHECK(desk.swept() == nothing);
  ++desk.hour;
  CHECK(text_in(desk.swept()).find("bob@c.org  suspended") != std::string::npos);
  CHECK(desk.state("bob@c.org") == State::suspended);
}

TEST_CASE("bounce steps: a probe that does not come back makes active again") {
  Desk desk({"ann@c.org"});
  desk.bounced_thrice();
  desk.day += 5;
  CHECK(desk.swept() == nothing);
  CHECK(desk.state() == State::bouncing);
  ++desk.day;
  CHECK(desk.swept() == nothing);
  CHECK(desk.state() == State::active);
  CHECK(desk.marks() == 0);
}

TEST_CASE("bounce steps: who is suspended is asked once more before the subscription ends") {
  Desk desk({"ann@c.org"});
  desk.bounced(senders_in(desk.bounced_thrice()).at(0));
  REQUIRE(desk.state() == State::suspended);
  desk.day += 29;
  CHECK(desk.swept() == nothing);
  ++desk.day;
  const std::string probe = desk.swept();
  REQUIRE(senders_in(probe).size() == 1);
  CHECK(desk.swept() == nothing);
  const std::string notice = desk.bounced(senders_in(probe)[0]);
  CHECK(text_in(notice).find("ann@c.org  removed") != std::string::npos);
  CHECK(desk.state() == State::removed);
  CHECK(desk.store().check()->empty());
}

TEST_CASE("bounce steps: who is suspended and can be reached comes back") {
  Desk desk({"ann@c.org"});
  desk.bounced(senders_in(desk.bounced_thrice()).at(0));
  desk.day += 30;
  CHECK(senders_in(desk.swept()).size() == 1);
  desk.day += 7;
  CHECK(desk.swept() == nothing);
  CHECK(desk.state() == State::active);
}

TEST_CASE("bounce steps: bounces that are long past are forgiven by a sweep") {
  Desk desk({"ann@c.org"});
  desk.bounced_message("m1");
  desk.day += 30;
  desk.swept();
  CHECK(desk.state() == State::bouncing);
  desk.day += 61;
  desk.swept();
  CHECK(desk.state() == State::active);
}

TEST_CASE("bounce steps: a message that many domains refuse is to blame and not its readers") {
  std::vector<std::string> addresses;
  for (int i = 0; i < 30; ++i) addresses.push_back("ann@d" + std::to_string(i) + ".org");
  Desk desk(addresses);
  desk.bounced_message("earlier", addresses[0]);
  for (int i = 0; i < 9; ++i) desk.bounced_message("m1", addresses[static_cast<std::size_t>(i)]);
  CHECK(desk.marks(addresses[0]) == 2);
  CHECK(desk.marks(addresses[8]) == 1);
  desk.bounced_message("m1", addresses[9], "5.7.1");
  CHECK(desk.marks(addresses[0]) == 1);
  CHECK(desk.marks(addresses[8]) == 0);
  desk.bounced_message("m1", addresses[10]);
  CHECK(desk.marks(addresses[10]) == 0);
  desk.swept();
  CHECK(desk.state(addresses[8]) == State::active);
  CHECK(desk.state(addresses[0]) == State::bouncing);
}

TEST_CASE("bounce steps: a bounce under a shared sender only sends a probe") {
  Desk desk({"ann@c.org"});
  const std::string probe = desk.bounced(desk.sender("m1", ""));
  REQUIRE(senders_in(probe).size() == 1);
  CHECK(desk.state() == State::active);
  CHECK(desk.bounced(desk.sender("m2", "")) == nothing);
  CHECK(desk.bounced(desk.sender("m3", ""), "5.1.1", "nobody@c.org") == nothing);
  // Its own bounce is signed, and a mark like any other.
  CHECK(desk.bounced(senders_in(probe)[0]) == nothing);
  CHECK(desk.state() == State::bouncing);
  CHECK(desk.marks() == 1);
}

TEST_CASE("bounce steps: a probe that is written again after a kill is the same to the octet") {
  Desk desk({"ann@c.org"});
  const std::string once = desk.bounced(desk.sender("m1", ""));
  REQUIRE(desk.store().drop_probe(desk.number, at("ann@c.org")));
  CHECK(desk.bounced(desk.sender("m1", "")) == once);
  CHECK(once.starts_with("message\tr"));
}

TEST_CASE("bounce steps: a bounce that comes again brings the probe again as it was") {
  Desk desk({"ann@c.org"});
  desk.hour = 5;
  desk.bounced_message("m1");
  ++desk.day;
  desk.bounced_message("m2");
  ++desk.day;
  const std::string last = desk.sender("m3", "ann@c.org");
  const std::string probe = desk.bounced(last);
  REQUIRE(senders_in(probe).size() == 1);
  // Whoever was to send it failed: the entry is tried again at once, and on another day.
  CHECK(desk.bounced(last) == probe);
  desk.day += 2;
  desk.hour = 23;
  CHECK(desk.bounced(last) == probe);
  CHECK(desk.marks() == 3);
  CHECK(desk.state() == State::bouncing);
  // It counts as the one probe that it is.
  CHECK(text_in(desk.bounced(senders_in(probe)[0])).find("suspended") != std::string::npos);
  CHECK(desk.bounced(last) == nothing);
}

TEST_CASE("bounce steps: a bounce that comes again is followed where a kill came behind its mark") {
  Desk desk({"ann@c.org"});
  const std::string last = desk.sender("m1", "ann@c.org");
  desk.bounced(last);
  for (const std::uint32_t tag : {11U, 12U}) {
    ++desk.day;
    REQUIRE(
        desk.store().mark_bounce(desk.number, at("ann@c.org"), {tag, desk.day, "5.1.1 mailbox"}));
  }
  CHECK(senders_in(desk.bounced(last)).size() == 1);
}

TEST_CASE("bounce steps: a refused probe counts like one that came back") {
  Desk desk({"ann@c.org"});
  std::string probe = desk.bounced_thrice();
  const std::string record = "rcpt\tann@c.org\t-\tstatus=5.1.1\treply=550 5.1.1 no\n";
  probe = probe.substr(0, probe.find('\n') + 1) + record + "end\t0\n";
  CHECK(text_in(desk.run(probe)).find("suspended") != std::string::npos);
  CHECK(desk.state() == State::suspended);
}

TEST_CASE("bounce steps: a signed complaint suppresses and a forged one does not") {
  Desk desk({"ann@c.org"});
  const auto complaint = [](const std::string& sender) {
    return "From: fbl@c.org\nTo: abuse@x.org\nContent-Type: multipart/report; boundary=b\n\n--b\n"
           "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
           "Original-Rcpt-To: ann@c.org\nOriginal-Mail-From: <" +
           sender + ">\n\n--b--\n";
  };
  std::string forged = desk.sender("m1", "ann@c.org");
  forged.replace(forged.find("ann="), 4, "bob=");
  CHECK(desk.run(complaint(forged)) == nothing);
  CHECK(*desk.store().suppressed(at("ann@c.org")) == std::nullopt);
  CHECK(desk.run(complaint(desk.sender("m1", "ann@c.org"))) == nothing);
  CHECK(desk.store().suppressed(at("ann@c.org"))->has_value());
}

TEST_CASE("bounce steps: a complaint that keeps back whose it is suppresses whom we signed for") {
  const auto complaint = [](const std::string& to, const std::string& fields,
                            const std::string& returned) {
    return "From: fbl@c.org\nTo: " + to +
           "\nContent-Type: multipart/report; boundary=b\n\n--b\n"
           "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n" +
           fields + "\n--b\nContent-Type: message/rfc822\n\n" + returned +
           "Subject: news\n\nHi.\n--b--\n";
  };
  const auto check = [&](const auto& make) {
    Desk desk({"ann@c.org"});
    CHECK(desk.run(make(desk.sender("m1", "ann@c.org"))) == nothing);
    CHECK(desk.store().suppressed(at("ann@c.org"))->has_value());
  };
  const std::string abuse = "abuse@x.org";
  check([&](const std::string& sender) {
    return complaint(abuse, "Original-Mail-From: <" + sender + ">\nSource-IP: 192.0.2.1\n", "");
  });
  check([&](const std::string& sender) {
    return complaint(abuse, "Original-Mail-From: <" + sender + ">\nOriginal-Rcpt-To: <redacted>\n",
                     "");
  });
  check([&](const std::string& sender) {
    return complaint(abuse, "", "Return-Path: <" + sender + ">\n");
  });
  check([&](const std::string& sender) { return complaint(sender, "", ""); });
}

TEST_CASE("bounce steps: a list may have words of its own for its mail") {
  Desk desk({"ann@c.org"});
  desk.write("probe.txt", "Subject: Grüße von {{list}}\n\nLebt {{address}} noch? {{list}\n");
  desk.write("lists/x.org/news.toml", "bounce-probe-text = \"probe.txt\"\n");
  const std::string text = text_in(desk.bounced_thrice());
  CHECK(text.find("Subject: =?utf-8?") != std::string::npos);
  CHECK(text.find("\n\nLebt ann@c.org noch? {{list}\n") != std::string::npos);
}
