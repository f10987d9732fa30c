#include "stage/late_store.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

namespace ml {
namespace {

bool is_there(const std::string& path) {
  struct stat about{};
  return stat(path.c_str(), &about) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

}  // namespace

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
  const std::string home = home_directory(given_);
  if (home.empty()) return nullptr;
  const bool is_named = given_ && !given_->empty();
  if (is_there(home + "/store") || (is_named && !is_there(home))) return store();
  return nullptr;
}

Result<const Home*> LateStore::home() {
  if (auto opened = store(); !opened) return fail(opened);
  return &*home_;
}

}  // namespace ml
