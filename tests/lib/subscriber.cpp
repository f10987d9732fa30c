#include "store/subscriber.hpp"

#include <catch2/catch.hpp>

using namespace ml;

namespace {

Subscriber someone(const std::string& address) {
  return {*text_to_address(address), State::bouncing, 20779, 20780, "name=Ann\ttags=a,b"};
}

}  // namespace

TEST_CASE("subscriber: a value and its key give back what was packed") {
  for (const std::string text : {"ann@example.org", "Ann@example.org", "\"a B\"@[192.0.2.1]",
                                 "\xC3\x84nn@xn--bcher-kva.example", "a@[IPv6:2001:db8::1]"}) {
    INFO(text);
    const auto subscriber = someone(text);
    const auto found =
        value_to_subscriber(address_key(subscriber.address), subscriber_to_value(subscriber));
    REQUIRE(found);
    CHECK(*found == subscriber);
  }
}

TEST_CASE("subscriber: the value is fixed in its octets") {
  CHECK(subscriber_to_value({*text_to_address("ann@x.org"), State::active, 0x0102, 0x0304,
                             "k=v"}) == std::string("\1\0\1\2\3\4\0\0k=v", 11));
  CHECK(subscriber_to_value({*text_to_address("Ann@x.org"), State::removed, 0, 1, ""}) ==
        std::string("\6\1\0\0\0\1\0\0\3Ann", 12));
}

TEST_CASE("subscriber: a value cut at any octet of its fixed part is damaged") {
  const auto subscriber = someone("Ann@example.org");
  const auto key = address_key(subscriber.address);
  const auto value = subscriber_to_value(subscriber);
  for (std::size_t length = 0; length < 12; ++length) {
    CHECK(!value_to_subscriber(key, std::string_view(value).substr(0, length)));
  }
}

TEST_CASE("subscriber: a value of another key or of an unknown state is damaged") {
  const auto subscriber = someone("Ann@example.org");
  const auto value = subscriber_to_value(subscriber);
  CHECK(!value_to_subscriber(address_key(*text_to_address("bob@example.org")), value));
  CHECK(!value_to_subscriber("no NUL", value));
  auto key = address_key(subscriber.address);
  for (const char state : {'\0', '\7', '\xff'}) {
    auto other = value;
    other[0] = state;
    CHECK(!value_to_subscriber(key, other));
  }
  auto reserved = value;
  reserved[7] = 1;
  CHECK(!value_to_subscriber(key, reserved));
}

TEST_CASE("subscriber: states have words and only active and bouncing and digest are due") {
  for (int i = 1; i <= 6; ++i) {
    const auto state = static_cast<State>(i);
    CHECK(text_to_state(state_to_text(state)) == state);
    CHECK(is_due(state) ==
          (state == State::active || state == State::bouncing || state == State::digest));
  }
  CHECK(!text_to_state(""));
  CHECK(!text_to_state("Active"));
}

TEST_CASE("subscriber: days are calendar days from 1970 to 2149") {
  CHECK(day_to_text(0) == "1970-01-01");
  CHECK(day_to_text(20779) == "2026-11-22");
  CHECK(day_to_text(65535) == "2149-06-06");
  for (const std::uint16_t day : std::initializer_list<std::uint16_t>{0, 59, 11016, 20779, 65535}) {
    CHECK(text_to_day(day_to_text(day)) == day);
  }
  for (const auto* const text : {"", "2026-11-2", "2026-02-30", "2026-13-01", "1969-12-31",
                                 "2149-06-07", "2026/11/22", "+026-11-22", "2026-11-22 "}) {
    INFO(text);
    CHECK(!text_to_day(text));
  }
}

TEST_CASE("subscriber: attributes are laid over key by key and stand in order") {
  CHECK(merge_attributes("", "b=1") == "b=1");
  CHECK(merge_attributes("a=1\tb=2", "") == "a=1\tb=2");
  CHECK(merge_attributes("a=1\tc=2", "b=x\tc=y") == "a=1\tb=x\tc=y");
  CHECK(sorted_attributes("b=1\ta=2\tb=3") == "a=2\tb=3");
}

TEST_CASE("subscriber: attributes that would break a line of the stream are not good") {
  for (const auto* const good : {"", "a=", "name=Ann\ttags=a,b", "n=\xC3\xA4\\tb"}) {
    CHECK(are_good_attributes(good));
  }
  for (const auto* const bad :
       {"a", "=b", "A=b", "a=b\t", "\ta=b", "a=b\nc=d", "a=\xff", "a=\\x"}) {
    INFO(bad);
    CHECK(!are_good_attributes(bad));
  }
}
