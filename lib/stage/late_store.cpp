#include "stage/late_store.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

namespace ml {
namespace {

bool is_there(const std::string& path) {
  struct stat about{};
  return stat(path.c_str(), &about) == 0 || errno != ENOENT;
}

}  // namespace

Result<Store*> LateStore::open(Home home) {
  home_ = std::move(home);
  auto opened = Store::open(*home_, Access::read);
  if (!opened) return fail(opened);
  store_ = std::move(*opened);
  return &*store_;
}

Result<Store*> LateStore::store() {
  if (store_) return &*store_;
  auto home = open_home(given_, Create::no);
  if (!home) return fail(home);
  return open(std::move(*home));
}

Result<Store*> LateStore::if_there() {
  if (store_) return &*store_;
  auto home = open_home_if_there(given_);
  if (!home) return fail(home);
  if (!*home || !is_there((*home)->path("store"))) return nullptr;
  return open(std::move(**home));
}

Result<const Home*> LateStore::home() {
  if (auto opened = store(); !opened) return fail(opened);
  return &*home_;
}

}  // namespace ml
