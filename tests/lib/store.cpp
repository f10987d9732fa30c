#include "store/store.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <span>

#include "base/attributes.hpp"
#include "scratch-store.hpp"
#include "store/inside.hpp"

using namespace ml;
using namespace ml::tests;

namespace {

Subscriber someone(const std::string& address, State state = State::active,
                   const std::string& attributes = {}) {
  return {at(address), state, 0, 0, attributes};
}

// A slice as lines: the address, and behind a TAB the attributes where there are some.
struct Lines {
  std::string after;
  std::string text;
  std::size_t count = 0;  // of those due in the last slice
  bool more = true;

  void next(const Store& store, ListNumber list) {
    count = 0;
    const auto read = store.next_slice(list, after, [&](std::span<const Due> due) {
      for (const Due& each : due) {
        text.append(each.local).append(each.at_domain);
        if (!each.attributes.empty()) text.append(1, '\t').append(each.attributes);
        text.push_back('\n');
      }
      count += due.size();
    });
    REQUIRE(read);
    more = *read;
  }
};

// All who are due, slice after slice.
std::string due_lines(const Store& store, ListNumber list) {
  Lines lines;
  while (lines.more) lines.next(store, list);
  return lines.text;
}

std::vector<std::string> everybody(const Store& store, ListNumber list) {
  std::vector<std::string> found;
  REQUIRE(store.each(list, [&](const Subscriber& subscriber) {
    found.push_back(address_to_text(subscriber.address) + ' ' +
                    std::string(state_to_text(subscriber.state)));
    return true;
  }));
  return found;
}

// Rows from memory, for import().
Store::Source rows(const std::vector<Entry>& entries) {
  return [entries, next = std::size_t{0}](Entry& entry) mutable -> Result<bool> {
    if (next == entries.size()) return false;
    entry = entries[next++];
    return true;
  };
}

Entry row(const std::string& address, std::optional<State> state = {},
          const std::string& attributes = {}) {
  return {at(address), attributes, state, {}, {}};
}

const std::vector<std::string> awkward = {
    "ann@example.org",
    "Ann.Author+news@example.org",
    "\"a b\"@example.org",
    "\"x@y\\\"z\"@example.com",
    "o'brien*1@example.com",
    "postmaster@[192.0.2.1]",
    "six@[IPv6:2001:db8::1]",
    "ann@b\xC3\xBC"
    "cher.example",
    "\xC3\x84nn@example.net",
    std::string(64, 'l') + '@' + std::string(63, 'a') + '.' + std::string(63, 'b') + '.' +
        std::string(57, 'c') + ".de",
};

}  // namespace

TEST_CASE("store: awkward addresses come back as they were put") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  for (const auto& text : awkward) {
    INFO(text);
    const auto subscriber = someone(text, State::nomail, "name=A\\tB");
    REQUIRE(put(store, list, {subscriber}, Revive::no));
    const auto found = store.find(list, subscriber.address);
    REQUIRE(found);
    REQUIRE(found->has_value());
    CHECK((*found)->address == subscriber.address);
    CHECK((*found)->state == State::nomail);
    CHECK((*found)->attributes == "name=A\\tB");
    CHECK((*found)->joined == today());
  }
  CHECK(store.count(list)->all == awkward.size());
  CHECK(store.check()->empty());
}

TEST_CASE("store: a local part keeps its case and is compared without") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  REQUIRE(put(store, list, {someone("Ann@Example.org")}, Revive::no));
  CHECK(due_lines(store, list) == "Ann@example.org\n");
  const auto change = put(store, list, {someone("aNN@example.ORG")}, Revive::no);
  REQUIRE(change);
  CHECK(change->changed == 1);
  CHECK(due_lines(store, list) == "aNN@example.org\n");
  CHECK(store.count(list)->all == 1);
}

TEST_CASE("store: due subscribers come in domain order with their attributes") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  REQUIRE(put(store, list,
              {someone("b@example.org", State::bouncing, "name=B"), someone("z@a.example.org"),
               someone("A@example.org", State::digest), someone("n@example.com", State::nomail),
               someone("c@example.com"), someone("s@example.com", State::suspended)},
              Revive::no));
  CHECK(due_lines(store, list) ==
        "c@example.com\nA@example.org\nb@example.org\tname=B\nz@a.example.org\n");
  CHECK(*store.count(list) == Counts{4, 6});
}

