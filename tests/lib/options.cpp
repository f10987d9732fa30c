#include "base/options.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <vector>

using namespace ml;

namespace {

// A command with one option of each kind; operands as its `operand` calls say.
struct Trial {
  bool again = false;
  std::optional<std::string> sender;
  std::vector<std::string> via;
  std::optional<std::uint64_t> wait;
  std::optional<std::uint64_t> memory;
  std::optional<std::string> home;
  Options options;

  explicit Trial(Status misuse = Status::retry)
      : options("ml-trial", "[OPTION...]", "Tries.", "ml-trial | ml-send", misuse) {
    options.flag(again, "--again", "once more");
    options.text(sender, "--sender,-f", "ADDRESS", "the envelope sender");
    options.many(via, "--via", "URI", "where to");
    options.number(wait, "--max-wait", "SECONDS", "at most");
    options.size(memory, "--memory", "SIZE", "at most");
    options.text(home, "--home", "DIRECTORY", "the home");
  }

  Result<std::optional<Status>> read(std::initializer_list<const char*> arguments) {
    std::vector<const char*> argv{"ml-trial"};
    argv.insert(argv.end(), arguments);
    return options.read(static_cast<int>(argv.size()), argv.data());
  }
  std::string complaint(std::initializer_list<const char*> arguments) {
    const auto read_ = read(arguments);
    return read_ ? "none" : read_.error().text;
  }
};

// Set for one test.
struct Variable {
  const char* name;
  Variable(const char* its_name, const char* value) : name(its_name) { setenv(name, value, 1); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { unsetenv(name); }
};

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("options: nothing given leaves every variable untouched") {
  Trial trial;
  const auto read = trial.read({});
  REQUIRE(read);
  CHECK_FALSE(*read);
  CHECK_FALSE(trial.again);
  CHECK_FALSE(trial.sender);
  CHECK(trial.via.empty());
  CHECK_FALSE(trial.wait);
}

TEST_CASE("options: values come behind a blank or an equals sign and by the short name") {
  Trial trial;
  REQUIRE(trial.read({"--sender=a=b@x.org", "--via", "null:", "--via=smtp://h:25", "--again",
                      "--max-wait", "60", "--memory=64M"}));
  CHECK(trial.sender == "a=b@x.org");
  CHECK(trial.via == Words{"null:", "smtp://h:25"});
  CHECK(trial.again);
  CHECK(trial.wait == 60U);
  CHECK(trial.memory == 64U << 20);
  REQUIRE(trial.read({"-f", "short@x.org"}));
  CHECK(trial.sender == "short@x.org");
}

TEST_CASE("options: an option takes one value and leaves the next word an operand") {
  std::vector<std::string> to;
  std::vector<std::string> lists;
  std::optional<std::string> sender;
  Options options("ml-trial", "[LIST...]", "Tries.", "ml-trial x");
  options.many(to, "--to", "FILE", "people").text(sender, "--sender", "ADDRESS", "sender");
  options.operands(lists, "LIST");
  const char* argv[] = {"ml-trial",  "--to", "a.csv",      "one",
                        "--sender=", "two",  "--to=b.csv", "three"};
  REQUIRE(options.read(8, argv));
  CHECK(to == Words{"a.csv", "b.csv"});
  CHECK(sender == "");
  CHECK(lists == Words{"one", "two", "three"});
}

TEST_CASE("options: the last of an option given twice counts") {
  Trial trial;
  REQUIRE(trial.read({"--sender", "a@x.org", "--sender", "b@x.org"}));
  CHECK(trial.sender == "b@x.org");
}

TEST_CASE("options: a lone dash and an empty text are values") {
  Trial trial;
  REQUIRE(trial.read({"--sender", "-", "--via", ""}));
  CHECK(trial.sender == "-");
  CHECK(trial.via == Words{""});
  REQUIRE(trial.read({"--sender="}));
  CHECK(trial.sender == "");
}

TEST_CASE("options: brackets and commas in a value stay as they are") {
  Trial trial;
  REQUIRE(trial.read({"--via", "[a,b]", "--sender", "{x}", "--via=[c,d]", "--via", "a b"}));
  CHECK(trial.via == Words{"[a,b]", "[c,d]", "a b"});
  CHECK(trial.sender == "{x}");
}

TEST_CASE("options: what cannot be understood says what and points to the help") {
  Trial trial;
  for (const auto& wrong : {std::initializer_list<const char*>{"--no-such"},
                            {"--sender"},
                            {"--again=yes"},
                            {"--aga"},
                            {"-x"},
                            {"--max-wait", "soon"},
                            {"--max-wait", "-1"},
                            {"--memory", "64X"},
                            {"one-operand"}}) {
    const auto read = trial.read(wrong);
    CAPTURE(*wrong.begin());
    REQUIRE_FALSE(read);
    CHECK(read.error().status == Status::retry);
    CHECK(read.error().text.find("(see ml-trial --help)") != std::string::npos);
  }
  CHECK(trial.complaint({"--max-wait", "soon"}) ==
        "--max-wait takes a number, not 'soon' (see ml-trial --help)");
  CHECK(trial.complaint({"x.txt"}) == "'x.txt' is one operand too many (see ml-trial --help)");
}

TEST_CASE("options: a tool for people calls misuse 64") {
  Trial trial(Status::usage);
  const auto read = trial.read({"--no-such"});
  REQUIRE_FALSE(read);
  CHECK(read.error().status == Status::usage);
}

TEST_CASE("options: the environment is asked where the command line is silent") {
  const Variable sender("ML_TRIAL_SENDER", "env@x.org");
  const Variable via("ML_TRIAL_VIA", " null:  smtp://h ");
  const Variable wait("ML_TRIAL_MAX_WAIT", "7");
  const Variable again("ML_TRIAL_AGAIN", "1");
  Trial trial;
  REQUIRE(trial.read({"--sender", "flag@x.org"}));
  CHECK(trial.sender == "flag@x.org");
  CHECK(trial.via == Words{"null:", "smtp://h"});
  CHECK(trial.wait == 7U);
  CHECK(trial.again);
}

TEST_CASE("options: a flag replaces the whole value of the environment") {
  const Variable via("ML_TRIAL_VIA", "smtp://a smtp://b");
  Trial trial;
  REQUIRE(trial.read({"--via", "null:"}));
  CHECK(trial.via == Words{"null:"});
}

TEST_CASE("options: a flag set to 0 or no in the environment is not given") {
  for (const char* off : {"0", "no", ""}) {
    const Variable again("ML_TRIAL_AGAIN", off);
    Trial trial;
    REQUIRE(trial.read({}));
    CHECK_FALSE(trial.again);
  }
}

TEST_CASE("options: an empty variable is as good as none") {
  const Variable sender("ML_TRIAL_SENDER", "");
  const Variable wait("ML_TRIAL_MAX_WAIT", "");
  const Variable via("ML_TRIAL_VIA", " ");
  Trial trial;
  REQUIRE(trial.read({}));
  CHECK_FALSE(trial.sender);
  CHECK_FALSE(trial.wait);
  CHECK(trial.via.empty());
}

TEST_CASE("options: nonsense in the environment is said like nonsense in a flag") {
  const Variable wait("ML_TRIAL_MAX_WAIT", "soon");
  Trial trial;
  CHECK(trial.complaint({}) == "--max-wait takes a number, not 'soon' (see ml-trial --help)");
}

TEST_CASE("options: the home of the environment is not an option's") {
  const Variable home("ML_TRIAL_HOME", "/nowhere");
  Trial trial;
  REQUIRE(trial.read({}));
  CHECK_FALSE(trial.home);
}

TEST_CASE("options: the second word of a command is not in the names of its variables") {
  const Variable sender("ML_TRIAL_SENDER", "env@x.org");
  std::optional<std::string> found;
  Options options("ml-trial import", "LIST", "Imports.", "ml-trial import x");
  options.text(found, "--sender", "ADDRESS", "sender");
  const char* argv[] = {"ml-trial"};
  REQUIRE(options.read(1, argv));
  CHECK(found == "env@x.org");
}

TEST_CASE("options: operands are taken in order and a missing one is named") {
  std::string list;
  std::optional<std::string> role;
  Options options("ml-trial", "LIST [ROLE]", "Tries.", "ml-trial x");
  options.operand(list, "LIST").optional_operand(role, "ROLE");
  const char* two[] = {"ml-trial", "news@x.org", "-"};
  REQUIRE(options.read(3, two));
  CHECK(list == "news@x.org");
  CHECK(role == "-");
  const auto none = options.read(1, two);
  REQUIRE_FALSE(none);
  CHECK(none.error().text == "LIST is missing (see ml-trial --help)");
  const char* three[] = {"ml-trial", "a", "b", "c"};
  CHECK_FALSE(options.read(4, three));
}

TEST_CASE("options: after two dashes an operand may begin with one") {
  std::vector<std::string> lists;
  bool again = false;
  Options options("ml-trial", "[LIST...]", "Tries.", "ml-trial x");
  options.flag(again, "--again", "once more").operands(lists, "LIST");
  const char* argv[] = {"ml-trial", "a", "--", "--again", "-b"};
  REQUIRE(options.read(5, argv));
  CHECK(lists == Words{"a", "--again", "-b"});
  CHECK_FALSE(again);
}

TEST_CASE("options: the rest behind two dashes is the command with all its own options") {
  std::vector<std::string> command;
  Options options("ml-trial", "-- COMMAND", "Tries.", "ml-trial -- cat");
  options.rest(command, "COMMAND");
  const char* argv[] = {"ml-trial", "--", "grep", "--help", "-v", "--", "x"};
  const auto read = options.read(7, argv);
  REQUIRE(read);
  CHECK_FALSE(*read);
  CHECK(command == Words{"grep", "--help", "-v", "--", "x"});
  CHECK_FALSE(options.read(2, argv));
  const char* bare[] = {"ml-trial", "grep"};
  const auto forgotten = options.read(2, bare);
  REQUIRE_FALSE(forgotten);
  CHECK(forgotten.error().text.find("the command goes after --") != std::string::npos);
}

TEST_CASE("options: a pipe that no shell has eaten is 75 whatever stands around it") {
  std::vector<std::string> command;
  Options filter("ml-rcpts", "-- COMMAND", "Tries.", "ml-rcpts -- cat", Status::usage);
  filter.rest(command, "COMMAND");
  const char* exim[] = {"ml-rcpts", "--", "cat", "|", "/usr/bin/ml-send"};
  const auto read = filter.read(5, exim);
  REQUIRE_FALSE(read);
  CHECK(read.error().status == Status::retry);
  CHECK(read.error().text.find("/bin/sh -c") != std::string::npos);
  const char* awk[] = {"ml-rcpts", "--", "awk", "-F", "|", "{print}"};
  CHECK(filter.read(6, awk));
  const char* at_end[] = {"ml-rcpts", "--", "cat", "|"};
  CHECK_FALSE(filter.read(4, at_end));
  Trial trial;
  CHECK_FALSE(trial.read({"--again", "|", "ml-send"}));
}

TEST_CASE("options: sizes have a unit or none and never overflow") {
  CHECK(text_to_size("0") == 0U);
  CHECK(text_to_size("512") == 512U);
  CHECK(text_to_size("64k") == 65536U);
  CHECK(text_to_size("2G") == 2ULL << 30);
  CHECK(text_to_size("1T") == 1ULL << 40);
  CHECK(text_to_size("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  CHECK_FALSE(text_to_size("17179869184G"));
  for (const char* bad : {"", "K", "-1", "1.5G", "1 G", "1KB", "G1"}) {
    CAPTURE(bad);
    CHECK_FALSE(text_to_size(bad));
  }
}
