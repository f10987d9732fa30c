#include "queue/recall.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "scratch.hpp"

using namespace ml;
using ml::tests::Scratch;

namespace {

// A directory of segments with these hashes in this order, all delivered.
void write_segments(const std::string& path, const std::vector<AddressHash>& hashes) {
  for (std::size_t at = 0; at < hashes.size(); at += slots_a_segment) {
    auto segment =
        Segment::open(segment_path(path, static_cast<std::uint32_t>(at / slots_a_segment)));
    REQUIRE(segment);
    const std::size_t end = std::min(hashes.size(), at + slots_a_segment);
    REQUIRE(segment->make_room(end - at));
    for (std::size_t i = at; i < end; ++i) {
      segment->slots()[i - at].hash = hashes[i];
      segment->slots()[i - at].change(0, 'D');
    }
  }
}

std::vector<AddressHash> some_hashes(std::size_t count, std::mt19937_64& random) {
  std::vector<AddressHash> hashes(count);
  for (AddressHash& hash : hashes) hash = {random(), random()};
  return hashes;
}

Recall open_recall(const Scratch& scratch, std::uint32_t segments, std::size_t window) {
  auto recall = Recall::open(scratch.path(""), segments, window);
  REQUIRE(recall);
  return std::move(*recall);
}

// How many of these are found, each in its own slot.
std::size_t found_of(Recall& recall, const std::vector<AddressHash>& asked,
                     const std::map<AddressHash, SlotNumber>& where) {
  std::size_t count = 0;
  for (const AddressHash& hash : asked) {
    const auto found = recall.find(hash);
    REQUIRE(found);
    if (!*found) continue;
    ++count;
    if ((*found)->number != where.at(hash)) FAIL("found in another's slot");
  }
  return count;
}

std::map<AddressHash, SlotNumber> numbered(const std::vector<AddressHash>& hashes) {
  std::map<AddressHash, SlotNumber> where;
  for (std::size_t i = 0; i < hashes.size(); ++i) where[hashes[i]] = static_cast<SlotNumber>(i);
  return where;
}

}  // namespace

TEST_CASE("recall: every recipient is found in whatever order a retry brings them", "[recall]") {
  std::mt19937_64 random(1);
  const Scratch scratch;
  const auto hashes = some_hashes(slots_a_segment + 5000, random);
  write_segments(scratch.path(""), hashes);
  const auto where = numbered(hashes);
  auto asked = hashes;
  SECTION("the same order") {}
  SECTION("any order") {
    std::shuffle(asked.begin(), asked.end(), random);
  }
  SECTION("backwards") {
    std::reverse(asked.begin(), asked.end());
  }
  SECTION("a rotation") {
    std::rotate(asked.begin(), asked.begin() + 70'000, asked.end());
  }
  for (const std::size_t window : {16UL, Recall::default_window}) {
    Recall recall = open_recall(scratch, 2, window);
    CHECK(recall.recorded() == hashes.size());
    CHECK(recall.used() == hashes.size());
    CHECK(found_of(recall, asked, where) == hashes.size());
  }
}

TEST_CASE("recall: newcomers are found nowhere and leavers do not hide the others", "[recall]") {
  std::mt19937_64 random(2);
  const Scratch scratch;
  const auto hashes = some_hashes(20'000, random);
  write_segments(scratch.path(""), hashes);
  const auto newcomers = some_hashes(2'000, random);
  std::vector<AddressHash> asked;
  std::size_t stayed = 0;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    if (i % 3 != 0) {
      asked.push_back(hashes[i]);
      ++stayed;
    }
    if (i % 10 == 0) asked.push_back(newcomers[i / 10]);
  }
  Recall recall = open_recall(scratch, 1, 64);
  CHECK(found_of(recall, asked, numbered(hashes)) == stayed);
}

TEST_CASE("recall: a recipient recorded twice is found twice", "[recall]") {
  // Others of its bucket, so many that its two records stand now in one block and now in two.
  for (const std::uint64_t others : {0UL, 1UL, 63UL, 64UL, 65UL, 200UL}) {
    for (const std::uint64_t below : {0UL, others / 2, others}) {
      const Scratch scratch;
      const AddressHash twice{5000, 6};
      std::vector<AddressHash> hashes{twice};
      for (std::uint64_t i = 0; i < others; ++i) hashes.push_back({i < below ? i : 6000 + i, 8});
      hashes.push_back(twice);
      write_segments(scratch.path(""), hashes);
      for (const std::size_t window : {1UL, Recall::default_window}) {
        Recall recall = open_recall(scratch, 1, window);
        // Whoever the window does not know makes the index.
        REQUIRE_FALSE(recall.find({9, 9}).value());
        std::set<SlotNumber> numbers;
        for (int i = 0; i < 2; ++i) {
          const auto found = recall.find(twice);
          REQUIRE(found);
          REQUIRE(found->has_value());
          numbers.insert((*found)->number);
        }
        CHECK(numbers == std::set<SlotNumber>{0, static_cast<SlotNumber>(others + 1)});
        CHECK_FALSE(recall.find(twice).value());
      }
    }
  }
}

TEST_CASE("recall: a record found before the index was made is not found in it again", "[recall]") {
  const Scratch scratch;
  const AddressHash twice{5, 6};
  write_segments(scratch.path(""), {twice, {7, 8}, {9, 10}, twice});
  Recall recall = open_recall(scratch, 1, 2);
  CHECK(recall.find(twice).value()->number == 0);
  CHECK(recall.find({9, 10}).value()->number == 2);  // behind the window
  CHECK(recall.find(twice).value()->number == 3);
  CHECK_FALSE(recall.find(twice).value());
}