TEST_CASE("store: slices end at their size and go on behind their last subscriber") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  std::vector<Subscriber> many;
  std::string wanted;
  for (int i = 0; i < 25'000; ++i) {
    many.push_back(someone(fmt::format("u{:05}@d{:02}.example", i, i / 1000)));
    wanted += address_to_text(many.back().address) + '\n';
  }
  REQUIRE(put(store, list, many, Revive::no));
  Lines lines;
  std::vector<std::size_t> counts;
  while (lines.more) {
    lines.next(store, list);
    counts.push_back(lines.count);
  }
  REQUIRE(counts.size() == 3);
  CHECK(counts[0] >= 10'000);
  CHECK(counts[0] < 10'100);
  CHECK(counts[1] == counts[0]);
  CHECK(lines.text == wanted);
}

TEST_CASE("store: a slice is bounded in octets too") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  std::vector<Subscriber> many;
  for (int i = 0; i < 100; ++i) {
    many.push_back(someone(fmt::format("u{}@example.org", i), State::active,
                           "note=" + std::string(200'000, 'x')));
  }
  REQUIRE(put(store, list, many, Revive::no));
  Lines lines;
  std::size_t count = 0;
  lines.next(store, list);
  CHECK(lines.more);
  CHECK(lines.count < 100);
  for (count = lines.count; lines.more; count += lines.count) lines.next(store, list);
  CHECK(count == 100);
}

TEST_CASE("store: a slice goes on where it stood although its last subscriber has gone") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  std::vector<Subscriber> many;
  for (int i = 0; i < 20'000; ++i) many.push_back(someone(fmt::format("u{:05}@example.org", i)));
  REQUIRE(put(store, list, many, Revive::no));
  Lines lines;
  lines.next(store, list);
  const std::size_t first = lines.count;
  REQUIRE(first < 20'000);
  REQUIRE(store.remove(list, {many[first - 1].address, many[first].address}));
  lines.text.clear();
  lines.next(store, list);
  CHECK(lines.text.starts_with(address_to_text(many[first + 1].address) + '\n'));
  CHECK(first + lines.count == 19'999);
  CHECK(!lines.more);
}

TEST_CASE("store: a list without anybody due hands out nobody and is at its end") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  Lines lines;
  lines.next(store, list);
  CHECK(!lines.more);
  REQUIRE(put(store, list, {someone("n@example.org", State::nomail)}, Revive::no));
  lines = {};
  lines.next(store, list);
  CHECK(lines.text.empty());
  CHECK(!lines.more);
}

TEST_CASE("store: the suppressed are in no slice and unsuppress brings them back") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  REQUIRE(put(store, list,
              {someone("a@example.org"), someone("b@example.org"), someone("c@example.org"),
               someone("d@example.org")},
              Revive::no));
  for (const auto* const who : {"B@example.org", "d@example.org", "a@other.example", "zz@zz.zz"}) {
    REQUIRE(store.suppress(at(who), "complained"));
  }
  CHECK(due_lines(store, list) == "a@example.org\nc@example.org\n");
  const auto suppressed = store.suppressed(at("b@example.org"));
  REQUIRE(suppressed);
  REQUIRE(suppressed->has_value());
  CHECK((*suppressed)->reason == "complained");
  CHECK((*suppressed)->day == today());
  CHECK(*store.unsuppress(at("b@example.org")));
  CHECK(!*store.unsuppress(at("b@example.org")));
  CHECK(due_lines(store, list) == "a@example.org\nb@example.org\nc@example.org\n");
}

TEST_CASE("store: two lists do not see one another's subscribers") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto one = scratch.list(store, "one@x.org");
  const auto two = scratch.list(store, "two@x.org");
  REQUIRE(put(store, two, {someone("z@example.org")}, Revive::no));
  REQUIRE(put(store, one, {someone("y@example.org"), someone("x@example.org")}, Revive::no));
  CHECK(due_lines(store, one) == "x@example.org\ny@example.org\n");
  CHECK(due_lines(store, two) == "z@example.org\n");
  CHECK(*store.lists() == std::vector<std::string>{"one@x.org", "two@x.org"});
  REQUIRE(store.remove_list("one@x.org"));
  CHECK(!*store.has_list("one@x.org"));
  CHECK(due_lines(store, two) == "z@example.org\n");
  CHECK(!store.count(one));
  std::string after;
  CHECK(!store.next_slice(one, after, [](std::span<const Due>) {}));
  CHECK(scratch.list(store, "three@x.org") > two);
  CHECK(store.check()->empty());
}

TEST_CASE("store: an unknown list names the command that makes it") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = store.list("nobody@x.org");
  REQUIRE(!list);
  CHECK(list.error().status == Status::retry);
  CHECK(list.error().text ==
        "nobody@x.org: no such list (make it with: ml-list create nobody@x.org)");
}

TEST_CASE("store: a tombstone keeps its address out until it is revived") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  REQUIRE(put(store, list, {someone("ann@example.org", State::active, "name=Ann")}, Revive::no));
  REQUIRE(store.remove(list, {at("ANN@example.org")}));
  CHECK(*store.count(list) == Counts{0, 0});
  CHECK((*store.find(list, at("ann@example.org")))->attributes.empty());

  auto change = put(store, list, {someone("ann@example.org")}, Revive::no);
  REQUIRE(change);
  CHECK(change->kept_out == 1);
  CHECK(*store.count(list) == Counts{0, 0});

  change = put(store, list, {someone("ann@example.org")}, Revive::yes);
  REQUIRE(change);
  CHECK(change->added == 1);
  CHECK(*store.count(list) == Counts{1, 1});
  CHECK(store.check()->empty());
}

