#include "base/directory.hpp"

#include <sys/stat.h>

#include <algorithm>
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

bool exists(const std::string& path) {
  struct stat about{};
  return stat(path.c_str(), &about) == 0;
}

}  // namespace ml
