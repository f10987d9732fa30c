#include "stage/mta.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "base/text.hpp"
#include "list/settings.hpp"
#include "mail/address.hpp"
#include "mail/verp.hpp"
#include "store/store.hpp"

namespace ml {
namespace {

constexpr std::string_view system_home = "/var/lib/mlpipe";

// The roles that have no pipeline yet, Mailman's words among them: a person answers.
constexpr std::array<std::string_view, 7> owner_words = {
    "request", "subscribe", "unsubscribe", "confirm", "join", "leave", "admin"};

// Stands as it is in an alias file, between its quotes and in a shell.
bool is_plain_path(std::string_view text) {
  return text.starts_with('/') && std::ranges::all_of(text, [](char c) {
           return is_alnum(c) || std::string_view("/._+-").find(c) != std::string_view::npos;
         });
}

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return text;
}

std::string comments(std::string_view home) {
  return fmt::format(
      "# Aliases of Postfix for the lists in {0}. As root, once:\n"
      "#   ml-list mta postfix >{0}/aliases\n"
      "#   chown \"$(stat -c %u:%g {0})\" {0}/aliases\n"
      "#   type=$(postconf -h default_database_type)\n"
      "#   postalias \"$type:{0}/aliases\"                  # again after each change\n"
      "#   postconf -e \"alias_maps = $(postconf -h alias_maps), $type:{0}/aliases\"\n"
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
      home);
}

std::string list_aliases(const MtaList& list, const std::string& shell) {
  const std::string& local = list.name.local;
  const std::string address = list.name.text();
  std::string text = fmt::format("\n# {}\n", address);
  text += fmt::format("{}: \"|{}$P/ml-receive {} | $P/ml-expand | $P/ml-verp | $P/ml-send\"\n",
                      local, shell, address);
  text += fmt::format("{}-bounces: \"|{}$P/ml-bounce {} | $P/ml-send\"\n", local, shell, address);
  text += fmt::format("{}-owner: {}\n", local, joined(list.owners));
  for (const std::string_view word : owner_words) {
    text += fmt::format("{0}-{1}: {0}-owner\n", local, word);
  }
  return text;
}

bool is_wanted(const ListName& list, std::string_view which) {
  return which.empty() || list.text() == which || list.domain == which;
}

// What the operator named: a list, a domain, or nothing for all.
Result<std::string> wanted_name(const Home& home, const Store& store, std::string_view which) {
  if (which.empty()) return std::string();
  if (which.find('@') == std::string_view::npos && which.find('.') != std::string_view::npos) {
    return text_to_domain(which);
  }
  const auto list = find_list_name(home, which);
  if (!list) return fail(list);
  if (const auto there = store.list(list->text()); !there) return fail(there);
  return list->text();
}

Result<std::vector<MtaList>> wanted_lists(const Home& home, std::string_view which) {
  const auto store = Store::open(home, Access::read);
  if (!store) return fail(store);
  const auto wanted = wanted_name(home, *store, which);
  if (!wanted) return fail(wanted);
  const auto names = store->lists();
  if (!names) return fail(names);
  std::vector<MtaList> lists;
  for (const std::string& name : *names) {
    auto list = text_to_list_name(name);
    if (!list) return fail(list);
    if (!is_wanted(*list, *wanted)) continue;
    const auto settings = load_settings(home, &*list);
    if (!settings) return fail(settings);
    auto owners = settings->many("owner").value_or(std::vector{"postmaster@" + list->domain});
    for (const std::string& owner : owners) {
      if (auto checked = text_to_address(owner); !checked) return fail(checked);
    }
    lists.push_back({std::move(*list), std::move(owners)});
  }
  return lists;
}

Result<> check_distinct(const std::vector<MtaList>& lists) {
  std::map<std::string_view, const ListName*> seen;
  for (const MtaList& list : lists) {
    const auto [first, is_new] = seen.emplace(list.name.local, &list.name);
    if (is_new) continue;
    return failure(Status::no,
                   "{} and {} would be the same alias, which has no domain: name the one domain "
                   "whose mail Postfix takes as local",
                   first->second->text(), list.name.text());
  }
  return {};
}

}  // namespace

Result<std::string> program_directory() {
  std::string path(4096, '\0');
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  if (size < 0) return system_failure("cannot find out where this program stands", errno);
  path.resize(static_cast<std::size_t>(size));
  return path.substr(0, path.rfind('/'));
}

Result<std::string> postfix_aliases(const std::vector<MtaList>& lists, std::string_view programs,
                                    std::string_view home) {
  for (const std::string_view path : {programs, home}) {
    if (is_plain_path(path)) continue;
    return retry(
        "the directory {} cannot stand in an alias file: it must be absolute, of letters, "
        "digits and / . _ + - only",
        printable(path, 200));
  }
  const std::string own_home =
      home == system_home ? std::string() : fmt::format("export ML_HOME={}; ", home);
  const std::string shell = fmt::format("cd /; {}P={}; ", own_home, programs);
  std::string text = comments(home);
  for (const MtaList& list : lists) text += list_aliases(list, shell);
  const bool any_long = std::ranges::any_of(
      lists, [](const MtaList& list) { return list.name.local.size() > longest_verp_list; });
  if (any_long) {
    text += fmt::format(
        "\n# for the lists with long names\nbounces: \"|{}$P/ml-bounce | $P/ml-send\"\n", shell);
  }
  return text;
}

Result<Status> print_mta_postfix(const Home& home, std::string_view which, Out& out) {
  const auto lists = wanted_lists(home, which);
  if (!lists) return fail(lists);
  if (lists->empty()) {
    return failure(Status::no, "there is no list{}{} (make one with: ml-list create LIST)",
                   which.empty() ? "" : " of the domain ", printable(which, 100));
  }
  if (auto distinct = check_distinct(*lists); !distinct) return fail(distinct);
  const auto programs = program_directory();
  if (!programs) return fail(programs);
  std::error_code unknown;  // then the name as it was given serves, or is refused
  const auto directory = std::filesystem::canonical(home.directory(), unknown);
  const auto text =
      postfix_aliases(*lists, *programs, unknown ? home.directory() : directory.string());
  if (!text) return fail(text);
  out.put(*text);
  return Status::done;
}

}  // namespace ml