TEST_CASE("store: a suspended subscriber is kept out and may still be removed") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  REQUIRE(put(store, list, {someone("ann@example.org", State::suspended)}, Revive::no));
  CHECK(put(store, list, {someone("ann@example.org")}, Revive::no)->kept_out == 1);
  CHECK(store.remove(list, {at("ann@example.org")})->removed == 1);
  CHECK(everybody(store, list) == std::vector<std::string>{"ann@example.org removed"});
}

TEST_CASE("store: removing one who is not there changes nothing and says so") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  const auto change = store.remove(list, {at("nobody@example.org")});
  REQUIRE(change);
  CHECK(change->unknown == 1);
  CHECK(everybody(store, list).empty());
}

TEST_CASE("store: putting one who is there keeps the state and lays attributes over") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  REQUIRE(
      put(store, list, {someone("a@example.org", State::nomail, "name=A\ttags=x")}, Revive::no));
  CHECK(put(store, list, {someone("a@example.org")}, Revive::no)->unchanged == 1);
  CHECK(put(store, list, {someone("a@example.org", State::active, "city=B\tname=C")}, Revive::no)
            ->changed == 1);
  const auto found = *store.find(list, at("a@example.org"));
  CHECK(found->state == State::nomail);
  CHECK(found->attributes == "city=B\tname=C\ttags=x");
}

TEST_CASE("store: an import with absent ones leaving is the new list") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  REQUIRE(put(store, list,
              {someone("a@example.org", State::active, "name=A\ttags=x"), someone("b@example.org"),
               someone("c@example.org", State::nomail), someone("d@example.org", State::removed)},
              Revive::no));
  ImportOptions options;
  options.absent = Absent::leave;
  const auto change = store.import(list,
                                   rows({row("e@example.org"), row("a@example.org", {}, "name=A2"),
                                         row("d@example.org"), row("0@example.org")}),
                                   options);
  REQUIRE(change);
  CHECK(change->added == 2);
  CHECK(change->changed == 1);
  CHECK(change->removed == 2);
  CHECK(change->kept_out == 1);
  CHECK(everybody(store, list) ==
        std::vector<std::string>{"0@example.org active", "a@example.org active",
                                 "b@example.org removed", "c@example.org removed",
                                 "d@example.org removed", "e@example.org active"});
  CHECK((*store.find(list, at("a@example.org")))->attributes == "name=A2");
  CHECK(store.check()->empty());
}

TEST_CASE("store: an import that would lose a tenth changes nothing unless told to") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  std::vector<Subscriber> many;
  std::vector<Entry> most;
  for (int i = 0; i < 20; ++i) {
    many.push_back(someone(fmt::format("u{:02}@example.org", i)));
    if (i != 7) most.push_back(row(fmt::format("u{:02}@example.org", i)));
  }
  REQUIRE(put(store, list, many, Revive::no));
  ImportOptions options;
  options.absent = Absent::leave_if_few;
  CHECK(store.import(list, rows(most), options)->removed == 1);  // one of twenty
  most.pop_back();
  most.pop_back();
  const auto refused = store.import(list, rows(most), options);  // two of nineteen
  REQUIRE(!refused);
  CHECK(refused.error().status == Status::no);
  CHECK(*store.count(list) == Counts{19, 19});
  CHECK(store.check()->empty());
  const auto emptied = store.import(list, rows({}), options);
  CHECK(!emptied);
  options.absent = Absent::leave;
  CHECK(store.import(list, rows({}), options)->removed == 19);
}

TEST_CASE("store: the last row of a mailbox counts") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  const auto change = store.import(list,
                                   rows({row("a@example.org", {}, "name=1"), row("b@example.org"),
                                         row("A@example.org", {}, "name=2")}),
                                   {});
  REQUIRE(change);
  CHECK(change->added == 2);
  CHECK(change->repeated == 1);
  CHECK(due_lines(store, list) == "A@example.org\tname=2\nb@example.org\n");
}

