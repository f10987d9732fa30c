#include "smtp/relays.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ml;
using namespace std::chrono_literals;

namespace {

constexpr Clock::time_point start{};

// A connection that is over.
struct Ended : Outlet {
  Parting how = Parting::quit;
  std::size_t taken = 0;
  Reply words = local_reply(421, {4, 3, 2}, "later");

  Ended(Parting parting, std::size_t messages) : how(parting), taken(messages) {}
  [[nodiscard]] bool wants() const override { return false; }
  [[nodiscard]] WireForm form() const override { return WireForm::dotted; }
  void give(Transaction& /*transaction*/) override {}
  void finish() override {}
  [[nodiscard]] Parting parting() const override { return how; }
  [[nodiscard]] const Reply& last_words() const override { return words; }
  [[nodiscard]] std::size_t messages() const override { return taken; }
};

std::vector<Relay> relays_at(const std::vector<std::string>& uris) {
  std::vector<Relay> relays;
  for (const std::string& uri : uris) relays.push_back(text_to_relay(uri).value());
  return relays;
}

Relays relays(const std::vector<std::string>& uris, Relays::Terms terms = {}) {
  return {relays_at(uris), terms};
}

void deliver(Relays& relays, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) relays.delivered(0);
}

// How many connections the first relay bears now.
std::size_t most_of(const Relays& relays) {
  std::size_t live = 0;
  while (relays.pick(start + 1h, std::vector<std::size_t>(relays.size(), live)) == 0U) ++live;
  return live;
}

Reply deferral() {
  return local_reply(451, {4, 3, 0}, "no disk");
}

Reply said(int code, EnhancedCode enhanced) {
  Reply reply = local_reply(code, enhanced, "no");
  reply.ours = false;
  return reply;
}

}  // namespace

TEST_CASE("relays: connections go to the one with the fewest for its weight", "[smtp]") {
  const Relays two = relays({"smtp://a", "smtp://b?weight=3"}, {.connections = 9});
  std::vector<std::size_t> live{0, 0};
  CHECK(two.pick(start, live) == 0U);
  live = {1, 0};
  CHECK(two.pick(start, live) == 1U);
}

TEST_CASE("relays: a backup has its turn when no other is free", "[smtp]") {
  Relays two = relays({"smtp://b?backup", "smtp://a"});
  CHECK(two.relay(0).host == "a");
  CHECK(two.pick(start, std::vector<std::size_t>{1, 0}) == std::nullopt);  // it bears one more soon
  CHECK(two.pick(start, std::vector<std::size_t>{Relays::enough, 0}) == std::nullopt);
  CHECK(two.pick(start, std::vector<std::size_t>{Relays::unfit, 0}) == 1U);
  static_cast<void>(two.parted(0, Ended(Parting::busy, 0), 0, start));
  CHECK(two.pick(start, std::vector<std::size_t>{0, 0}) == 1U);
  CHECK(two.pick(start + 1s, std::vector<std::size_t>{0, 0}) == 0U);
}

TEST_CASE("relays: busy or lost after it took messages means a new connection at once", "[smtp]") {
  for (const Parting parting : {Parting::busy, Parting::lost}) {
    Relays one = relays({"smtp://a"});
    CHECK(one.parted(0, Ended(parting, 3), 0, start).empty());
    CHECK(one.pick(start, std::vector<std::size_t>{0}) == 0U);
  }
}

TEST_CASE("relays: busy or lost without a message means growing pauses and then the end",
          "[smtp]") {
  for (const Parting parting : {Parting::busy, Parting::lost}) {
    Relays one = relays({"smtp://a"}, {.max_wait = 5s});
    const Ended ended(parting, 0);
    auto now = start;
    for (const auto pause : {500ms, 1000ms, 2000ms, 1500ms}) {
      const std::string line = one.parted(0, ended, 0, now);
      CHECK(line.find("is busy (") != std::string::npos);
      CHECK(one.next_chance() == now + pause);
      CHECK_FALSE(one.pick(now + pause - 1ms, std::vector<std::size_t>{0}));
      now += pause;
      CHECK(one.pick(now, std::vector<std::size_t>{0}) == 0U);
    }
    CHECK(one.parted(0, ended, 0, now).find("it is given up") != std::string::npos);
    CHECK_FALSE(one.next_chance());
    CHECK(one.why_out().code == 421);
  }
}

