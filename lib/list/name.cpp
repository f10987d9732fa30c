#include "list/name.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_name = 40;
constexpr std::string_view bounces_of_long_names = "bounces";

struct RoleWord {
  std::string_view word;
  Role role;
};
// The first word of a role is the one we write.
constexpr std::array<RoleWord, 10> role_words = {{{"post", Role::post},
                                                  {"bounces", Role::bounces},
                                                  {"owner", Role::owner},
                                                  {"request", Role::request},
                                                  {"subscribe", Role::subscribe},
                                                  {"unsubscribe", Role::unsubscribe},
                                                  {"confirm", Role::confirm},
                                                  {"join", Role::subscribe},
                                                  {"leave", Role::unsubscribe},
                                                  {"admin", Role::owner}}};

// What stands behind the last hyphen, if it is a role of an address; `news-post` is a name.
std::optional<Role> role_suffix(std::string_view local) {
  const auto hyphen = local.rfind('-');
  if (hyphen == std::string_view::npos) return std::nullopt;
  const auto role = text_to_role(local.substr(hyphen + 1));
  return role == Role::post ? std::nullopt : role;
}

bool is_list_local(std::string_view local) {
  const auto is_inner = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '.' || c == '_' || c == '-';
  };
  return !local.empty() && local.size() <= longest_name && std::ranges::all_of(local, is_inner) &&
         is_alnum(local.front()) && local.back() != '.' &&
         local.find("..") == std::string_view::npos && local != bounces_of_long_names &&
         !role_suffix(local);
}

// The reading of `name` as a list's or a role's address, the delimiter and what follows it gone.
std::optional<LocalPart> read_name(std::string_view name, std::string_view extension) {
  const std::string folded = lower(name);
  if (folded == bounces_of_long_names) return LocalPart{{}, Role::bounces, std::string(extension)};
  if (is_list_local(folded)) return LocalPart{folded, Role::post, std::string(extension)};
  const auto role = role_suffix(folded);
  if (!role) return std::nullopt;
  const std::string list = folded.substr(0, folded.rfind('-'));
  if (!is_list_local(list)) return std::nullopt;
  return LocalPart{list, *role, std::string(extension)};
}

Failure bad_name(std::string_view text) {
  return retry(
      "'{}' is no name for a list: it must look like news@lists.example.org, the part before the @ "
      "of at most {} letters, digits, single dots, hyphens and underscores, without a word of ours "
      "such as -owner or -bounces at its end",
      printable(text, 80), longest_name);
}

}  // namespace

std::string_view role_to_text(Role role) {
  return std::ranges::find(role_words, role, &RoleWord::role)->word;
}

std::optional<Role> text_to_role(std::string_view text) {
  const auto* found = std::ranges::find(role_words, text, &RoleWord::word);
  if (found == role_words.end()) return std::nullopt;
  return found->role;
}

std::string ListName::address(Role role) const {
  if (role == Role::post) return text();
  return local + '-' + std::string(role_to_text(role)) + '@' + domain;
}

Result<ListName> text_to_list_name(std::string_view text, std::string_view default_domain) {
  const auto at = text.rfind('@');
  const bool bare = at == std::string_view::npos;
  const std::string local = lower(text.substr(0, at));
  if (!is_list_local(local)) return bad_name(text);
  if (bare && default_domain.empty()) {
    return retry(
        "'{}' names no domain: give the list's whole address, or set default-domain in lists.toml",
        local);
  }
  auto domain = text_to_domain(bare ? default_domain : text.substr(at + 1));
  if (!domain) return fail(domain);
  if (domain->front() == '[') return bad_name(text);
  return ListName{local, std::move(*domain)};
}

std::vector<LocalPart> local_part_readings(std::string_view local, char delimiter) {
  if (delimiter == '+') {
    const auto plus = local.find('+');
    const bool extended = plus != std::string_view::npos;
    auto reading = read_name(local.substr(0, plus), extended ? local.substr(plus + 1) : "");
    if (!reading) return {};
    return {*reading};
  }
  std::vector<LocalPart> readings;
  for (auto end = local.size();; end = local.rfind(delimiter, end - 1)) {
    if (end == std::string_view::npos) break;
    const auto extension = end == local.size() ? "" : local.substr(end + 1);
    auto reading = read_name(local.substr(0, end), extension);
    // `news` + `owner-x` is news-owner with the extension x, which has been read already.
    if (reading && (readings.empty() || readings.back().list != reading->list)) {
      readings.push_back(std::move(*reading));
    }
    if (end == 0) break;
  }
  return readings;
}

std::optional<LocalPart> split_local_part(std::string_view local, char delimiter) {
  const auto readings = local_part_readings(local, delimiter);
  if (readings.empty()) return std::nullopt;
  const auto with_role = std::ranges::find_if(
      readings, [](const LocalPart& reading) { return reading.role != Role::post; });
  return with_role == readings.end() ? readings.front() : *with_role;
}

}  // namespace ml