TEST_CASE("store: a row that says state and days sets them") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  Entry entry = row("a@example.org", State::bouncing);
  entry.joined = 100;
  entry.changed = 200;
  REQUIRE(store.import(list, rows({entry}), {}));
  const auto found = *store.find(list, entry.address);
  CHECK(found->state == State::bouncing);
  CHECK(found->joined == 100);
  CHECK(found->changed == 200);
  CHECK(store.import(list, rows({entry}), {})->unchanged == 1);
}

TEST_CASE("store: a source that fails changes nothing") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  int calls = 0;
  const auto change = store.import(list,
                                   [&](Entry& entry) -> Result<bool> {
                                     if (++calls > 1000) return retry("the rows end badly");
                                     entry = row(fmt::format("u{}@example.org", calls));
                                     return true;
                                   },
                                   {});
  REQUIRE(!change);
  CHECK(change.error().text == "the rows end badly");
  CHECK(*store.count(list) == Counts{0, 0});
}

TEST_CASE("store: an import in little memory is the same as one in much") {
  ScratchStore scratch;
  auto store = scratch.store();
  std::vector<Entry> entries;
  for (int i = 0; i < 20'000; ++i) {
    entries.push_back(
        row(fmt::format("u{}@d{}.example", i % 15'000, i % 70), {}, fmt::format("name={}", i)));
  }
  std::mt19937 random(7);  // NOLINT: the same order in each run
  std::ranges::shuffle(entries, random);
  const auto much = scratch.list(store, "much@x.org");
  const auto little = scratch.list(store, "little@x.org");
  ImportOptions options;
  const auto change_much = store.import(much, rows(entries), options);
  options.memory = 20'000;
  const auto change_little = store.import(little, rows(entries), options);
  REQUIRE(change_much);
  REQUIRE(change_little);
  CHECK(change_much->added == change_little->added);
  CHECK(change_much->repeated == change_little->repeated);
  CHECK(due_lines(store, much) == due_lines(store, little));
  CHECK(store.check()->empty());
}

TEST_CASE("store: a list fills its pages whether or not another stands behind it") {
  const auto octets_with = [](int lists_behind) {
    ScratchStore scratch;
    auto store = scratch.store();
    const auto list = scratch.list(store);
    for (int i = 0; i < lists_behind; ++i) {
      const auto other = scratch.list(store, fmt::format("other{}@x.org", i));
      std::vector<Entry> few;
      for (int j = 0; j < 300; ++j) few.push_back(row(fmt::format("u{}@example.org", j)));
      REQUIRE(store.import(other, rows(few), {}));
    }
    std::vector<Entry> many;
    for (int i = 0; i < 50'000; ++i) many.push_back(row(fmt::format("user{:06}@example.org", i)));
    REQUIRE(store.import(list, rows(many), {}));
    CHECK(store.check()->empty());
    CHECK(store.lists()->size() == static_cast<std::size_t>(lists_behind) + 1);
    REQUIRE(store.copy(scratch.path("copy")));
    return std::filesystem::file_size(scratch.path("copy") + "/data.mdb");
  };
  const auto alone = octets_with(0);
  CHECK(octets_with(1) < alone * 21 / 20);
  CHECK(octets_with(3) < alone * 21 / 20);
}

TEST_CASE("store: change edits one record in place with the counts") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  REQUIRE(put(store, list, {someone("a@example.org")}, Revive::no));
  const auto changed = store.change(list, at("a@example.org"), [](Subscriber& subscriber) {
    subscriber.state = State::nomail;
    return Result<>();
  });
  CHECK(changed == true);
  CHECK(*store.count(list) == Counts{0, 1});
  CHECK(store.change(list, at("b@example.org"), [](Subscriber&) { return Result<>(); }) == false);
  CHECK(!store.change(list, at("a@example.org"),
                      [](Subscriber&) -> Result<> { return retry("no"); }));
  CHECK(store.check()->empty());
}

TEST_CASE("store: a bounce is marked once a message and a revival clears the marks") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  const auto ann = at("ann@example.org");
  REQUIRE(put(store, list, {someone("ann@example.org"), someone("anna@example.org")}, Revive::no));
  CHECK(store.mark_bounce(list, ann, {7, 100, "5.1.1"})->marked);
  CHECK_FALSE(store.mark_bounce(list, ann, {7, 100, "5.1.1"})->marked);
  CHECK(store.mark_bounce(list, ann, {8, 100, "5.1.1"})->marked);
  CHECK(store.mark_bounce(list, at("anna@example.org"), {8, 100, "5.1.1"})->marked);
  CHECK_FALSE(store.mark_bounce(list, at("nobody@example.org"), {8, 100, "5.1.1"})->marked);
  CHECK(*store.bounce_marks(list, ann) ==
        std::vector<BounceMark>{{7, 100, "5.1.1"}, {8, 100, "5.1.1"}});
  CHECK((*store.find(list, ann))->state == State::bouncing);
  CHECK(*store.count(list) == Counts{2, 2});
  REQUIRE(store.remove(list, {ann}));
  CHECK_FALSE(store.mark_bounce(list, ann, {9, 100, "5.1.1"})->marked);
  REQUIRE(put(store, list, {someone("ann@example.org")}, Revive::yes));
  CHECK(store.bounce_marks(list, ann)->empty());
  CHECK(store.bounce_marks(list, at("anna@example.org"))->size() == 1);
  CHECK(store.check()->empty());
}

TEST_CASE("store: a probe is kept beside the marks and goes with them") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  const auto ann = at("ann@example.org");
  REQUIRE(put(store, list, {someone("ann@example.org"), someone("bob@example.org")}, Revive::no));
  CHECK(*store.probe(list, ann) == std::nullopt);
  // A tag that ends with a NUL does not pass for a probe.
  CHECK(store.mark_bounce(list, ann, {0x100, 100, "5.1.1"})->marked);
  const Probe probe{0x2000, 101, ProbeStep::suspend, false};
  REQUIRE(store.put_probe(list, ann, probe));
  CHECK(*store.probe(list, ann) == probe);
  CHECK(store.bounce_marks(list, ann)->size() == 1);
  CHECK(*store.probed(list) == std::vector<Address>{ann});
  CHECK(store.check()->empty());
  CHECK(store.change(list, ann, [](Subscriber& subscriber) -> Result<> {
    subscriber.state = State::active;
    return {};
  }) == true);
  CHECK(store.bounce_marks(list, ann)->empty());
  CHECK(*store.probe(list, ann) == std::nullopt);
  REQUIRE(store.put_probe(list, ann, probe));
  REQUIRE(store.drop_probe(list, ann));
  CHECK(store.probed(list)->empty());
}

TEST_CASE("store: a domain refuses a message once and a blamed message keeps no mark") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  const auto ann = at("ann@example.org");
  REQUIRE(put(store, list,
              {someone("ann@example.org"), someone("bob@example.org"),
               someone("cy@sub.example.org"), someone("dan@example.net")},
              Revive::no));
  CHECK(*store.domains(list) == 3);
  CHECK(store.mark_bounce(list, at("x@example.org"), {7, 100, ""})->refused.domains == 1);
  CHECK(store.mark_bounce(list, at("x@example.org"), {7, 100, ""})->refused.domains == 1);
  CHECK(store.mark_bounce(list, at("x@example.net"), {7, 100, ""})->refused.domains == 2);
  CHECK(store.mark_bounce(list, at("x@example.net"), {8, 100, ""})->refused.domains == 1);
  CHECK(store.mark_bounce(list, ann, {7, 100, "5.1.1"})->marked);
  CHECK(store.mark_bounce(list, ann, {8, 100, "5.1.1"})->marked);
  CHECK(*store.blame_message(list, 7) == 1);
  CHECK(store.bounce_marks(list, ann)->size() == 1);
  CHECK(store.mark_bounce(list, at("x@example.net"), {7, 100, ""})->refused.blamed);
  CHECK_FALSE(store.mark_bounce(list, at("x@example.net"), {8, 100, ""})->refused.blamed);
  CHECK(store.check()->empty());
}