TEST_CASE("relays: one that rests is looked for beside one that never did", "[smtp]") {
  Relays two = relays({"smtp://a", "smtp://b"}, {.max_wait = 5s});
  static_cast<void>(two.parted(1, Ended(Parting::busy, 0), 0, start));
  CHECK(two.next_chance() == Clock::time_point::min());
  CHECK(two.next_chance_after(start) == start + 500ms);
  CHECK_FALSE(two.next_chance_after(start + 500ms));
}

TEST_CASE("relays: a message taken ends the trouble", "[smtp]") {
  Relays one = relays({"smtp://a"}, {.max_wait = 5s});
  const Ended busy(Parting::busy, 0);
  static_cast<void>(one.parted(0, busy, 0, start));
  one.delivered(0);
  static_cast<void>(one.parted(0, busy, 0, start + 1h));
  CHECK(one.next_chance() == start + 1h + 500ms);
}

TEST_CASE("relays: eight messages earn a connection and after too many two hundred do", "[smtp]") {
  Relays one = relays({"smtp://a"}, {.connections = 3});
  CHECK(most_of(one) == 1);
  deliver(one, 7);
  CHECK(most_of(one) == 1);
  deliver(one, 1);
  CHECK(most_of(one) == 2);
  deliver(one, 80);
  CHECK(most_of(one) == 3);
  // The third was one too many; nobody is told, for the others go on.
  CHECK(one.parted(0, Ended(Parting::busy, 0), 2, start).empty());
  CHECK(most_of(one) == 2);
  deliver(one, 199);
  CHECK(most_of(one) == 2);
  deliver(one, 1);
  CHECK(most_of(one) == 3);
}

TEST_CASE("relays: twenty recipients running deferred by it are a busy relay", "[smtp]") {
  Relays one = relays({"smtp://a"});
  for (int i = 0; i < 19; ++i) CHECK_FALSE(one.failed(0, Fate::left, said(451, {4, 3, 0}), {}));
  one.delivered(0);
  // Mailboxes that are full say nothing of it, nor does what we say ourselves.
  for (int i = 0; i < 30; ++i) CHECK_FALSE(one.failed(0, Fate::left, said(452, {4, 2, 2}), {}));
  for (int i = 0; i < 30; ++i) CHECK_FALSE(one.failed(0, Fate::left, deferral(), {}));
  for (int i = 0; i < 19; ++i) CHECK_FALSE(one.failed(0, Fate::left, said(451, {4, 3, 0}), {}));
  CHECK(one.failed(0, Fate::left, said(451, {4, 3, 0}), {}));
  CHECK_FALSE(one.parted(0, Ended(Parting::quit, 7), 0, start).empty());
  CHECK(one.next_chance() == start + 500ms);
}

TEST_CASE("relays: neighbours of one domain that are deferred leave the relay to all others",
          "[smtp]") {
  Relays one = relays({"smtp://a"});
  const Reply greylisted = said(451, {4, 7, 1});
  for (int i = 0; i < 19; ++i) CHECK_FALSE(one.failed(0, Fate::left, greylisted, "x.org"));
  CHECK(one.domains_to_pass_over(0).empty());
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(one.failed(0, Fate::left, greylisted, "X.org"));
  REQUIRE(one.domains_to_pass_over(0).size() == 1);
  CHECK(one.domains_to_pass_over(0).front() == "x.org");
  CHECK(one.parted(0, Ended(Parting::quit, 0), 0, start).empty());
  CHECK(one.next_chance() == Clock::time_point::min());
  // Others were looked for: not again for each.
  one.nobody_else_waits(0);
  for (int i = 0; i < 19; ++i) CHECK_FALSE(one.failed(0, Fate::left, greylisted, "x.org"));
  CHECK(one.domains_to_pass_over(0).empty());
  CHECK_FALSE(one.failed(0, Fate::left, greylisted, "x.org"));
  CHECK(one.domains_to_pass_over(0).size() == 1);
  one.delivered(0);
  CHECK(one.domains_to_pass_over(0).empty());
}

