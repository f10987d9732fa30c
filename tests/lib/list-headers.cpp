#include "list/headers.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ml;

namespace {
const ListName news{"news", "x.org"};
}

TEST_CASE("list headers: a list says who it is and how to leave it", "[list]") {
  CHECK(list_fields(news, {}) ==
        "X-BeenThere: news@x.org\n"
        "List-Id: <news.x.org>\n"
        "List-Post: <mailto:news@x.org>\n"
        "List-Help: <mailto:news-request@x.org?subject=help>\n"
        "List-Subscribe: <mailto:news-subscribe@x.org>\n"
        "List-Unsubscribe: <mailto:news-unsubscribe@x.org>\n"
        "List-Owner: <mailto:news-owner@x.org>\n"
        "Precedence: list\n");
}

TEST_CASE("list headers: a closed list with an archive says both", "[list]") {
  const auto fields =
      list_fields(news, {.posting = Posting::closed, .archive = "https://x.org/news/"});
  REQUIRE(fields);
  CHECK(fields->find("\nList-Post: NO\n") != std::string::npos);
  CHECK(fields->find("\nList-Archive: <https://x.org/news/>\n") != std::string::npos);
}

TEST_CASE("list headers: an archive cannot inject a field", "[list]") {
  for (const char* archive : {"https://x/\nBcc: all@x.org", "https://x/>, <https://y/", "no url",
                              "https://x/\xc3\xbc", "https://x/ y"}) {
    CAPTURE(archive);
    CHECK(!list_fields(news, {.archive = archive}));
  }
}

TEST_CASE("list headers: a place to unsubscribe at by one click is named before the mail",
          "[list]") {
  const auto fields = list_fields(news, {.unsubscribe = "https://x.org/u/{{token}}"});
  REQUIRE(fields);
  CHECK(fields->find("\nList-Unsubscribe: <https://x.org/u/{{token}}>,\n"
                     " <mailto:news-unsubscribe@x.org>\n"
                     "List-Unsubscribe-Post: List-Unsubscribe=One-Click\n") != std::string::npos);
}

TEST_CASE("list headers: one click needs https and the token once", "[list]") {
  for (const char* url :
       {"http://x.org/{{token}}", "https://x.org/", "https://x.org/{{token}}{{token}}",
        "https://x.org/{{name}}/{{token}}", "https://x.org/{{token}}>, <https://y/",
        "https://x.org/{{token}}\nBcc: all@x.org", "mailto:{{token}}@x.org"}) {
    CAPTURE(url);
    CHECK(!list_fields(news, {.unsubscribe = url}));
  }
}

TEST_CASE("list headers: foreign list fields and the trace of the delivery go", "[list]") {
  for (const char* name : {"List-Id", "LIST-UNSUBSCRIBE-POST", "list-anything", "Return-path",
                           "Delivered-To", "X-Original-To", "Envelope-to", "Precedence",
                           "Disposition-Notification-To", "Return-Receipt-To", "Errors-To"}) {
    CAPTURE(name);
    CHECK(is_taken_away(name));
  }
  for (const char* name : {"Received", "DKIM-Signature", "X-BeenThere", "Sender", "Reply-To",
                           "Listing", "X-List-Id", "Resent-From", "Auto-Submitted", ""}) {
    CAPTURE(name);
    CHECK(!is_taken_away(name));
  }
}

TEST_CASE("list headers: an automatic answer is known by Auto-Submitted alone", "[list]") {
  for (const char* value :
       {"auto-replied", " Auto-Replied ", "auto-replied; owner-email=\"a@x.org\"",
        "auto-replied(vacation)", "(a (b)) auto-replied (c)", "auto-replied\t;x=y"}) {
    CAPTURE(value);
    CHECK(is_automatic_answer("Auto-submitted", value));
  }
  for (const char* value : {"no", "", "auto-generated", "auto-notified; x=y", "(auto-replied) no",
                            "auto-replied-not", "(auto-replied"}) {
    CAPTURE(value);
    CHECK(!is_automatic_answer("Auto-Submitted", value));
  }
  CHECK(!is_automatic_answer("Precedence", "auto-replied"));
}

TEST_CASE("list headers: only our own marks are a loop", "[list]") {
  CHECK(is_loop_mark(news, "X-BeenThere", " News@X.org "));
  CHECK(is_loop_mark(news, "x-beenthere", "news@x.org"));
  CHECK(is_loop_mark(news, "List-Id", " \"The <news>\" <NEWS.x.org>"));
  CHECK(is_loop_mark(news, "List-ID", "news.x.org"));
  CHECK(!is_loop_mark(news, "X-BeenThere", "news@y.org"));
  CHECK(!is_loop_mark(news, "X-BeenThere", "mynews@x.org"));
  CHECK(!is_loop_mark(news, "List-Id", "<dev.news.x.org>"));
  CHECK(!is_loop_mark(news, "List-Id", "<news.x.org"));
  CHECK(!is_loop_mark(news, "List-Id", ""));
  CHECK(!is_loop_mark(news, "Subject", "news@x.org"));
}