TEST_CASE("store: what bounces left is forgotten by its day") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  const auto ann = at("ann@example.org");
  REQUIRE(put(store, list, {someone("ann@example.org")}, Revive::no));
  CHECK(store.mark_bounce(list, ann, {7, 100, "5.1.1"})->marked);
  CHECK(store.mark_bounce(list, ann, {8, 110, "5.1.1"})->marked);
  REQUIRE(store.mark_bounce(list, at("x@example.org"), {7, 100, ""}));
  REQUIRE(store.mark_bounce(list, at("x@example.org"), {8, 110, ""}));
  REQUIRE(store.put_owners_told(list, 12345));
  REQUIRE(store.forget_bounces(list, 105));
  CHECK(*store.bounce_marks(list, ann) == std::vector<BounceMark>{{8, 110, "5.1.1"}});
  CHECK(store.mark_bounce(list, at("x@example.net"), {7, 120, ""})->refused.domains == 1);
  CHECK(store.mark_bounce(list, at("x@example.net"), {8, 120, ""})->refused.domains == 2);
  CHECK(*store.owners_told(list) == 12345);
  CHECK(store.check()->empty());
}

TEST_CASE("store: handles hold for ever and a taken one gets a counter") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto handle_of = [](std::string_view address, unsigned attempt) {
    return fmt::format("{}aaaaaaaaaaa{}", address.substr(0, 1), attempt);
  };
  const auto given =
      store.give_handles({"ann@x.org", "abe@x.org", "bob@x.org", "ann@x.org"}, handle_of);
  REQUIRE(given);
  CHECK(*given == std::vector<std::string>{"aaaaaaaaaaaa0", "aaaaaaaaaaaa1", "baaaaaaaaaaa0",
                                           "aaaaaaaaaaaa0"});
  CHECK(*store.give_handles({"abe@x.org"}, handle_of) == std::vector<std::string>{"aaaaaaaaaaaa1"});
  CHECK(*store.known_handles({"abe@x.org", "ann@x.org", "cy@x.org", "bob@x.org"}, handle_of) ==
        std::vector<std::string>{"aaaaaaaaaaaa1", "aaaaaaaaaaaa0"});
  CHECK(!store.handle_address("caaaaaaaaaaa0")->has_value());
  CHECK(**store.handle_address("aaaaaaaaaaaa1") == "abe@x.org");
  CHECK(!store.handle_address("zzzzzzzzzzzzz")->has_value());
}

