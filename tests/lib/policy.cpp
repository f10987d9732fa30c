#include "list/policy.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "scratch.hpp"

using namespace ml;
using ml::tests::Scratch;

namespace {

const std::vector<Address> ann = {{"ann", "example.org"}};
const std::vector<Address> bob_and_ann = {{"bob", "example.com"}, {"Ann", "example.org"}};
const std::vector<Address> bob = {{"bob", "example.com"}};
const ListName news{"news", "x.org"};

// Only ann@example.org has subscribed.
Result<bool> is_ann(const Address& author) {
  return address_key(author) == address_key(ann.front());
}
Result<bool> store_is_broken(const Address&) {
  return retry("the store is broken");
}

bool allows(const std::string& post, const std::vector<Address>& authors) {
  const auto policy = text_to_post_policy(post);
  REQUIRE(policy);
  const auto may = policy->allows(authors, is_ann);
  REQUIRE(may);
  return *may;
}

}  // namespace

TEST_CASE("policy: anyone and nobody never ask the store", "[list]") {
  CHECK(*text_to_post_policy("anyone")->allows(bob, store_is_broken));
  CHECK(!*text_to_post_policy("nobody")->allows(ann, store_is_broken));
}

TEST_CASE("policy: a subscriber may post and a stranger may not", "[list]") {
  CHECK(allows("subscribers", ann));
  CHECK(!allows("subscribers", bob));
  CHECK(!allows("subscribers", {}));
}

TEST_CASE("policy: of several authors one subscriber is enough", "[list]") {
  CHECK(allows("subscribers", bob_and_ann));
}

TEST_CASE("policy: a store that fails decides nothing", "[list]") {
  const auto may = text_to_post_policy("subscribers")->allows(ann, store_is_broken);
  REQUIRE(!may);
  CHECK(may.error().status == Status::retry);
}

TEST_CASE("policy: a file names those who may post", "[list]") {
  const Scratch scratch;
  scratch.write("posters", "# the board\n\n Ann@Example.ORG \r\ncy@example.net");
  const std::string post = scratch.path("posters");
  CHECK(allows(post, ann));
  CHECK(allows(post, {{"CY", "example.net"}}));
  CHECK(!allows(post, bob));
  CHECK(text_to_post_policy(post)->is_announce_only());
  CHECK(!text_to_post_policy("subscribers")->is_announce_only());
}

TEST_CASE("policy: a bad line of the file is named by its number", "[list]") {
  const Scratch scratch;
  scratch.write("posters", "ann@example.org\n\nnot an address\n");
  const auto policy = text_to_post_policy(scratch.path("posters"));
  REQUIRE(!policy);
  CHECK(policy.error().status == Status::retry);
  CHECK(policy.error().text.find("posters: line 3: ") != std::string::npos);
}

TEST_CASE("policy: a word that is none and no file says what there is", "[list]") {
  const auto policy = text_to_post_policy("members");
  REQUIRE(!policy);
  CHECK(policy.error().text.find("anyone, subscribers, nobody or a file") != std::string::npos);
}

TEST_CASE("policy: a denial begins with its enhanced code and names the list", "[list]") {
  CHECK(text_to_post_policy("subscribers")->denial(news) ==
        "5.7.1 only subscribers may post to news@x.org");
  CHECK(text_to_post_policy("nobody")->denial(news) == "5.7.1 nobody may post to news@x.org");
}

TEST_CASE("policy: else has three words", "[list]") {
  CHECK(text_to_otherwise("hold") == Otherwise::hold);
  CHECK(text_to_otherwise("reject") == Otherwise::reject);
  CHECK(text_to_otherwise("drop") == Otherwise::drop);
  CHECK(!text_to_otherwise("bounce"));
}
