#include "stage/handover.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>

#include "base/directory.hpp"
#include "base/fd.hpp"
#include "base/home.hpp"

namespace ml {
namespace {

struct Named {
  std::string path;
  Fd fd;
};

// A new file: an older one of that name may be all that is left of another run.
Result<Named> create_below(const Home& home, std::string_view kind, std::string_view id) {
  if (auto made = home.make_directory(kind); !made) return fail(made);
  for (int number = 1;; ++number) {
    std::string below = fmt::format("{}/{}", kind, id);
    if (number > 1) below += fmt::format(".{}", number);
    auto fd = open_beneath(home.fd(), below, O_WRONLY | O_CREAT | O_EXCL);
    if (fd) return Named{home.path(below), std::move(*fd)};
    if (!exists(home.path(below))) return fail(fd);
  }
}

Result<Named> create_elsewhere(std::string_view kind, std::string_view id, const Error& why) {
  std::string path = fmt::format("/var/tmp/mlpipe-{}-{}.XXXXXX", kind, id);
  Fd fd(mkostemp(path.data(), O_CLOEXEC));
  if (!fd.open()) return Failure(why);
  return Named{std::move(path), std::move(fd)};
}

Result<Named> open_named(const std::optional<std::string>& given,
                         const std::optional<std::string>& home, std::string_view kind,
                         std::string_view id) {
  if (given) {
    auto file = open_file(*given, O_WRONLY | O_CREAT | O_APPEND);
    if (!file) return fail(file);
    return Named{*given, std::move(*file)};
  }
  auto opened = open_home(home, Create::yes);
  if (!opened) return create_elsewhere(kind, id, opened.error());
  return create_below(*opened, kind, id);
}

// A pipe or a device, which the caller may have named, has nothing to sync.
Result<> make_durable(const Named& file) {
  struct stat about{};
  if (fstat(file.fd.get(), &about) == 0 && !S_ISREG(about.st_mode)) return {};
  if (auto synced = sync(file.fd, file.path); !synced) return synced;
  return sync_directory(directory_of(file.path));
}

// Nothing of what is no ordinary file.
std::optional<struct stat> ordinary_file(const std::string& given) {
  struct stat about{};
  const int looked = given == "-" ? fstat(1, &about) : stat(given.c_str(), &about);
  return looked == 0 && S_ISREG(about.st_mode) ? std::optional(about) : std::nullopt;
}

}  // namespace

Result<> check_handover(const std::string& given) {
  const auto file = open_file(given, O_WRONLY);
  return file ? Result<>() : fail(file);
}

bool is_one_file(const std::string& a, const std::string& b) {
  if (a == "-" && b == "-") return false;
  const auto one = ordinary_file(a), other = ordinary_file(b);
  return one && other && one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

Result<std::string> hand_over(const std::optional<std::string>& given,
                              const std::optional<std::string>& home, std::string_view kind,
                              std::string_view id, const WriteRemains& write) {
  if (given == "-") {
    Writer out(1);
    if (auto written = write(out); !written) return fail(written);
    if (auto flushed = out.flush(); !flushed) return fail(flushed);
    return std::string();
  }
  auto file = open_named(given, home, kind, id);
  if (!file) return fail(file);
  Writer out(file->fd.get(), file->path);
  if (auto written = write(out); !written) return fail(written);
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  if (auto kept = make_durable(*file); !kept) return fail(kept);
  return std::move(file->path);
}

}  // namespace ml