TEST_CASE("store: a copy is a store of its own and its directory must be empty") {
  ScratchStore scratch;
  auto store = scratch.store();
  const auto list = scratch.list(store);
  REQUIRE(put(store, list, {someone("a@example.org", State::active, "name=A")}, Revive::no));
  const std::string other = scratch.path("other");
  std::filesystem::create_directory(other);
  REQUIRE(store.copy(other + "/store"));
  const auto again = store.copy(other + "/store");
  REQUIRE(!again);
  CHECK(again.error().text.find("not empty") != std::string::npos);
  CHECK((std::filesystem::status(other + "/store").permissions() & std::filesystem::perms::all) ==
        std::filesystem::perms::owner_all);
  auto home = open_home(other, Create::no);
  REQUIRE(home);
  auto copied = Store::open(*home, Access::write);
  REQUIRE(copied);
  CHECK(due_lines(*copied, *copied->list("news@x.org")) == "a@example.org\tname=A\n");
  CHECK(copied->check()->empty());
}

TEST_CASE("store: the suppressed are all told in order however many they are") {
  constexpr std::size_t count = 2 * slice_count;  // the last slice has nobody
  ScratchStore scratch;
  { auto store = scratch.store(); }
  {
    auto env = Environment::open(scratch.path("store"), Access::write, table_names, {});
    REQUIRE(env);
    REQUIRE(env->write([&](StoreTransaction& change) -> Result<> {
      for (std::size_t i = 0; i < count; ++i) {
        const auto key = address_key(at(fmt::format("u{:05}@example.org", i)));
        if (auto done = change.put(table::suppressed, key, std::string_view("\0\1why", 5)); !done) {
          return done;
        }
      }
      return {};
    }));
  }
  const auto store = Store::open(scratch.home(), Access::read);
  REQUIRE(store);
  std::vector<std::string> told;
  REQUIRE(store->each_suppressed([&](const Address& address, const Suppression& why) {
    told.push_back(address_to_text(address));
    return why.day == 1 && why.reason == "why";
  }));
  REQUIRE(told.size() == count);
  CHECK(std::ranges::is_sorted(told));
  CHECK(told.front() == "u00000@example.org");
  CHECK(std::ranges::adjacent_find(told) == told.end());
}

TEST_CASE("store: a store of a later schema is not touched") {
  ScratchStore scratch;
  { auto store = scratch.store(); }
  {
    auto env = Environment::open(scratch.path("store"), Access::write, table_names, {});
    REQUIRE(env);
    REQUIRE(env->write([](StoreTransaction& change) {
      return change.put(table::meta, "schema", std::string_view("\0\0\0\x02", 4));
    }));
  }
  const auto store = Store::open(scratch.home(), Access::make);
  REQUIRE(!store);
  CHECK(store.error().status == Status::retry);
  CHECK(store.error().text.find("schema 2") != std::string::npos);
}

