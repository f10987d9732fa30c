#include "base/directory.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace ml {

// A range-for over the iterator would throw what its increment meets.
Result<std::vector<std::string>> names_in(const std::string& directory, Missing missing) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  if (error == std::errc::no_such_file_or_directory && missing == Missing::is_empty) return names;
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    names.push_back(entries->path().filename().string());
  }
  if (error) return system_failure("cannot read the directory " + directory, error.value());
  std::ranges::sort(names);
  return names;
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

bool exists(const std::string& path) {
  struct stat about{};
  return stat(path.c_str(), &about) == 0;
}

Result<> make_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return system_failure("cannot make the directory " + path, errno);
}

Result<Fd> make_unnamed_file(const std::string& directory) {
  auto file = open_file(directory, O_TMPFILE | O_EXCL | O_RDWR);
  if (file) return file;
  // A file system without O_TMPFILE: a name for as long as it takes to remove it.
  std::string name = directory + "/mlpipe-XXXXXX";
  Fd named(mkostemp(name.data(), O_CLOEXEC));
  if (!named.open()) return system_failure("cannot make a temporary file in " + directory, errno);
  unlink(name.c_str());
  return named;
}

}  // namespace ml
