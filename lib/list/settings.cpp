#include "list/settings.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "base/options.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t largest_file = std::size_t{1} << 20;

enum class Kind { text, many, size };
struct Known {
  std::string_view key;
  Kind kind;
};
// What the commands of this version read; a key that is not here has no effect, and check says so.
constexpr std::array known_keys = {
    Known{"archive", Kind::text},   Known{"default-domain", Kind::text},
    Known{"delimiter", Kind::text}, Known{"else", Kind::text},
    Known{"log", Kind::text},       Known{"max-hops", Kind::size},
    Known{"max-size", Kind::size},  Known{"max-wait", Kind::size},
    Known{"memory", Kind::size},    Known{"owner", Kind::many},
    Known{"post", Kind::text},      Known{"via", Kind::many},
};

const Known* find_known(std::string_view key) {
  const auto* found = std::ranges::find(known_keys, key, &Known::key);
  return found == known_keys.end() ? nullptr : found;
}

std::string_view kind_to_text(Kind kind) {
  switch (kind) {
    case Kind::text: return "text (in quotes)";
    case Kind::many: return "text, or a list of texts";
    case Kind::size: return "a number, or a size such as \"64M\"";
  }
  return {};
}

// One value as texts; nothing where it is neither text, whole number, truth nor a list of them.
std::optional<std::vector<std::string>> node_to_items(const toml::node& node) {
  if (const auto* text = node.as_string()) return std::vector{text->get()};
  if (const auto* whole = node.as_integer()) return std::vector{fmt::to_string(whole->get())};
  if (const auto* truth = node.as_boolean()) {
    return std::vector<std::string>{truth->get() ? "true" : "false"};
  }
  const auto* array = node.as_array();
  if (!array) return std::nullopt;
  std::vector<std::string> items;
  for (const toml::node& element : *array) {
    if (!element.is_string()) return std::nullopt;
    items.push_back(*element.value<std::string>());
  }
  return items;
}

bool fits(const toml::node& node, Kind kind) {
  switch (kind) {
    case Kind::text: return node.is_string();
    case Kind::many: return node.is_string() || node.is_array();
    case Kind::size: break;
  }
  if (const auto* whole = node.as_integer()) return whole->get() >= 0;
  const auto* text = node.as_string();
  return text && text_to_size(text->get());
}

// A table's leaves under dotted keys.
template <class Call>
Result<> each_leaf(const toml::table& table, const std::string& prefix, const Call& call) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    const auto* inner = node.as_table();
    auto done = inner ? each_leaf(*inner, key + '.', call) : call(key, node);
    if (!done) return done;
  }
  return {};
}

Result<> check_owner_and_mode(const Fd& fd, const std::string& path) {
  struct stat about{};
  if (fstat(fd.get(), &about) != 0) return system_failure("cannot look at " + path, errno);
  if (!S_ISREG(about.st_mode)) return retry("{} is no plain file", path);
  if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return retry(
        "{} may be written by others than its owner: refused (mend it with: chmod go-w {})", path,
        path);
  }
  if (about.st_uid != 0 && about.st_uid != geteuid()) {
    return retry("{} belongs to uid {}, neither root nor us (uid {}): refused", path, about.st_uid,
                 geteuid());
  }
  return {};
}

Result<> overlay_file(Settings& settings, const Home& home, const std::string& below) {
  const std::string path = home.path(below);
  auto fd = open_beneath(home.fd(), below, O_RDONLY | O_NONBLOCK);
  if (!fd) {
    // Asked a second time only to learn whether it is simply not there.
    struct stat about{};
    if (fstatat(home.fd().get(), below.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 &&
        (errno == ENOENT || errno == ENOTDIR)) {
      return {};
    }
    return retry(
        "cannot open the settings {}: it must be a plain file, no link, that uid {} may read", path,
        geteuid());
  }
  if (auto checked = check_owner_and_mode(*fd, path); !checked) return fail(checked);
  auto text = read_all(fd->get(), largest_file, path);
  if (!text) {
    return text.error().status == Status::rejected
               ? retry("{}: more than {} octets", path, largest_file)
               : fail(text);
  }
  return settings.overlay(*text, path);
}

}  // namespace

std::optional<std::string> Settings::text(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end() || found->second.items.empty()) return std::nullopt;
  return found->second.items.front();
}

std::optional<std::vector<std::string>> Settings::many(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  return found->second.items;
}

Result<std::optional<std::uint64_t>> Settings::size(std::string_view key) const {
  const auto set = text(key);
  if (!set) return std::nullopt;
  const auto value = text_to_size(*set);
  if (!value) {
    return retry("{}: {} must be {}, not '{}'", values_.find(key)->second.file, key,
                 kind_to_text(Kind::size), printable(*set, 40));
  }
  return value;
}

bool Settings::flag(std::string_view key) const {
  return text(key) == "true";
}

Result<> Settings::overlay(std::string_view toml, std::string_view file) {
  const toml::parse_result parsed = toml::parse(toml);
  if (!parsed) {
    return retry("{}: line {}: {}", file, parsed.error().source().begin.line,
                 printable(parsed.error().description(), 200));
  }
  return each_leaf(
      parsed.table(), {}, [&](const std::string& key, const toml::node& node) -> Result<> {
        const Known* known = find_known(key);
        auto items = node_to_items(node);
        if (!items || (known && !fits(node, known->kind))) {
          return retry("{}: line {}: {} must be {}", file, node.source().begin.line,
                       printable(key, 80), kind_to_text(known ? known->kind : Kind::many));
        }
        values_.insert_or_assign(key, Value{std::move(*items), std::string(file)});
        return {};
      });
}

std::vector<std::string> Settings::unknown() const {
  std::vector<std::string> found;
  for (const auto& [key, value] : values_) {
    if (!find_known(key) && !key.starts_with("pipeline.")) {
      found.push_back(value.file + ": " + printable(key, 80));
    }
  }
  return found;
}

std::string settings_path(const ListName& list) {
  return "lists/" + list.domain + '/' + list.local + ".toml";
}

Result<Settings> load_settings(const Home& home, const ListName* list) {
  std::vector<std::string> files = {"lists.toml"};
  if (list) {
    files.push_back("lists/" + list->domain + ".toml");
    files.push_back(settings_path(*list));
  }
  Settings settings;
  for (const std::string& file : files) {
    if (auto laid = overlay_file(settings, home, file); !laid) return fail(laid);
  }
  return settings;
}

Result<Settings> site_settings(const std::optional<std::string>& home) {
  const std::string directory = home_directory(home);
  struct stat about{};
  if (stat(directory.c_str(), &about) != 0) return Settings();
  if (geteuid() != 0 && geteuid() != about.st_uid) return Settings();
  auto opened = open_home(home, Create::no);
  if (!opened) return fail(opened);
  return load_settings(*opened, nullptr);
}

Result<ListName> find_list_name(const Home& home, std::string_view text) {
  if (text.find('@') != std::string_view::npos) return text_to_list_name(text);
  auto site = load_settings(home, nullptr);
  if (!site) return fail(site);
  return text_to_list_name(text, site->text("default-domain").value_or(""));
}

}  // namespace ml
