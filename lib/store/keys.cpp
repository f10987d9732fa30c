#include "store/keys.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "base/directory.hpp"
#include "base/fd.hpp"

namespace ml {
namespace {

constexpr std::string_view generations = "abcdefghijklmnopqrstuvwxyz234567";

// The generations that have a file, oldest first; none where there is no keys/.
Result<std::string> stored_generations(const Home& home) {
  struct stat about{};
  if (fstatat(home.fd().get(), "keys", &about, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
    return std::string();
  }
  const auto beneath = open_beneath(home.fd(), "keys", O_RDONLY | O_DIRECTORY);
  if (!beneath) return fail(beneath);  // a link out of the home
  const auto names = names_in(home.path("keys"));
  if (!names) return fail(names);
  std::string found;
  for (const std::string& name : *names) {
    if (name.size() == 1 && generations.find(name[0]) != std::string_view::npos) found += name;
  }
  std::ranges::sort(found, {}, [](char c) { return generations.find(c); });
  return found;
}

Result<Key> load_key(const Home& home, char generation) {
  const std::string name = std::string("keys/") + generation;
  auto fd = open_beneath(home.fd(), name, O_RDONLY | O_NONBLOCK);
  if (!fd) return fail(fd);
  struct stat about{};
  if (fstat(fd->get(), &about) != 0) return system_failure("cannot look at " + name, errno);
  if (!S_ISREG(about.st_mode)) return retry("the key {} is not a plain file", home.path(name));
  if ((about.st_mode & 077) != 0) {
    return retry(
        "others may use the key {} (mode {:04o}): if nobody has read it, chmod 0400 makes it good",
        home.path(name), about.st_mode & 07777);
  }
  std::array<char, 33> octets{};  // one more than a key, to see one that is too long
  std::size_t filled = 0;
  for (std::size_t got = 1; got > 0 && filled < octets.size(); filled += got) {
    auto some = read_some(fd->get(), std::span(octets).subspan(filled), home.path(name));
    if (!some) return fail(some);
    got = *some;
  }
  if (filled != 32) {
    return retry("the key {} is damaged: it is not 32 octets long; bring it back from a copy",
                 home.path(name));
  }
  Octets32 key{};
  std::copy_n(octets.begin(), key.size(), key.begin());
  return Key(generation, key, about.st_mtime);
}

// The arrows of the header: temporary file, its sync, the link, the directory's sync.
Result<> write_key(const Home& home, char generation, std::string_view octets) {
  const std::string name = home.path("keys/") + generation;
  const std::string temporary =
      home.path("keys/.") + generation + '.' + fmt::to_string(random_number());
  {
    auto file = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL);
    if (!file) return fail(file);
    if (fchmod(file->get(), 0400) != 0) return system_failure("cannot chmod " + temporary, errno);
    if (auto written = write_all(*file, octets, temporary); !written) return fail(written);
    if (auto synced = sync(*file, temporary); !synced) return fail(synced);
  }
  const int code = link(temporary.c_str(), name.c_str()) == 0 ? 0 : errno;
  unlink(temporary.c_str());
  if (code != 0 && code != EEXIST) return system_failure("cannot make the key " + name, code);
  return sync_directory(home.path("keys"));
}

Result<> make_key(const Home& home, char generation) {
  std::array<std::uint8_t, 32> octets{};
  random_octets(octets);
  return write_key(home, generation, {reinterpret_cast<const char*>(octets.data()), octets.size()});
}

}  // namespace

Octets32 Key::derive(std::string_view label) const {
  return hmac_sha256({reinterpret_cast<const char*>(octets_.data()), octets_.size()}, label);
}

SipKey Key::sip_key(std::string_view label) const {
  const Octets32 octets = derive(label);
  SipKey key{};
  std::copy_n(octets.begin(), key.size(), key.begin());
  return key;
}

const Key* Keys::find(char generation) const {
  const auto found = std::ranges::find(keys_, generation, &Key::generation);
  return found == keys_.end() ? nullptr : &*found;
}

const Key* Keys::find(char generation, std::int64_t now) const {
  const Key* const found = find(generation);
  if (found == nullptr || found == &newest()) return found;
  const Key* const next = found + 1;
  return now - next->made() > key_decodes_on ? nullptr : found;
}

Result<> make_keys(const Home& home) {
  // The store is looked at first: where it is there, its maker has made the key before it.
  const bool used = access(home.path("store").c_str(), F_OK) == 0;
  const auto stored = stored_generations(home);
  if (!stored) return fail(stored);
  if (!stored->empty()) return {};
  if (used) {
    return retry(
        "the home {} has a store but no keys: new ones would disown every address that is on its "
        "way; bring {} back from a copy",
        home.directory(), home.path("keys"));
  }
  if (auto made = home.make_directory("keys"); !made) return fail(made);
  return make_key(home, generations.front());
}

Result<Keys> load_keys(const Home& home) {
  const auto stored = stored_generations(home);
  if (!stored) return fail(stored);
  if (stored->empty()) {
    return retry(
        "the home {} has no keys: bring {} back from a copy (a new home gets its keys "
        "with the first list: ml-list create)",
        home.directory(), home.path("keys"));
  }
  std::vector<Key> keys;
  for (const char generation : *stored) {
    auto key = load_key(home, generation);
    if (!key) return fail(key);
    keys.push_back(*key);
  }
  return Keys(std::move(keys));
}

Result<Keys> keys_to_sign(const Home& home, std::int64_t now) {
  auto keys = load_keys(home);
  if (!keys || now - keys->newest().made() < key_signs) return keys;
  const std::size_t next = generations.find(keys->newest().generation()) + 1;
  if (next == generations.size() || !make_key(home, generations[next])) return keys;
  return load_keys(home);
}

}  // namespace ml
