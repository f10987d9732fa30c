#include "base/home.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/directory.hpp"
#include "base/process.hpp"

namespace ml {
namespace {

std::string from_environment(const char* name) {
  return environment_variable(name).value_or("");
}

bool is_there(const std::string& path) {
  return exists(path) || errno == EACCES;
}

// Makes each missing directory of an absolute or relative path.
Result<> make_path(const std::string& path) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0700) == 0) {
      const auto above = part.rfind('/');
      const std::string parent = above == std::string::npos ? "." : part.substr(0, above + 1);
      if (auto synced = sync_directory(parent); !synced) return fail(synced);
    } else if (errno != EEXIST && !is_there(part)) {
      return system_failure("cannot make the directory " + part, errno);
    }
    if (slash == std::string::npos) return {};
  }
}

// Root leaves no file of its own in a home: it becomes the owner, for good.
Result<> become_owner(const std::string& directory, const struct stat& about) {
  if (geteuid() != 0 || about.st_uid == 0) return {};
  if (setgroups(1, &about.st_gid) != 0 ||
      setresgid(about.st_gid, about.st_gid, about.st_gid) != 0 ||
      setresuid(about.st_uid, about.st_uid, about.st_uid) != 0) {
    return system_failure(
        fmt::format("cannot become uid {}, the owner of {}", about.st_uid, directory), errno);
  }
  return {};
}

}  // namespace

std::string home_directory(const std::optional<std::string>& given) {
  if (given && !given->empty()) return *given;
  if (auto set = from_environment("ML_HOME"); !set.empty()) return set;
  if (is_there(system_home)) return system_home;
  if (auto state = from_environment("XDG_STATE_HOME"); !state.empty()) return state + "/mlpipe";
  const auto user = from_environment("HOME");
  return user.empty() ? std::string() : user + "/.local/state/mlpipe";
}

Result<Home> open_home(const std::optional<std::string>& given, Create create) {
  const std::string directory = home_directory(given);
  if (directory.empty()) {
    return retry("nothing says where the home is, not even HOME: name it with --home or ML_HOME");
  }
  struct stat about{};
  if (stat(directory.c_str(), &about) != 0) {
    if (errno != ENOENT) return system_failure("cannot use the home " + directory, errno);
    if (create == Create::no) {
      return retry("there is no home {} (ml-list create makes one, --home or ML_HOME name another)",
                   directory);
    }
    if (auto made = make_path(directory); !made) return fail(made);
    if (stat(directory.c_str(), &about) != 0) {
      return system_failure("cannot use the home " + directory, errno);
    }
  }
  if (auto became = become_owner(directory, about); !became) return fail(became);
  auto fd = open_file(directory, O_RDONLY | O_DIRECTORY);
  if (geteuid() != about.st_uid) {
    return retry("the home {} belongs to uid {} and this runs as uid {}: run it as its owner",
                 directory, about.st_uid, geteuid());
  }
  if (!fd) return fail(fd);
  if (access(directory.c_str(), W_OK | X_OK) != 0) {
    return system_failure("cannot use the home " + directory, errno);
  }
  return Home(directory, std::move(*fd));
}

Result<std::optional<Home>> open_home_if_there(const std::optional<std::string>& given) {
  const std::string directory = home_directory(given);
  const bool is_named = given && !given->empty();
  struct stat about{};
  const bool is_missing = directory.empty() || (stat(directory.c_str(), &about) != 0 &&
                                                (errno == ENOENT || errno == ENOTDIR));
  if (is_missing && !is_named) return std::nullopt;
  auto home = open_home(given, Create::no);
  if (!home) return fail(home);
  return std::move(*home);
}

// Where links cannot be followed, the name as it was given serves, or is refused later.
std::string Home::real_name() const {
  std::error_code unknown;
  const auto path = std::filesystem::canonical(directory_, unknown);
  return unknown ? directory_ : path.string();
}

Result<> Home::make_directory(std::string_view below) const {
  return make_path(path(below));
}

}  // namespace ml
