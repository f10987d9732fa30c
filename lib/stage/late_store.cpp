#include "stage/late_store.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

namespace ml {

Result<> LateStore::open() {
  auto home = open_home(given_, Create::no);
  if (!home) return fail(home);
  home_ = std::move(*home);
  auto opened = Store::open(*home_, Access::read);
  if (!opened) return fail(opened);
  store_ = std::move(*opened);
  return {};
}

Result<Store*> LateStore::store() {
  if (!store_) {
    if (auto opened = open(); !opened) return fail(opened);
  }
  return &*store_;
}

Result<Store*> LateStore::if_there() {
  struct stat about{};
  const std::string home = home_directory(given_);
  if (home.empty()) return nullptr;
  const std::string path = home + "/store";
  if (stat(path.c_str(), &about) != 0 && (errno == ENOENT || errno == ENOTDIR)) return nullptr;
  return store();
}

Result<const Home*> LateStore::home() {
  if (auto opened = store(); !opened) return fail(opened);
  return &*home_;
}

}  // namespace ml
