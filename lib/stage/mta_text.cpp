#include "stage/mta_text.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "base/text.hpp"
#include "mail/verp.hpp"

namespace ml {
namespace {

// Behind a list's name and a hyphen, as text_to_role reads them.
constexpr std::array<std::string_view, 9> role_words = {
    "bounces", "owner", "request", "subscribe", "unsubscribe", "confirm", "join", "leave", "admin"};

// For regular expressions; of what names and domains are made of only the dot means something.
std::string escaped_dots(std::string_view text) {
  std::string escaped;
  for (const char c : text) c == '.' ? escaped.append("\\.") : escaped.append(1, c);
  return escaped;
}

// Its bounces come to bounces+...@DOMAIN.
bool has_long_name(const MtaList& list) {
  return list.name.local.size() > longest_verp_list;
}

bool has_long_names(const MtaFacts& facts, std::string_view domain) {
  return std::ranges::any_of(facts.lists, [&](const MtaList& list) {
    return list.name.domain == domain && has_long_name(list);
  });
}

std::vector<std::string> patterns_of(const MtaFacts& facts) {
  const std::string roles = fmt::format("(-({}))?([+].*)?", fmt::join(role_words, "|"));
  // Behind a hyphen may stand anything, also the `bounces+...` of a signed address.
  const std::string_view behind = facts.delimiter == '-' ? "(-.*)?" : std::string_view(roles);
  std::vector<std::string> patterns;
  patterns.reserve(facts.lists.size());
  for (const auto& [name, owners] : facts.lists) {
    patterns.push_back(
        fmt::format("^{}{}@{}$", escaped_dots(name.local), behind, escaped_dots(name.domain)));
  }
  for (const std::string& domain : facts.domains) {
    if (!has_long_names(facts, domain)) continue;
    patterns.push_back(fmt::format("^bounces[+].*@{}$", escaped_dots(domain)));
  }
  return patterns;
}

std::vector<std::string> addresses_of(const MtaFacts& facts) {
  std::vector<std::string> addresses;
  for (const auto& [name, owners] : facts.lists) {
    addresses.push_back(name.text());
    for (const std::string_view role : role_words) {
      addresses.push_back(fmt::format("{}-{}@{}", name.local, role, name.domain));
    }
  }
  for (const std::string& domain : facts.domains) {
    if (has_long_names(facts, domain)) addresses.push_back("bounces@" + domain);
  }
  return addresses;
}

Result<> check_distinct(const MtaFacts& facts) {
  std::map<std::string_view, const ListName*> seen;
  for (const MtaList& list : facts.lists) {
    const auto [first, is_new] = seen.emplace(list.name.local, &list.name);
    if (is_new) continue;
    return failure(Status::no,
                   "{} and {} would be the same alias, which has no domain: name the one domain "
                   "whose mail the server takes as local, or give the domains an entry each "
                   "(without --by alias)",
                   first->second->text(), list.name.text());
  }
  return {};
}

std::string aliases_of(const MtaList& list, const std::string& run) {
  const std::string& local = list.name.local;
  std::string text = fmt::format("\n{}: \"|{} {}\"\n", local, run, list.name.text());
  text += fmt::format("{}-owner: {}\n", local, each_of(list.owners, "", "", ", "));
  for (const std::string_view role : role_words) {
    if (role == "owner") continue;
    if (role == "admin") {
      text += fmt::format("{0}-admin: {0}-owner\n", local);
    } else {
      text += fmt::format("{}-{}: \"|{} {} {}\"\n", local, role, run, list.name.text(), role);
    }
  }
  return text;
}

}  // namespace

std::string each_of(const std::vector<std::string>& items, std::string_view before,
                    std::string_view behind, std::string_view between) {
  std::string text;
  for (const std::string& item : items) {
    if (!text.empty()) text += between;
    text.append(before).append(item).append(behind);
  }
  return text;
}

std::string run_command(const MtaFacts& facts) {
  const std::string home = facts.is_system_home ? "" : " --home " + facts.home;
  return facts.programs + "/ml-run" + home;
}

std::string map_text(const MtaFacts& facts, MapForm form) {
  switch (form) {
    case MapForm::postfix: return each_of(patterns_of(facts), "/", "/ ok\n", "");
    case MapForm::exim: {
      std::vector<std::string> patterns = patterns_of(facts);
      for (std::string& pattern : patterns) pattern.insert(1, "(?i)");
      return each_of(patterns, "", "\n", "");
    }
    case MapForm::opensmtpd: return each_of(patterns_of(facts), "", "\n", "");
    case MapForm::sendmail: return each_of(addresses_of(facts), "", " OK\n", "");
  }
  return {};
}

Result<std::string> alias_text(const MtaFacts& facts) {
  if (auto distinct = check_distinct(facts); !distinct) return fail(distinct);
  // A part has a file of its own, and leaves alone that of all.
  const std::string file = facts.home + "/aliases" + (facts.part.empty() ? "" : '-' + facts.part);
  std::string text = fmt::format(
      "# Aliases for the lists in {0}; whole domains need one entry each and no aliases:\n"
      "# the same command without --by alias. For Postfix, as root, once:\n"
      "#   {1} >{2}\n"
      "#   chown \"$(stat -c %u:%g {0})\" {2}\n"
      "#   type=$(postconf -h default_database_type)\n"
      "#   postalias \"$type:{2}\"                  # again after each change\n"
      "#   postconf -e \"alias_maps = $(postconf -h alias_maps), $type:{2}\"\n"
      "#   postconf -e recipient_delimiter=+ mailbox_size_limit=0\n"
      "#   postfix reload\n"
      "#\n"
      "# - Postfix runs these commands as the owner of the map's database file; were that root, "
      "as\n"
      "#   nobody, who may not use {0}.\n"
      "# - mailbox_size_limit also limits every file that a command writes: 51200000 octets, and\n"
      "#   the store may grow past that. 0 is no limit.\n"
      "# - recipient_delimiter: the bounce address of each copy is LIST-bounces+...@DOMAIN.\n"
      "# - Make no alias owner-LIST: Postfix would put that over the author's envelope sender.\n"
      "# - The domain of the lists must be one of mydestination.\n",
      facts.home, facts.command, file);
  for (const MtaList& list : facts.lists) text += aliases_of(list, run_command(facts));
  if (std::ranges::any_of(facts.lists, has_long_name)) {
    // ml-run sees in the address which list it is.
    text +=
        fmt::format("\n# for the lists with long names\nbounces: \"|{}\"\n", run_command(facts));
  }
  return text;
}

}  // namespace ml