TEST_CASE("relays: one that defers recipients of five domains running is busy", "[smtp]") {
  Relays one = relays({"smtp://a"}, {.max_wait = 1s});
  const Reply full = said(452, {4, 3, 1});
  for (int i = 0; i < 30; ++i) CHECK_FALSE(one.failed(0, Fate::left, full, "a.org"));
  for (const char* const domain : {"b.org", "c.org", "d.org"}) {
    CHECK_FALSE(one.failed(0, Fate::left, full, domain));
  }
  CHECK(one.failed(0, Fate::left, full, "e.org"));
  CHECK_FALSE(one.parted(0, Ended(Parting::quit, 0), 0, start).empty());
  CHECK(one.next_chance() == start + 500ms);
  // Then it is one of another domain that shows whether it is well again.
  CHECK(one.domains_to_pass_over(0).size() == 5);
  CHECK(one.failed(0, Fate::left, full, "f.org"));
  static_cast<void>(one.parted(0, Ended(Parting::quit, 0), 0, start + 1s));
  CHECK_FALSE(one.next_chance());
  // What was said to others is for people; whoever was not tried is told so.
  CHECK(one.why_out().ours);
  CHECK(one.why_out().enhanced == EnhancedCode{4, 4, 5});
  CHECK(one.last_words().code == 452);
}

TEST_CASE("relays: one that refuses to talk to us is out", "[smtp]") {
  Relays one = relays({"smtp://a"});
  CHECK(one.parted(0, Ended(Parting::relay_refuses, 5), 0, start).find("it is given up") !=
        std::string::npos);
  CHECK_FALSE(one.pick(start + 1h, std::vector<std::size_t>{0}));
  CHECK_FALSE(one.next_chance());
}

TEST_CASE("relays: where TLS may be it is done without and where it must be the relay is out",
          "[smtp]") {
  Relays may = relays({"smtp://a?tls=may"});
  CHECK(may.parted(0, Ended(Parting::no_tls, 0), 0, start).find("going on in clear") !=
        std::string::npos);
  CHECK(may.relay(0).tls_meant() == Tls::none);
  CHECK(may.pick(start, std::vector<std::size_t>{0}) == 0U);
  for (const char* const uri :
       {"smtp://a", "smtp://a?tls=must", "smtps://a", "smtps://a?tls=may"}) {
    Relays must = relays({uri});
    CHECK(must.parted(0, Ended(Parting::no_tls, 0), 0, start).find("it is given up") !=
          std::string::npos);
  }
}

TEST_CASE("relays: a fault means lockstep and the third running is the end", "[smtp]") {
  Relays one = relays({"smtp://a"});
  const Ended fault(Parting::fault, 0);
  CHECK(one.manner(0).lockstep_messages == 0);
  CHECK(one.parted(0, fault, 0, start).empty());
  CHECK(one.pick(start, std::vector<std::size_t>{0}) == 0U);
  CHECK(one.manner(0).lockstep_messages == 8);
  CHECK(one.parted(0, fault, 0, start).empty());
  CHECK(one.manner(0).lockstep_messages == 16);
  CHECK(one.parted(0, Ended(Parting::fault, 1), 0, start).empty());
  CHECK(one.parted(0, fault, 0, start).empty());
  CHECK(one.parted(0, fault, 0, start).find("does not understand us") != std::string::npos);
  CHECK_FALSE(one.next_chance());
}

TEST_CASE("relays: faults are not running where other connections deliver between them", "[smtp]") {
  Relays pool = relays({"smtp://pool"}, {.connections = 3});
  deliver(pool, 80);
  CHECK(most_of(pool) == 3);
  for (int i = 0; i < 9; ++i) {
    CHECK(pool.parted(0, Ended(Parting::fault, 0), 1, start).empty());
    // Another one at once would meet the same.
    CHECK(most_of(pool) == 1);
    deliver(pool, 199);
    CHECK(most_of(pool) == 1);
    deliver(pool, 1);
    CHECK(most_of(pool) == 2);
  }
  // Those that had messages taken are no sign of a host where nothing can be.
  CHECK(pool.parted(0, Ended(Parting::fault, 5), 1, start).empty());
  CHECK(most_of(pool) == 2);
}

TEST_CASE("relays: a connection is wary of where the relay ended the last one", "[smtp]") {
  Relays one = relays({"smtp://a"});
  CHECK(one.manner(0).wary_after == 0);
  for (const Parting how : {Parting::busy, Parting::lost}) {
    CHECK(one.parted(0, Ended(how, 7), 0, start).empty());
    CHECK(one.manner(0).wary_after == 7);
    CHECK(one.parted(0, Ended(Parting::quit, 9), 0, start).empty());
    CHECK(one.manner(0).wary_after == 7);
    CHECK(one.parted(0, Ended(how, 3), 0, start).empty());
    CHECK(one.manner(0).wary_after == 3);
    CHECK(one.manner(0).messages == 0);
  }
}

