#include "list/settings.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <string>

#include "scratch.hpp"

using namespace ml;
using ml::tests::Scratch;

namespace {

const ListName news{"news", "x.org"};

std::string why(const Result<>& result) {
  return result ? "" : result.error().text;
}

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("settings: the list comes before the domain and the domain before the site", "[list]") {
  const Scratch scratch;
  scratch.write("lists.toml", "post = 'nobody'\nelse = 'drop'\narchive = 'https://a/'\n");
  scratch.write("lists/x.org.toml", "post = 'subscribers'\nelse = 'hold'\n");
  scratch.write("lists/x.org/news.toml", "post = 'anyone'\n");
  const auto list = load_settings(scratch.home(), &news);
  REQUIRE(list);
  CHECK(list->text("post") == "anyone");
  CHECK(list->text("else") == "hold");
  CHECK(list->text("archive") == "https://a/");
  const auto site = load_settings(scratch.home(), nullptr);
  REQUIRE(site);
  CHECK(site->text("post") == "nobody");
}

TEST_CASE("settings: a home without any file is no failure", "[list]") {
  const Scratch scratch;
  const auto settings = load_settings(scratch.home(), &news);
  REQUIRE(settings);
  CHECK(!settings->text("post"));
  CHECK(!settings->many("owner"));
  CHECK(settings->size("max-size")->has_value() == false);
}

TEST_CASE("settings: sizes and lists and truths come in every spelling", "[list]") {
  Settings settings;
  REQUIRE(
      settings.overlay("max-size = '64M'\nmax-hops = 30\nxverp = true\n"
                       "via = ['smtp://a', 'smtp://b']\nowner = 'ann@x.org'\n"
                       "[pipeline]\npost = ['ml-receive', 'ml-send']\n",
                       "f"));
  CHECK(settings.size("max-size")->value() == 64U << 20);
  CHECK(settings.size("max-hops")->value() == 30);
  CHECK(settings.text("xverp") == "true");
  CHECK(settings.many("via")->size() == 2);
  CHECK(settings.many("owner") == std::vector<std::string>{"ann@x.org"});
  CHECK(settings.many("pipeline.post")->back() == "ml-send");
}

TEST_CASE("settings: a value of the wrong kind names file and line and key", "[list]") {
  Settings settings;
  for (const char* text :
       {"\npost = 5", "\nmax-size = 'large'", "\nmax-size = -1", "\nowner = [1, 2]", "\nowner = 5",
        "\nother = 1.5", "\nother = 2026-11-22", "\nowner = [['a']]", "\nother = [{a = 'b'}]"}) {
    CAPTURE(text);
    const std::string reason = why(settings.overlay(text, "lists.toml"));
    CHECK(holds(reason, "lists.toml: line 2: "));
    CHECK(holds(reason, " must be "));
  }
}

TEST_CASE("settings: text that is no TOML names file and line", "[list]") {
  Settings settings;
  CHECK(holds(why(settings.overlay("post = 'a'\npost = 'b'\n", "f")), "f: line 2: "));
  CHECK(holds(why(settings.overlay("a = [[[[", "f")), "f: line 1: "));
  CHECK(!settings.overlay(std::string("a = 'x\0y'", 9), "f"));
  CHECK(!settings.overlay("a = '\xff'", "f"));
}

TEST_CASE("settings: what the library takes for impossible is refused like the rest", "[list]") {
  Settings settings;
  for (const char* text : {"[!", "[ !x]", "[[ (", "a = 1\n[=]", "[\xc2\xa0!", "[#", "[."}) {
    CAPTURE(text);
    const std::string reason = why(settings.overlay(text, "news.toml"));
    CHECK(holds(reason, "news.toml: "));
  }
}

TEST_CASE("settings: other characters than ASCII stand in quotes and comments only", "[list]") {
  for (const char* text : {"\xef\xbb\xbfpost = 'anyone'", "a = 'b\xc3\xbc' # \xc3\xbc"}) {
    CAPTURE(text);
    CHECK(why(Settings().overlay(text, "f")).empty());
  }
  for (const char* text : {"pos= \xef\xb3\xbft = 'x'", "a = 'x'\xc3\xbc", "a = 5'\xcc\xb2'",
                           "a = \"\"\"\\\xef\xb3\xbf", "\xc3\xbc = 'x'"}) {
    CAPTURE(text);
    CHECK(!Settings().overlay(text, "f"));
  }
}

TEST_CASE("settings: a size of an unknown key is checked when it is read", "[list]") {
  Settings settings;
  REQUIRE(settings.overlay("batch = 'many'\n", "f"));
  const auto size = settings.size("batch");
  REQUIRE(!size);
  CHECK(holds(size.error().text, "f: batch must be"));
}

TEST_CASE("settings: a key that no command knows is told with its file", "[list]") {
  Settings settings;
  REQUIRE(settings.overlay("pots = 'anyone'\n[x]\ny = 1\n", "f"));
  CHECK(settings.unknown() == std::vector<std::string>{"f: pots", "f: x.y"});
}

TEST_CASE("settings: a pipeline of no role and a setting of the site in a list's file are told",
          "[list]") {
  const std::string_view text = "via = 'null:'\n[pipeline]\npots = ['cat']\npost = ['cat']\n";
  Settings site;
  REQUIRE(site.overlay(text, "/home/lists.toml"));
  CHECK(site.unknown() == std::vector<std::string>{"/home/lists.toml: pipeline.pots"});
  CHECK(site.many("via") == std::vector<std::string>{"null:"});
  // The list lists@x.org: a file of that name, which is not the site's.
  Settings list;
  REQUIRE(list.overlay(text, "/home/lists/x.org/lists.toml", SettingsOf::list));
  CHECK(list.unknown() == std::vector<std::string>{"/home/lists/x.org/lists.toml: via",
                                                   "/home/lists/x.org/lists.toml: pipeline.pots"});
  CHECK(!list.many("via"));
}

TEST_CASE("settings: a file that others may write is refused", "[list]") {
  const Scratch scratch;
  for (const mode_t mode : {mode_t{0660}, mode_t{0606}}) {
    scratch.write("lists/x.org/news.toml", "post = 'anyone'\n", mode);
    const auto settings = load_settings(scratch.home(), &news);
    REQUIRE(!settings);
    CHECK(holds(settings.error().text, "chmod go-w"));
  }
}

TEST_CASE("settings: a link that leads out of the home is refused", "[list]") {
  const Scratch scratch;
  const Scratch elsewhere;
  elsewhere.write("evil.toml", "post = 'anyone'\n");
  scratch.write("lists/x.org/other.toml", "");
  REQUIRE(symlink(elsewhere.path("evil.toml").c_str(),
                  scratch.path("lists/x.org/news.toml").c_str()) == 0);
  CHECK(!load_settings(scratch.home(), &news));
}

TEST_CASE("settings: a FIFO or a directory in place of a file is refused at once", "[list]") {
  const Scratch scratch;
  REQUIRE(mkfifo(scratch.path("lists.toml").c_str(), 0600) == 0);
  CHECK(!load_settings(scratch.home(), nullptr));
  REQUIRE(unlink(scratch.path("lists.toml").c_str()) == 0);
  REQUIRE(mkdir(scratch.path("lists.toml").c_str(), 0700) == 0);
  CHECK(!load_settings(scratch.home(), nullptr));
}

TEST_CASE("settings: a file over a megabyte is refused", "[list]") {
  const Scratch scratch;
  scratch.write("lists.toml", std::string((1U << 20) + 1, '#'));
  const auto settings = load_settings(scratch.home(), nullptr);
  REQUIRE(!settings);
  CHECK(settings.error().status == Status::retry);
}

TEST_CASE("settings: the default domain completes a bare list name", "[list]") {
  const Scratch scratch;
  CHECK(!find_list_name(scratch.home(), "news"));
  CHECK(find_list_name(scratch.home(), "news@x.org")->text() == "news@x.org");
  scratch.write("lists.toml", "default-domain = 'x.org'\n");
  CHECK(find_list_name(scratch.home(), "news")->text() == "news@x.org");
}
