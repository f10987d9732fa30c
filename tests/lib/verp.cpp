#include "mail/verp.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "mail/address.hpp"

using namespace ml;

namespace {

constexpr std::uint16_t today = 20'780;
constexpr std::string_view id = "r5k2m7xq3abcdefghijklmnopq";

VerpKeys test_keys() {
  VerpKeys keys;
  keys.mac.fill(7);
  keys.handle.fill(9);
  return keys;
}

std::string list_of(std::size_t octets) {
  return std::string(octets, 'n') + "@lists.example.org";
}

std::string handle_of_list(std::string_view list) {
  return list.rfind('@') > longest_verp_list ? list_handle(list, 0) : std::string();
}

Verp verp_of(std::string_view list) {
  return Verp(test_keys(), list, handle_of_list(list), id, today);
}

// The sender of one recipient, by handle where it needs one.
std::string sender_of(std::string_view list, std::string_view local, std::string_view domain) {
  Verp verp = verp_of(list);
  std::string sender;
  const bool readable = verp.append_sender(sender, local, domain);
  const std::string whole = std::string(local) + '@' + std::string(domain);
  if (const auto at = plain_at(whole)) {
    std::string same;
    CHECK(verp.append_sender(same, whole, *at) == readable);
    CHECK(same == sender);
  }
  if (!readable) {
    CHECK(sender.empty());
    const std::string recipient = canonical_recipient(local, domain);
    verp.append_sender_with_handle(sender, recipient, verp_handle(test_keys(), recipient, 0));
  }
  return sender;
}

// The recipient that `sender` names and signs; empty: it is none of ours. `recipient` stands for
// what the store would say of a handle.
std::string recipient_of(std::string_view sender, std::string_view list,
                         std::string_view recipient) {
  const auto verp = text_to_verp(sender);
  if (!verp || verp->shared) return {};
  const std::string its_list = verp->list_local + '@' + verp->domain;
  if (verp->list_handle.empty() && its_list != list) return {};
  if (!verp->list_handle.empty() && verp->list_handle != list_handle(list, 0)) return {};
  if (verp->list_handle.empty() == false && !list.ends_with('@' + verp->domain)) return {};
  std::string its_recipient = verp->recipient;
  if (!verp->handle.empty() && verp->handle == verp_handle(test_keys(), recipient, 0)) {
    its_recipient = recipient;
  }
  if (!is_ours(*verp, test_keys(), list, its_recipient)) return {};
  return its_recipient;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return is_alpha(c) ? static_cast<char>(to_lower(c) - 32) : c;
  });
  return text;
}

// What every recipient owes every list: comes back whole, whatever case the way left it in.
void check_round_trip(const std::string& list, const std::string& local,
                      const std::string& domain) {
  INFO(list << " " << printable(local) << "@" << domain);
  const std::string sender = sender_of(list, local, domain);
  INFO(sender);
  const auto at = sender.rfind('@');
  CHECK(at <= longest_local);
  CHECK(sender.find_first_of("%!'* \"") == std::string::npos);
  CHECK(sender.find("..") == std::string::npos);
  CHECK(is_ascii(sender));
  CHECK(plain_at(sender));
  CHECK(sender == lower(sender));
  const std::string canonical = canonical_recipient(local, domain);
  const auto verp = text_to_verp(sender);
  REQUIRE(verp);
  const std::string as_written = local + '@' + domain;
  const std::string wanted = verp->handle.empty() ? as_written : canonical;
  CHECK(recipient_of(sender, list, canonical) == wanted);
  CHECK(recipient_of(upper(sender), list, canonical) == wanted);
  CHECK(recipient_of("prvs=1234abcdef=" + sender, list, canonical) == wanted);
  CHECK(recipient_of("btv1==012abcdef==" + sender, list, canonical) == wanted);
}

const std::vector<std::string> awkward_locals{
    "ann",
    "Ann.Author",
    "a=b",
    "a==b=",
    "=41",
    "bob+tag=x.org",
    "x-bounces+abc",
    "-",
    "a%b",
    "o'hara",
    "bang!path",
    "star*",
    "{a|b}~`$&^?/#",
    "\"a..b\"",
    "\"a b\"",
    "\"..\"",
    "\"@\"",
    "j\xc3\xb6rg",
    "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88",
    "0",
    std::string(64, 'l'),
    std::string(64, 'L'),
    std::string(64, '='),
};

const std::vector<std::string> awkward_domains{
    "x.org",
    "xn--bcher-kva.example",
    "a.very.long.host.name.below.many.labels.of.a.department.example.ac.jp",
    "[192.0.2.1]",
    "[ipv6:2001:db8::1]",
    "com",
};

}  // namespace

TEST_CASE("verp: every awkward recipient of every length of list survives the round trip") {
  for (const std::size_t octets : {1U, 8U, 22U, 23U, 40U}) {
    for (const auto& local : awkward_locals) {
      for (const auto& domain : awkward_domains) check_round_trip(list_of(octets), local, domain);
    }
  }
}

