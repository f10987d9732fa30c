#include "base/home.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

using namespace ml;
namespace fs = std::filesystem;

namespace {

constexpr uid_t somebody = 65534;

// A fresh directory that anybody may pass through, gone with the test.
struct Scratch {
  std::string directory;
  Scratch() {
    std::string name = (fs::temp_directory_path() / "mlpipe-home-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    REQUIRE(chmod(name.c_str(), 0755) == 0);
    directory = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { fs::remove_all(directory); }
  [[nodiscard]] std::string path(const std::string& name) const { return directory + '/' + name; }
};

// The environment that names homes, as it was before when the test is over.
struct Environment {
  Environment(const char* ml_home, const char* state, const char* home) {
    set("ML_HOME", ml_home);
    set("XDG_STATE_HOME", state);
    set("HOME", home);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() {
    unsetenv("ML_HOME");
    unsetenv("XDG_STATE_HOME");
    set("HOME", before_.c_str());
  }

 private:
  static void set(const char* name, const char* value) {
    value == nullptr ? unsetenv(name) : setenv(name, value, 1);
  }
  std::string before_ = getenv("HOME") == nullptr ? "/" : getenv("HOME");
};

// The status of `act` in a process of its own, because becoming somebody is for good.
int in_a_child(const std::function<int()>& act) {
  const pid_t child = fork();
  if (child == 0) _exit(act());
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool is_root() {
  return geteuid() == 0;
}

}  // namespace

TEST_CASE("home: the flag goes before the variable") {
  const Environment set("/from/variable", nullptr, "/from/home");
  CHECK(home_directory("/from/flag") == "/from/flag");
  CHECK(home_directory("") == "/from/variable");
  CHECK(home_directory(std::nullopt) == "/from/variable");
}

TEST_CASE("home: without flag and variable it is the system's or the user's own") {
  const bool system = fs::exists("/var/lib/mlpipe");
  const std::string installed = "/var/lib/mlpipe";
  {
    const Environment set(nullptr, "/state", "/from/home");
    CHECK(home_directory(std::nullopt) == (system ? installed : "/state/mlpipe"));
  }
  const Environment set("", "", "/from/home");
  CHECK(home_directory(std::nullopt) == (system ? installed : "/from/home/.local/state/mlpipe"));
}

TEST_CASE("home: a missing one is made only where that is asked for and then private") {
  const Scratch scratch;
  const std::string where = scratch.path("a/b/home");
  const auto missing = open_home(where, Create::no);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().status == Status::retry);
  CHECK(missing.error().text.find("ml-list create makes one") != std::string::npos);
  CHECK_FALSE(fs::exists(scratch.path("a")));
  REQUIRE(open_home(where, Create::yes));
  struct stat about{};
  REQUIRE(stat(where.c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0700);
  CHECK(open_home(where, Create::no));
}

TEST_CASE("home: what can do without has none where none was made and none was named") {
  const Scratch scratch;
  const std::string where = scratch.path("home");
  const Environment set(where.c_str(), nullptr, nullptr);
  const auto none = open_home_if_there(std::nullopt);
  REQUIRE(none);
  CHECK_FALSE(*none);
  const auto slip = open_home_if_there(where);
  REQUIRE_FALSE(slip);
  CHECK(slip.error().text.find("there is no home " + where) != std::string::npos);
  REQUIRE(open_home(where, Create::yes));
  for (const std::optional<std::string>& named : {std::optional(where), {}}) {
    const auto home = open_home_if_there(named);
    REQUIRE((home && *home));
    CHECK((*home)->directory() == where);
  }
}

TEST_CASE("home: directories below it are made with all that is missing above") {
  const Scratch scratch;
  const auto home = open_home(scratch.path("home"), Create::yes);
  REQUIRE(home);
  REQUIRE(home->make_directory("journal/ab"));
  REQUIRE(home->make_directory("journal/ab"));
  struct stat about{};
  REQUIRE(stat(home->path("journal/ab").c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0700);
}

TEST_CASE("home: a file in its place is 75 and not opened") {
  const Scratch scratch;
  REQUIRE(open_file(scratch.path("file"), O_WRONLY | O_CREAT));
  const auto home = open_home(scratch.path("file"), Create::yes);
  REQUIRE_FALSE(home);
  CHECK(home.error().status == Status::retry);
}

TEST_CASE("home: root becomes the owner for good before it opens anything") {
  if (!is_root()) return;
  const Scratch scratch;
  const std::string where = scratch.path("home");
  REQUIRE(mkdir(where.c_str(), 0700) == 0);
  REQUIRE(chown(where.c_str(), somebody, somebody) == 0);
  CHECK(in_a_child([&] {
          const auto home = open_home(where, Create::no);
          if (!home || !open_file(home->path("made"), O_WRONLY | O_CREAT)) return 1;
          return geteuid() == somebody && setuid(0) != 0 && setgid(0) != 0 ? 0 : 2;
        }) == 0);
  struct stat about{};
  REQUIRE(stat((where + "/made").c_str(), &about) == 0);
  CHECK(about.st_uid == somebody);
  CHECK(about.st_gid == somebody);
}

TEST_CASE("home: somebody else is told the directory and both users") {
  if (!is_root()) return;
  const Scratch scratch;
  const std::string where = scratch.path("home");
  for (const mode_t mode : {0700U, 0777U}) {
    fs::remove_all(where);
    REQUIRE(mkdir(where.c_str(), 0700) == 0);
    REQUIRE(chmod(where.c_str(), mode) == 0);
    CHECK(in_a_child([&] {
            if (setgid(somebody) != 0 || setuid(somebody) != 0) return 1;
            const auto home = open_home(where, Create::no);
            if (home) return 2;
            return home.error().text == "the home " + where +
                                            " belongs to uid 0 and this runs as uid 65534: "
                                            "run it as its owner"
                       ? 0
                       : 3;
          }) == 0);
  }
}
