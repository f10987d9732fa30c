#include "mail/html.hpp"

#include <catch2/catch.hpp>

#include <string_view>

using namespace ml;

namespace {

HtmlPlace behind(std::string_view html) {
  HtmlPlaces places;
  places.pass(html);
  return places.place();
}

}  // namespace

TEST_CASE("html: between tags is text") {
  CHECK(behind("") == HtmlPlace::text);
  CHECK(behind("<p class=x>Hello ") == HtmlPlace::text);
  CHECK(behind("a < b and 1 <2 ") == HtmlPlace::text);
  CHECK(behind("<br/>x</p >") == HtmlPlace::text);
  CHECK(behind("<title>a <b> ") == HtmlPlace::text);
  CHECK(behind("<!-- x --><p>") == HtmlPlace::text);
  CHECK(behind("<!DOCTYPE html><p>") == HtmlPlace::text);
  CHECK(behind("<!--> ") == HtmlPlace::text);
  CHECK(behind("<script>if (a</b>) </SCRIPT >") == HtmlPlace::text);
  CHECK(behind("<style>a{}</style\n>x") == HtmlPlace::text);
  CHECK(behind("</>") == HtmlPlace::text);
}

TEST_CASE("html: scripts and styles wherever they hide") {
  CHECK(behind("<script>") == HtmlPlace::script);
  CHECK(behind("<SCRIPT src=x>var a = '") == HtmlPlace::script);
  CHECK(behind("<style>a{</styl>") == HtmlPlace::script);
  CHECK(behind("<p onclick=\"f('") == HtmlPlace::script);
  CHECK(behind("<p STYLE='x:") == HtmlPlace::script);
  CHECK(behind("<iframe srcdoc=\"") == HtmlPlace::script);
  CHECK(behind("<a href=\"javascript:f(") == HtmlPlace::script);
  CHECK(behind("<a href=\" java\nscript:f(") == HtmlPlace::script);
  CHECK(behind("<a href=\"java") == HtmlPlace::script);
  CHECK(behind("<a href=\"java&#115;cript:") == HtmlPlace::script);
  CHECK(behind("<a href=\"data:text/html,") == HtmlPlace::script);
  CHECK(behind("<plaintext></plaintext>") == HtmlPlace::script);
}

TEST_CASE("html: quoted attributes and those without quotes") {
  CHECK(behind("<p title=\"a > ' ") == HtmlPlace::attribute);
  CHECK(behind("<p a = 'x' title = '\" ") == HtmlPlace::attribute);
  CHECK(behind("<p title=") == HtmlPlace::unquoted);
  CHECK(behind("<p title=x") == HtmlPlace::unquoted);
  CHECK(behind("<p title=\"x\"") == HtmlPlace::markup);
  CHECK(behind("<p tit") == HtmlPlace::markup);
  CHECK(behind("<") == HtmlPlace::markup);
  CHECK(behind("</") == HtmlPlace::markup);
}

TEST_CASE("html: URLs are told by the attribute or by the word") {
  CHECK(behind("<a href=\"") == HtmlPlace::whole_url);
  CHECK(behind("<a HREF=' ") == HtmlPlace::whole_url);
  CHECK(behind("<a href=\"https://x.org/?a=") == HtmlPlace::url);
  CHECK(behind("<a href=\"/path?a=") == HtmlPlace::url);
  CHECK(behind("<a href=\"mailto:") == HtmlPlace::url);
  CHECK(behind("<p>see https://x.org/?a=") == HtmlPlace::url);
  CHECK(behind("<p>see https://x.org/ and ") == HtmlPlace::text);
  CHECK(behind("<p>https://x.org<b>") == HtmlPlace::text);
}

TEST_CASE("html: behind a slot the URL goes on") {
  HtmlPlaces places;
  places.pass("<a href=\"");
  CHECK(places.place() == HtmlPlace::whole_url);
  CHECK(places.place() == HtmlPlace::url);
  places.pass("/x?y=");
  CHECK(places.place() == HtmlPlace::url);
  places.pass("\" title=\"");
  CHECK(places.place() == HtmlPlace::attribute);
  places.pass("\" href=\"");
  CHECK(places.place() == HtmlPlace::whole_url);
}

TEST_CASE("html: comments and declarations") {
  CHECK(behind("<!--[if mso]><p title=\"") == HtmlPlace::comment);
  CHECK(behind("<!-- a -- > ") == HtmlPlace::comment);
  CHECK(behind("<!x") == HtmlPlace::comment);
  CHECK(behind("<?xml ") == HtmlPlace::comment);
  CHECK(behind("</1") == HtmlPlace::comment);
}