TEST_CASE("verp: ten thousand random recipients survive the round trip") {
  std::mt19937 random(1);
  const auto pick = [&](std::size_t below) { return std::size_t{random()} % below; };
  const std::string octets = "aZ0.._-+==%!'*\"\\ @/\xc3\xb6{}";
  for (int round = 0; round < 10'000; ++round) {
    std::string local;
    for (std::size_t left = 1 + pick(30); left-- > 0;) local.push_back(octets[pick(octets.size())]);
    if (!is_utf8(local)) continue;
    check_round_trip(list_of(1 + pick(40)), local, awkward_domains[pick(awkward_domains.size())]);
  }
}

TEST_CASE("verp: an equals sign in the local part is written as two digits") {
  CHECK(sender_of("news@x.org", "a=b", "c.org").ends_with("-a=3db=c.org@x.org"));
}

TEST_CASE("verp: capitals come back as they were") {
  CHECK(text_to_verp(sender_of("news@x.org", "Ann", "c.org"))->recipient == "Ann@c.org");
}

TEST_CASE("verp: of two dots the second is written as digits") {
  CHECK(sender_of("news@x.org", "a..b", "c.org").ends_with("-a.=2eb=c.org@x.org"));
}

TEST_CASE("verp: the readable tail ends where the local part would pass 64 octets") {
  const std::string fits(64 - 4 - 9 - 19 - 1 - 6, 'a');
  CHECK(sender_of("news@x.org", fits, "c.org").find('@') == 64);
  CHECK_FALSE(text_to_verp(sender_of("news@x.org", fits, "c.org"))->recipient.empty());
  CHECK(text_to_verp(sender_of("news@x.org", fits + 'a', "c.org"))->recipient.empty());
}

TEST_CASE("verp: a long list keeps readable tails where they fit") {
  const std::string list = list_of(40);
  CHECK(text_to_verp(sender_of(list, "ann", "c.org"))->recipient == "ann@c.org");
}

TEST_CASE("verp: recipients that differ in case alone have the same MAC and handle") {
  const auto small = text_to_verp(sender_of("news@x.org", "ann", "c.org"));
  const auto large = text_to_verp(sender_of("news@x.org", "ANN", "c.org"));
  CHECK(small->mac == large->mac);
  CHECK(sender_of("news@x.org", "ann", "[192.0.2.1]") ==
        sender_of("news@x.org", "ANN", "[192.0.2.1]"));
}

TEST_CASE("verp: any change of a single character is no longer ours") {
  const std::string alphabet = "abcdefghijklmnopqrstuvwxyz0123456789=+-._@";
  for (const auto& [list, local, domain] :
       {std::tuple<std::string, std::string, std::string>("news@x.org", "ann=a", "c.org"),
        {"news@x.org", "ann", "[192.0.2.1]"},
        {list_of(30), "bob", "c.org"}}) {
    const std::string sender = sender_of(list, local, domain);
    const std::string canonical = canonical_recipient(local, domain);
    REQUIRE_FALSE(recipient_of(sender, list, canonical).empty());
    for (std::size_t i = 0; i < sender.size(); ++i) {
      std::string changed = sender;
      for (const char c : alphabet) {
        if (c == sender[i]) continue;
        changed[i] = c;
        INFO(changed);
        CHECK(recipient_of(changed, list, canonical).empty());
      }
      INFO(sender << " without " << i);
      CHECK(recipient_of(std::string(sender).erase(i, 1), list, canonical).empty());
    }
  }
}

TEST_CASE("verp: another home or generation or list or recipient is not ours") {
  const auto verp = text_to_verp(sender_of("news@x.org", "ann", "c.org"));
  REQUIRE(verp);
  CHECK(is_ours(*verp, test_keys(), "news@x.org", "ann@c.org"));
  CHECK(is_ours(*verp, test_keys(), "news@x.org", "ANN@c.org"));
  VerpKeys other = test_keys();
  other.mac[15] ^= 1;
  CHECK_FALSE(is_ours(*verp, other, "news@x.org", "ann@c.org"));
  other = test_keys();
  other.generation = 'b';
  CHECK_FALSE(is_ours(*verp, other, "news@x.org", "ann@c.org"));
  CHECK_FALSE(is_ours(*verp, test_keys(), "news@y.org", "ann@c.org"));
  CHECK_FALSE(is_ours(*verp, test_keys(), "news@x.org", "bob@c.org"));
  CHECK_FALSE(is_ours(*verp, test_keys(), "news@x.org", ""));
}

TEST_CASE("verp: the tag is the message's own") {
  const auto verp = text_to_verp(sender_of("news@x.org", "ann", "c.org"));
  CHECK(verp->tag == message_tag(id));
  CHECK(message_tag("x1") != message_tag("x2"));
  CHECK(message_tag("x1") < 1U << 30);
  CHECK(tag_to_text(message_tag(id)).size() == 6);
}

