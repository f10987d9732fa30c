#include "list/name.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ml;

namespace {

// A reading as "list role extension", for short expectations.
std::string shown(const LocalPart& part) {
  return part.list + ' ' + std::string(role_to_text(part.role)) + ' ' + part.extension;
}

std::string split(std::string_view local, char delimiter = '+') {
  const auto part = split_local_part(local, delimiter);
  return part ? shown(*part) : "none";
}

std::vector<std::string> readings(std::string_view local, char delimiter) {
  std::vector<std::string> found;
  for (const LocalPart& part : local_part_readings(local, delimiter)) found.push_back(shown(part));
  return found;
}

using Found = std::vector<std::string>;

}  // namespace

TEST_CASE("list name: a posting address is a name and its capitals are folded", "[list]") {
  const auto list = text_to_list_name("Announce@Lists.Example.ORG");
  REQUIRE(list);
  CHECK(list->text() == "announce@lists.example.org");
  CHECK(list->address(Role::bounces) == "announce-bounces@lists.example.org");
  CHECK(list->address(Role::post) == "announce@lists.example.org");
}

TEST_CASE("list name: a bare name needs a default domain", "[list]") {
  CHECK(text_to_list_name("news", "x.org")->text() == "news@x.org");
  const auto bare = text_to_list_name("news");
  REQUIRE(!bare);
  CHECK(bare.error().status == Status::retry);
  CHECK(bare.error().text.find("default-domain") != std::string::npos);
}

TEST_CASE("list name: nothing that could leave its directory is a name", "[list]") {
  for (const char* text : {"", "@x.org", "../x@x.org", "a/b@x.org", ".a@x.org", "a..b@x.org",
                           "a.@x.org", "-a@x.org", "a b@x.org", "a\n@x.org", "b\xc3\xbc@x.org",
                           "a+b@x.org", "news@", "news@..", "news@x/../y", "news@[192.0.2.1]"}) {
    CAPTURE(text);
    CHECK(!text_to_list_name(text, "x.org"));
  }
}

TEST_CASE("list name: forty octets are a name and forty-one are none", "[list]") {
  CHECK(text_to_list_name(std::string(40, 'a') + "@x.org"));
  CHECK(!text_to_list_name(std::string(41, 'a') + "@x.org"));
}

TEST_CASE("list name: a role at the end makes it no name", "[list]") {
  CHECK(!text_to_list_name("news-owner@x.org"));
  CHECK(!text_to_list_name("news-leave@x.org"));
  CHECK(!text_to_list_name("bounces@x.org"));
  CHECK(text_to_list_name("news-post@x.org"));
  CHECK(text_to_list_name("owner-news@x.org"));
  CHECK(text_to_list_name("my-owner-list@x.org"));
}

TEST_CASE("roles: every role comes back from its word", "[list]") {
  for (const Role role : {Role::post, Role::bounces, Role::owner, Role::request, Role::subscribe,
                          Role::unsubscribe, Role::confirm}) {
    CHECK(text_to_role(role_to_text(role)) == role);
  }
  CHECK(text_to_role("join") == Role::subscribe);
  CHECK(text_to_role("leave") == Role::unsubscribe);
  CHECK(text_to_role("admin") == Role::owner);
  CHECK(!text_to_role("Owner"));
}

TEST_CASE("roles: an address says list and role and extension", "[list]") {
  CHECK(split("announce") == "announce post ");
  CHECK(split("announce+x") == "announce post x");
  CHECK(split("announce-bounces+ab12-Ann=example.org") == "announce bounces ab12-Ann=example.org");
  CHECK(split("Announce-Unsubscribe") == "announce unsubscribe ");
  CHECK(split("dev-announce-confirm+T+k") == "dev-announce confirm T+k");
  CHECK(split("bounces+abcdefk") == " bounces abcdefk");
}

TEST_CASE("roles: what names no list by its shape is none", "[list]") {
  for (const char* local : {"", "+x", "-owner", "news-owner-bounces", "a/b", "o'brien"}) {
    CAPTURE(local);
    CHECK(split(local) == "none");
  }
}

TEST_CASE("roles: a hyphen as delimiter has several readings with the longest name first",
          "[list]") {
  CHECK(readings("dev-announce-bounces-x", '-') == Found{"dev-announce-bounces-x post ",
                                                         "dev-announce bounces x",
                                                         "dev post announce-bounces-x"});
  CHECK(readings("news-owner", '-') == Found{"news owner "});
  CHECK(readings("bounces-abcdef", '-') == Found{"bounces-abcdef post ", " bounces abcdef"});
  CHECK(split("dev-announce-bounces-x", '-') == "dev-announce bounces x");
  CHECK(split("dev-announce", '-') == "dev-announce post ");
}