TEST_CASE("store: check finds each kind of damage") {
  ScratchStore scratch;
  {
    auto store = scratch.store();
    const auto list = scratch.list(store);
    REQUIRE(put(store, list, {someone("a@example.org"), someone("b@example.org")}, Revive::no));
    CHECK(store.check()->empty());
  }
  struct Damage {
    Table table;
    std::string key;
    std::string value;
    std::string finding;
  };
  const std::string list("\0\0\0\1", 4);
  const std::string b = list + address_key(at("b@example.org"));
  const std::string counts = std::string(7, '\0') + "\5" + std::string(7, '\0') + "\5";
  const std::string good = subscriber_to_value(someone("b@example.org"));
  const std::string next("\0\0\0\2", 4);
  const std::vector<Damage> damages = {
      {table::counts, list, counts, "counts 5 due of 5, but has 2 due of 2"},
      {table::subscribers, b, "\x09", "damaged record"},
      {table::subscribers, b, good + "name=\x01", "damaged attributes"},
      {table::subscribers, list + "org" + std::string(1, '\0') + "a b", good, "not a mail address"},
      {table::subscribers, std::string("\0\0\0\7", 4) + "x", good, "of no list"},
      {table::suppressed, "x", "", "damaged suppression"},
      {table::handles, "x", "a@example.org", "damaged handle"},
      {table::marks, list + "x", "", "damaged bounce mark"},
      {table::meta, "next-list", list, "the next list's number, 1, is taken"},
      {table::lists, "again@x.org", list, "has the same number"},
  };
  for (const auto& damage : damages) {
    INFO(damage.finding);
    std::optional<std::string> before;
    {
      auto env = Environment::open(scratch.path("store"), Access::write, table_names, {});
      REQUIRE(env);
      REQUIRE(env->write([&](StoreTransaction& change) -> Result<> {
        const auto value = change.get(damage.table, damage.key);
        if (value && *value) before = std::string(**value);
        return change.put(damage.table, damage.key, damage.value);
      }));
    }
    {
      const auto found = scratch.store().check();
      REQUIRE(found);
      REQUIRE(!found->empty());
      CHECK(std::ranges::any_of(
          *found, [&](const auto& text) { return text.find(damage.finding) != text.npos; }));
    }
    auto env = Environment::open(scratch.path("store"), Access::write, table_names, {});
    REQUIRE(env->write([&](StoreTransaction& change) -> Result<> {
      if (before) return change.put(damage.table, damage.key, *before);
      auto erased = change.erase(damage.table, damage.key);
      return erased ? Result<>() : fail(erased);
    }));
  }
  CHECK(scratch.store().check()->empty());
}

TEST_CASE("store: a damaged record stops a slice and is never passed over") {
  ScratchStore scratch;
  {
    auto store = scratch.store();
    REQUIRE(put(store, scratch.list(store), {someone("a@example.org")}, Revive::no));
  }
  {
    auto env = Environment::open(scratch.path("store"), Access::write, table_names, {});
    REQUIRE(env->write([&](StoreTransaction& change) {
      return change.put(table::subscribers,
                        std::string("\0\0\0\1", 4) + address_key(at("a@example.org")), "\x09");
    }));
  }
  auto store = scratch.store();
  std::string after;
  const auto read = store.next_slice(*store.list("news@x.org"), after, [](std::span<const Due>) {});
  REQUIRE(!read);
  CHECK(read.error().status == Status::retry);
  CHECK(read.error().text.find("ml-store check") != std::string::npos);
}

namespace {

// What an import must come to, the slow and obvious way: a map, and the rules as ml-store(1) says
// them, one row after the other.
class PlainList {
 public:
  void import(const std::vector<Entry>& entries, const ImportOptions& options) {
    std::map<std::string, Entry> rows;  // the last of a mailbox counts
    for (const Entry& entry : entries) rows[address_key(entry.address)] = entry;
    for (const auto& [key, row] : rows) take(key, row, options);
    if (options.absent == Absent::stay) return;
    for (auto& [key, one] : people_) {
      if (rows.contains(key) || one.state == State::removed) continue;
      one.state = State::removed;
      one.changed = today();
      one.attributes.clear();
    }
  }

  [[nodiscard]] std::vector<Subscriber> everybody() const {
    std::vector<Subscriber> all;
    for (const auto& [key, one] : people_) all.push_back(one);
    return all;
  }