TEST_CASE("verp: the age counts days over the turn of 1024") {
  VerpAddress verp;
  for (const std::uint16_t made : std::initializer_list<std::uint16_t>{1023, 1024, 20780, 65000}) {
    verp.day = made % 1024;
    CHECK(verp.age(made) == 0);
    CHECK(verp.age(static_cast<std::uint16_t>(made + 22)) == 22);
    CHECK(is_fresh(verp, static_cast<std::uint16_t>(made - 1)));
    CHECK(is_fresh(verp, made));
    CHECK(is_fresh(verp, static_cast<std::uint16_t>(made + 21)));
    CHECK_FALSE(is_fresh(verp, static_cast<std::uint16_t>(made + 22)));
    CHECK_FALSE(is_fresh(verp, static_cast<std::uint16_t>(made - 2)));
  }
}

TEST_CASE("verp: a shared sender signs no recipient") {
  std::string sender;
  verp_of("news@x.org").append_shared_sender(sender);
  auto verp = text_to_verp(sender);
  REQUIRE(verp);
  CHECK(verp->shared);
  CHECK(verp->recipient.empty());
  CHECK(is_ours(*verp, test_keys(), "news@x.org", ""));

  sender.insert(sender.find('@'), "+Bob+tag=c.org");
  verp = text_to_verp(sender);
  REQUIRE(verp);
  CHECK(verp->shared);
  CHECK(verp->recipient == "bob+tag@c.org");
  CHECK(is_ours(*verp, test_keys(), "news@x.org", ""));
}

TEST_CASE("verp: a shared sender cannot be made into a recipient's own") {
  std::string sender;
  verp_of("news@x.org").append_shared_sender(sender);
  sender.insert(sender.find('@'), "-bob=c.org");
  const auto verp = text_to_verp(sender);
  REQUIRE(verp);
  CHECK_FALSE(is_ours(*verp, test_keys(), "news@x.org", "bob@c.org"));
}

TEST_CASE("verp: other addresses are none") {
  for (const std::string text : {"",
                                 "@",
                                 "ann@example.org",
                                 "news-bounces@x.org",
                                 "news-bounces+@x.org",
                                 "news-bounces+abc@x.org",
                                 "bounces+abc@x.org",
                                 "news-owner+aaaaaaaaaaaaaaaaaaa-a=b@x.org",
                                 "-bounces+aaaaaaaaaaaaaaaaaaa-a=b.org@x.org",
                                 "news-bounces+aaaaaaaaaaaaaaaaaaa-@x.org",
                                 "news-bounces+aaaaaaaaaaaaaaaaaaa-=b.org@x.org",
                                 "news-bounces+aaaaaaaaaaaaaaaaaaa-a=@x.org",
                                 "news-bounces+aaaaaaaaaaaaaaaaaaa-a=0=b.org@x.org",
                                 "news-bounces+aaaaaaaaaaaaaaaaaaa-a=0g=b.org@x.org",
                                 "news-bounces+aaaaaaaaaaaaaaaaaaa-a=0a=b.org@x.org",
                                 "news-bounces+aaaaaaaaaaaaaaaaaaa-a=ff=b.org@x.org",
                                 "news-bounces+aaaaaaaaaaaaaaaaaaa-aaaaaaaaaaaa1@x.org",
                                 "news-bounces+aaaaaaaaaaaaaaaaaaa-aaaaaaaaaaaaaa@x.org",
                                 "news-bounces+aaaaaaaaaaaaaaaaaa1-a=b.org@x.org",
                                 "../../x-bounces+aaaaaaaaaaaaaaaaaaa-a=b.org@x.org",
                                 "news-bounces+aaaaaaaaaaaaaaaaaaa-a=b.org@x.org\n",
                                 "prvs=",
                                 "prvs==",
                                 "btv1==",
                                 "prvs=a=prvs=b=@x.org"}) {
    INFO(text);
    CHECK_FALSE(text_to_verp(text));
  }
  CHECK_FALSE(text_to_verp(std::string(100'000, 'a') + "@x.org"));
}

TEST_CASE("verp: handles differ by recipient and attempt and home") {
  const auto keys = test_keys();
  CHECK(verp_handle(keys, "ann@c.org", 0).size() == 13);
  CHECK(verp_handle(keys, "ann@c.org", 0) == verp_handle(keys, "ann@c.org", 0));
  CHECK(verp_handle(keys, "ann@c.org", 0) != verp_handle(keys, "ann@c.org", 1));
  CHECK(verp_handle(keys, "ann@c.org", 0) != verp_handle(keys, "bob@c.org", 0));
  VerpKeys other = keys;
  other.handle[0] ^= 1;
  CHECK(verp_handle(keys, "ann@c.org", 0) != verp_handle(other, "ann@c.org", 0));
  CHECK(list_handle_row(list_handle(list_of(40), 0)).size() == 13);
}
