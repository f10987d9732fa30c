#include "mail/date.hpp"

#include <catch2/catch.hpp>

using namespace ml;
using namespace std::chrono;

TEST_CASE("date: a time point as mail writes it in UTC") {
  CHECK(time_to_date(sys_days(2026y / November / 22) + 15h + 4min + 5s) ==
        "Sun, 22 Nov 2026 15:04:05 +0000");
  CHECK(time_to_date(system_clock::time_point{}) == "Thu, 01 Jan 1970 00:00:00 +0000");
  CHECK(time_to_date(sys_days(2024y / February / 29) + 23h + 59min + 59s + 999ms) ==
        "Thu, 29 Feb 2024 23:59:59 +0000");
}

TEST_CASE("date: a time before 1970 is cut down and not up") {
  CHECK(time_to_date(system_clock::time_point{} - 1ms) == "Wed, 31 Dec 1969 23:59:59 +0000");
}

TEST_CASE("date: a Message-ID has its random part and the domain in brackets") {
  CHECK(make_message_id("abc234", "x.org") == "<abc234@x.org>");
}
