#include "mail/mailboxes.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ml;

namespace {

using Shown = std::vector<std::string>;

// Each as NAME|ADDRESS.
Shown shown(std::string_view value) {
  Shown all;
  for (const Mailbox& mailbox : field_to_mailboxes(value)) {
    all.push_back(mailbox.name + '|' + address_to_text(mailbox.address));
  }
  return all;
}

}  // namespace

TEST_CASE("mailboxes: a bare address and one in brackets") {
  CHECK(shown(" ann@example.org") == Shown{"|ann@example.org"});
  CHECK(shown("<ann@Example.org>") == Shown{"|ann@example.org"});
  CHECK(shown("Ann <ann@example.org>") == Shown{"Ann|ann@example.org"});
}

TEST_CASE("mailboxes: display names are unquoted and decoded") {
  CHECK(shown("\"Author, \\\"Ann\\\"\" <a@x.org>") == Shown{"Author, \"Ann\"|a@x.org"});
  CHECK(shown("John Q. Public <a@x.org>") == Shown{"John Q. Public|a@x.org"});
  CHECK(shown("=?utf-8?q?Andr=C3=A9?= =?utf-8?b?IELDqQ==?= <a@x.org>") ==
        Shown{"Andr\xC3\xA9 B\xC3\xA9|a@x.org"});
  CHECK(shown("\"=?iso-8859-1?q?Andr=E9?=\" <a@x.org>") == Shown{"Andr\xC3\xA9|a@x.org"});
  CHECK(shown("Andr\xC3\xA9 <a@x.org>") == Shown{"Andr\xC3\xA9|a@x.org"});
  CHECK(shown("Andr\xE9 <a@x.org>") == Shown{"Andr\xEF\xBF\xBD|a@x.org"});
  CHECK(shown("a@x.org <a@x.org>") == Shown{"a@x.org|a@x.org"});
}

TEST_CASE("mailboxes: a decoded name holds no control") {
  CHECK(shown("=?utf-8?q?a=0ABcc=3A=00x?= <a@x.org>") == Shown{"a Bcc: x|a@x.org"});
}

TEST_CASE("mailboxes: lists with folding and empty places") {
  CHECK(shown("Ann <a@x.org>,\n b@x.org,,\tC\n <c@x.org> ,") ==
        Shown{"Ann|a@x.org", "|b@x.org", "C|c@x.org"});
}

TEST_CASE("mailboxes: groups give their members") {
  CHECK(shown("Team: a@x.org, Bob <b@x.org>; c@x.org") ==
        Shown{"|a@x.org", "Bob|b@x.org", "|c@x.org"});
  CHECK(shown("undisclosed-recipients:;").empty());
  CHECK(shown("undisclosed-recipients:").empty());
  CHECK(shown("A:a@x.org;B:b@x.org;") == Shown{"|a@x.org", "|b@x.org"});
}

TEST_CASE("mailboxes: comments are passed over or name a bare address") {
  CHECK(shown("a@x.org (Ann (the) Author)") == Shown{"Ann (the) Author|a@x.org"});
  CHECK(shown("(x) a (y) @ (z) x.org") == Shown{"z|a@x.org"});
  CHECK(shown("Ann (no, <b@x.org>) <a@x.org>") == Shown{"Ann|a@x.org"});
  CHECK(shown("a@x.org (Ann\\)").size() == 1);
}

TEST_CASE("mailboxes: old routes and blanks around dots are understood") {
  CHECK(shown("Ann <@a.org,@b.org:ann@x.org>") == Shown{"Ann|ann@x.org"});
  CHECK(shown("ann . b @ x . org") == Shown{"|ann.b@x.org"});
}

TEST_CASE("mailboxes: quoted local parts and literals and commas inside them") {
  CHECK(shown("\"a,b\"@x.org, c@[192.0.2.1]") == Shown{"|\"a,b\"@x.org", "|c@[192.0.2.1]"});
}

TEST_CASE("mailboxes: what is no address is left out and its neighbours stay") {
  CHECK(shown("Author, Ann <a@x.org>") == Shown{"Ann|a@x.org"});
  CHECK(shown("root, a@x.org") == Shown{"|a@x.org"});
  CHECK(shown("ann smith@x.org, a@x.org") == Shown{"|a@x.org"});
  CHECK(shown("<ann@x.org, b@x.org") == Shown{"|b@x.org"});
  CHECK(shown("<a@x..org>, <>, <@>, @, b@x.org") == Shown{"|b@x.org"});
  CHECK(shown("").empty());
  CHECK(shown("\"unclosed <a@x.org>").empty());
  CHECK(shown("(unclosed <a@x.org>").empty());
}

TEST_CASE("mailboxes: a display name that looks like an address is none") {
  CHECK(shown("\"boss@x.org\" <a@x.org>") == Shown{"boss@x.org|a@x.org"});
  CHECK(shown("boss@x.org <a@x.org>") == Shown{"boss@x.org|a@x.org"});
  CHECK(shown("(boss@x.org) a@x.org") == Shown{"boss@x.org|a@x.org"});
  CHECK(shown("\"<boss@x.org>\" <a@x.org>") == Shown{"<boss@x.org>|a@x.org"});
}

TEST_CASE("mailboxes: two addresses in the place of one are none") {
  for (const char* value : {"<a@x.org><b@x.org>", "<a@x.org> b@x.org", "<a@x.org>>", "<<a@x.org>",
                            "a@x.org>", "a@@x.org", "a@x.org b@x.org", "<a@x.org> \"b\""}) {
    CAPTURE(value);
    CHECK(mailboxes(value).empty());
  }
}

TEST_CASE("mailboxes: a megabyte of anything is read in one pass") {
  for (const std::string_view unit : {"(", "<", "\"", "\\", "[", "a@b.org,", "=?", "=?a?q?", "@",
                                      ":", "a ", "<@a:", "()", "\"\""}) {
    std::string value;
    while (value.size() < 1'000'000) value += unit;
    const auto found = field_to_mailboxes(value);
    CHECK(found.size() == (unit == "a@b.org," ? value.size() / unit.size() : 0));
  }
}
