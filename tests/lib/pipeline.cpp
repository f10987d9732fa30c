#include "list/pipeline.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ml;

namespace {

using Words = std::vector<std::string>;

Words argv(const std::string& stage) {
  return stage_to_argv(stage, {"/opt/bin", "news@x.org"});
}

}  // namespace

TEST_CASE("pipeline: posts and bounces and outbound have defaults and other roles none",
          "[pipeline]") {
  const Settings none;
  CHECK(pipeline_of(none, "post") == Words{"ml-receive", "ml-expand", "ml-verp", "ml-send"});
  CHECK(pipeline_of(none, "bounces") == Words{"ml-bounce", "ml-send"});
  CHECK(pipeline_of(none, "outbound") == Words{"ml-send"});
  CHECK(pipeline_of(none, "owner").empty());
}

TEST_CASE("pipeline: what is set replaces the default whole", "[pipeline]") {
  Settings settings;
  REQUIRE(settings.overlay("[pipeline]\npost = [\"ml-receive\", \"ml-send\"]\nowner = \"cat\"\n",
                           "file"));
  CHECK(pipeline_of(settings, "post") == Words{"ml-receive", "ml-send"});
  CHECK(pipeline_of(settings, "owner") == Words{"cat"});
}

TEST_CASE("pipeline: the delivery waits for ml-receive and what stands before it", "[pipeline]") {
  const auto split = split_pipeline({"spamc", "nice /usr/bin/ml-receive", "ml-expand"});
  CHECK(split.inside == Words{"spamc", "nice /usr/bin/ml-receive"});
  CHECK(split.after == Words{"ml-expand"});
  CHECK(split_pipeline({"ml-bounce", "ml-send"}).inside.empty());
  CHECK(is_plain_receive({"ml-receive"}));
  CHECK_FALSE(is_plain_receive({"ml-receive --post anyone"}));
  CHECK_FALSE(is_plain_receive({"cat", "ml-receive"}));
}

TEST_CASE("pipeline: our programs are taken from beside us and others by their name",
          "[pipeline]") {
  CHECK(argv("ml-rcpts -- grep  -v @x") == Words{"/opt/bin/ml-rcpts", "--", "grep", "-v", "@x"});
  CHECK(argv("spamc -s 100") == Words{"spamc", "-s", "100"});
  CHECK(argv("/usr/local/bin/ml-verp") == Words{"/usr/local/bin/ml-verp"});
}

TEST_CASE("pipeline: characters of the shell make it a command for the shell", "[pipeline]") {
  for (const std::string stage :
       {"a | b", "a >f", "a $LIST", "a 'b c'", "a; b", "a &", "X=1 a", "ls *"}) {
    CHECK(argv(stage) == Words{"/bin/sh", "-c", stage});
  }
  CHECK(argv("ml-send --max-wait=5").size() == 2);
}

TEST_CASE("pipeline: ml-receive and ml-bounce are told the list once", "[pipeline]") {
  CHECK(argv("ml-receive --post anyone") ==
        Words{"/opt/bin/ml-receive", "--post", "anyone", "news@x.org"});
  CHECK(argv("ml-receive news@x.org") == Words{"/opt/bin/ml-receive", "news@x.org"});
  CHECK(argv("ml-bounce") == Words{"/opt/bin/ml-bounce", "news@x.org"});
  CHECK(argv("ml-expand") == Words{"/opt/bin/ml-expand"});
}