 private:
  void take(const std::string& key, const Entry& row, const ImportOptions& options) {
    const auto there = people_.find(key);
    Subscriber next;
    if (there == people_.end()) {
      if (options.unknown == Unknown::pass_over) return;
      next.state = row.state.value_or(State::active);
      next.joined = row.joined.value_or(today());
      next.changed = row.changed.value_or(next.joined);
      next.attributes = attributes({}, row.attributes);
    } else {
      const Subscriber& now = there->second;
      const bool out = now.state == State::removed || now.state == State::suspended;
      const State wanted = row.state.value_or(out ? State::active : now.state);
      if (out && options.revive == Revive::no && wanted != now.state && wanted != State::removed) {
        return;
      }
      const bool comes_back = now.state == State::removed && wanted != State::removed;
      next.state = wanted;
      next.joined = row.joined.value_or(comes_back ? today() : now.joined);
      next.changed = row.changed.value_or(wanted == now.state ? now.changed : today());
      const bool lays_over = options.absent == Absent::stay;
      next.attributes = attributes(lays_over ? now.attributes : std::string(), row.attributes);
    }
    if (next.state == State::removed) next.attributes.clear();
    next.address = row.address;
    people_[key] = next;
  }

  static std::string attributes(const std::string& older, const std::string& newer) {
    std::map<std::string, std::string> fields;
    for (const std::string& text : {older, newer}) {
      Attributes(text).each(
          [&](std::string_view key, std::string_view value) { fields[std::string(key)] = value; });
    }
    std::string all;
    for (const auto& [key, value] : fields) all += (all.empty() ? "" : "\t") + key + '=' + value;
    return all;
  }

  std::map<std::string, Subscriber> people_;
};

// Throws of one seed.
class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}
  unsigned below(unsigned limit) { return static_cast<unsigned>(engine_() % limit); }

  Address address() {
    const char* const locals[] = {"a", "B", "a.b", "Zed", "\"q r\"", "Ü"};
    const char* const domains[] = {"org", "x.org", "a-b.org", "a.b.org", "[192.0.2.1]"};
    const std::string local = locals[below(6)];
    const bool counted = !local.starts_with('"');
    return at(local + (counted ? fmt::to_string(below(9)) : "") + '@' + domains[below(5)]);
  }
  std::vector<Entry> entries(unsigned most) {
    const char* const attributes[] = {"", "", "name=N", "b=2\ta=1", "a=3", "c=\\t"};
    std::vector<Entry> all;
    for (unsigned i = below(most); i > 0; --i) {
      Entry& entry = all.emplace_back(Entry{address(), attributes[below(6)], {}, {}, {}});
      if (below(2) == 0) entry.state = static_cast<State>(1 + below(6));
      if (below(4) == 0) entry.joined = static_cast<std::uint16_t>(1 + below(20'000));
      if (below(4) == 0) entry.changed = static_cast<std::uint16_t>(1 + below(20'000));
    }
    return all;
  }

 private:
  std::mt19937 engine_;
};

void check_same(const Store& store, ListNumber list, const PlainList& plain) {
  const auto wanted = plain.everybody();
  std::vector<Subscriber> found;
  REQUIRE(store.each(list, [&](const Subscriber& one) {
    found.push_back(one);
    return true;
  }));
  CHECK(found == wanted);
  std::string lines;
  for (const Subscriber& one : wanted) {
    if (!is_due(one.state) || *store.suppressed(one.address)) continue;
    lines += address_to_text(one.address);
    lines += (one.attributes.empty() ? "" : "\t") + one.attributes + '\n';
  }
  CHECK(due_lines(store, list) == lines);
}

}  // namespace

TEST_CASE("store: random imports come to what the slow and obvious way comes to") {
  for (unsigned seed = 0; seed < 25; ++seed) {
    INFO("seed " << seed);
    Dice dice(seed);
    ScratchStore scratch;
    auto store = scratch.store();
    const ListNumber lists[] = {scratch.list(store, "a@x.org"), scratch.list(store, "b@x.org"),
                                scratch.list(store, "c@x.org")};
    PlainList plain[3];
    for (unsigned i = dice.below(4); i > 0; --i) REQUIRE(store.suppress(dice.address(), ""));
    for (int step = 0; step < 6; ++step) {
      const unsigned which = dice.below(3);
      ImportOptions options;
      if (dice.below(3) == 0) options.revive = Revive::yes;
      if (dice.below(3) == 0) options.absent = Absent::leave;
      if (dice.below(5) == 0) options.unknown = Unknown::pass_over;
      if (dice.below(2) == 0) options.memory = 1000;
      const auto entries = dice.entries(step == 0 ? 400 : 60);
      REQUIRE(store.import(lists[which], rows(entries), options));
      plain[which].import(entries, options);
      for (unsigned i = 0; i < 3; ++i) check_same(store, lists[i], plain[i]);
    }
    CHECK(store.check()->empty());
  }
}