TEST_CASE("relays: where the relay ends connections after so many we do and look again", "[smtp]") {
  Relays one = relays({"smtp://a"}, {.messages = 100});
  for (int times = 0; times < 3; ++times) {
    CHECK(one.parted(0, Ended(Parting::lost, 7), 0, start).empty());
    if (times == 0) CHECK(one.parted(0, Ended(Parting::busy, 7), 0, start).empty());
    for (int i = 0; i < 20; ++i) {
      CHECK(one.manner(0).messages == 7);
      CHECK(one.parted(0, Ended(Parting::quit, 7), 0, start).empty());
    }
    CHECK(one.manner(0).messages == 100);
    CHECK(one.manner(0).wary_after == 7);
  }
  CHECK(one.parted(0, Ended(Parting::lost, 7), 0, start).empty());
  CHECK(one.parted(0, Ended(Parting::lost, 9), 0, start).empty());
  CHECK(one.manner(0).messages == 100);
}

TEST_CASE("relays: the fuse puts a relay out unless it is off", "[smtp]") {
  for (const FuseUse use : {FuseUse::armed, FuseUse::off}) {
    Relays one = relays({"smtp://a"}, {.fuse = use});
    bool blew = false;
    for (int i = 0; i < 30; ++i)
      blew = one.failed(0, Fate::refused, said(550, {5, 1, 1}), "x.org") || blew;
    CHECK(blew == (use == FuseUse::armed));
    CHECK(one.blown(0) == blew);
    if (blew) CHECK(one.why_out().code == 451);
    CHECK(one.next_chance().has_value() != blew);
  }
}

TEST_CASE("relays: what one cannot take is kept for another that is not in trouble", "[smtp]") {
  Relays two = relays({"smtp://a", "smtp://b"});
  CHECK_FALSE(two.left_to_others(0).any());
  two.lacks(0, {.eight_bit = true, .smtputf8 = true});
  CHECK(two.left_to_others(0).smtputf8);
  CHECK(two.left_to_others(0).eight_bit);
  two.lacks(1, {.eight_bit = true});
  CHECK(two.left_to_others(0).smtputf8);
  CHECK_FALSE(two.left_to_others(0).eight_bit);
  static_cast<void>(two.parted(1, Ended(Parting::busy, 0), 0, start));
  CHECK_FALSE(two.left_to_others(0).any());
}

TEST_CASE("relays: two that lack something else leave nothing to each other", "[smtp]") {
  Relays two = relays({"smtp://a", "smtp://b"});
  two.lacks(0, {.sizes = {1000, SIZE_MAX}});
  two.lacks(1, {.eight_bit = true});
  CHECK_FALSE(two.left_to_others(0).any());
  CHECK_FALSE(two.left_to_others(1).any());
  two.lacks(0, {.eight_bit = true, .sizes = {1000, SIZE_MAX}});
  CHECK(two.left_to_others(0).sizes.has(1001));
  CHECK_FALSE(two.left_to_others(0).eight_bit);
  CHECK_FALSE(two.left_to_others(1).any());
}

TEST_CASE("relays: a message over the size that one takes is kept for one that takes it",
          "[smtp]") {
  Relays three = relays({"smtp://a", "smtp://b", "smtp://c"});
  three.lacks(0, {.sizes = {1000, SIZE_MAX}});
  CHECK(three.left_to_others(0).sizes.has(1001));
  CHECK_FALSE(three.left_to_others(0).sizes.has(1000));
  three.lacks(1, {.sizes = {500, SIZE_MAX}});
  three.lacks(2, {.sizes = {3000, SIZE_MAX}});
  CHECK(three.left_to_others(0).sizes.has(1001));
  CHECK(three.left_to_others(0).sizes.has(3000));
  CHECK_FALSE(three.left_to_others(0).sizes.has(3001));
  CHECK(three.left_to_others(1).sizes.has(501));
  CHECK_FALSE(three.left_to_others(2).sizes.any());
  static_cast<void>(three.parted(2, Ended(Parting::busy, 0), 0, start));
  CHECK_FALSE(three.left_to_others(0).any());
  CHECK(three.left_to_others(1).sizes.has(1000));
  CHECK_FALSE(three.left_to_others(1).sizes.has(1001));
}
