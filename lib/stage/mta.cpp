#include "stage/mta.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/diag.hpp"
#include "base/lines.hpp"
#include "base/text.hpp"
#include "list/settings.hpp"
#include "mail/address.hpp"
#include "stage/mta_text.hpp"
#include "stage/route.hpp"
#include "store/store.hpp"

namespace ml {
namespace {

constexpr std::string_view default_socket = "/run/mlpipe/lmtp";

// What each server can be told.
struct Server {
  std::string_view name;
  std::vector<MtaWay> ways;  // the first is the default
  std::string (*text)(const MtaFacts&);
  std::optional<MapForm> map;
};

const std::array<Server, 5>& servers() {
  using enum MtaWay;
  static const std::array<Server, 5> all = {
      Server{"postfix", {pipe, lmtp, maildir, alias}, postfix_text, MapForm::postfix},
      Server{"exim", {pipe, lmtp}, exim_text, MapForm::exim},
      Server{"opensmtpd", {pipe, lmtp}, opensmtpd_text, MapForm::opensmtpd},
      Server{"sendmail", {pipe}, sendmail_text, MapForm::sendmail},
      Server{"qmail", {pipe}, qmail_text, std::nullopt}};
  return all;
}

std::optional<MtaWay> text_to_way(std::string_view text) {
  if (text == "pipe") return MtaWay::pipe;
  if (text == "lmtp") return MtaWay::lmtp;
  if (text == "maildir") return MtaWay::maildir;
  if (text == "alias") return MtaWay::alias;
  return std::nullopt;
}

// Stands as it is in every configuration, between its quotes and in a shell.
bool is_plain(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_alnum(c) || std::string_view("/._+:-").find(c) != std::string_view::npos;
  });
}

Result<> check_path(std::string_view path) {
  if (path.starts_with('/') && is_plain(path) && path.find(':') == std::string_view::npos)
    return {};
  return retry(
      "the path {} cannot stand in a mail server's configuration: it must be absolute, of letters, "
      "digits and / . _ + - only",
      printable(path, 200));
}

// --- the lists ---

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

// Only an alias names the owners: all else hands their mail over to us.
Result<MtaList> list_to_mta(const Home& home, const Store& store, const MtaFacts& facts,
                            ListName name) {
  if (facts.way != MtaWay::alias) return MtaList{std::move(name), {}};
  const auto settings = load_settings(home, &name);
  if (!settings) return fail(settings);
  auto owners = owners_of(store, *settings, name, facts.delimiter);
  if (!owners) return fail(owners);
  return MtaList{std::move(name), std::move(*owners)};
}

// Whole domains want all lists of a domain, an alias only the one.
bool is_wanted(const ListName& list, std::string_view wanted, MtaWay way) {
  if (wanted.empty() || list.domain == wanted || list.text() == wanted) return true;
  return way != MtaWay::alias && wanted.ends_with('@' + list.domain);
}

// Fills in `lists` and `part`.
Result<> find_lists(const Home& home, const MtaRequest& request, MtaFacts& facts) {
  const auto store = Store::open(home, Access::read);
  if (!store) return fail(store);
  auto wanted = wanted_name(home, *store, request.which);
  if (!wanted) return fail(wanted);
  facts.part = std::move(*wanted);
  const auto names = store->lists();
  if (!names) return fail(names);
  for (const std::string& text : *names) {
    auto name = text_to_list_name(text);
    if (!name) return fail(name);
    if (!is_wanted(*name, facts.part, facts.way)) continue;
    auto list = list_to_mta(home, *store, facts, std::move(*name));
    if (!list) return fail(list);
    facts.lists.push_back(std::move(*list));
  }
  if (!facts.lists.empty()) return {};
  return failure(Status::no, "there is no list{}{} (make one with: ml-list create LIST)",
                 request.which.empty() ? "" : " of the domain ", printable(request.which, 100));
}

// --- where and as whom ---

// Of passwd(5); a number where it has no name there.
Result<std::string> user_name(uid_t uid) {
  std::string number = fmt::to_string(uid);
  const auto file = open_file("/etc/passwd", O_RDONLY);
  if (!file) return number;
  Lines lines(file->get(), "/etc/passwd", std::size_t{64} << 10);
  for (;;) {
    const auto line = lines.next();
    if (!line) return fail(line);
    if (line->kind == Line::Kind::none) return number;
    const auto fields = split(line->text, ':');
    if (fields.size() > 2 && fields[2] == number) return std::string(fields[0]);
  }
}

// --by, taken apart.
struct By {
  MtaWay way;
  std::string place;
};

Result<By> text_to_by(const Server& server, const std::optional<std::string>& text,
                      std::string_view home) {
  const std::string_view by = text ? std::string_view(*text) : "pipe";
  const auto colon = by.find(':');
  const auto way = text_to_way(by.substr(0, colon));
  const bool places = way == MtaWay::lmtp || way == MtaWay::maildir;
  if (!way || (colon != std::string_view::npos && !places)) {
    return failure(Status::usage,
                   "--by takes pipe, lmtp[:SOCKET], maildir[:DIRECTORY] or alias, "
                   "not '{}'",
                   printable(by, 80));
  }
  if (std::ranges::find(server.ways, *way) == server.ways.end()) {
    return failure(Status::usage, "--by {} is nothing for {}", by.substr(0, colon), server.name);
  }
  if (!places) return By{*way, {}};
  std::string place =
      *way == MtaWay::lmtp ? std::string(default_socket) : fmt::format("{}/in", home);
  if (colon != std::string_view::npos) place = by.substr(colon + 1);
  const bool is_port = *way == MtaWay::lmtp && server.name == "postfix" &&
                       !place.starts_with('/') && is_plain(place);
  if (is_port) return By{*way, place};
  if (auto checked = check_path(place); !checked) return fail(checked);
  return By{*way, place};
}

// Without the list or domain that it named.
std::string command_of_all(const MtaRequest& request, const MtaFacts& facts) {
  std::string command = "ml-list mta " + request.server;
  if (!facts.is_system_home) command += " --home " + facts.home;
  if (request.by) command += " --by " + *request.by;
  if (request.part == MtaPart::outbound) command += " --outbound";
  return command;
}

Result<MtaFacts> facts_of(const Home& home, const MtaRequest& request, const Server& server) {
  MtaFacts facts;
  facts.home = home.real_name();
  facts.is_system_home = facts.home == system_home;
  auto by = text_to_by(server, request.by, facts.home);
  if (!by) return fail(by);
  facts.way = by->way;
  facts.place = std::move(by->place);
  const auto delimiter = delimiter_of(home);
  if (!delimiter) return fail(delimiter);
  facts.delimiter = *delimiter;
  if (auto found = find_lists(home, request, facts); !found) return fail(found);
  for (const MtaList& list : facts.lists) facts.domains.push_back(list.name.domain);
  std::ranges::sort(facts.domains);
  const auto repeated = std::ranges::unique(facts.domains);
  facts.domains.erase(repeated.begin(), repeated.end());
  auto programs = program_directory();
  if (!programs) return fail(programs);
  facts.programs = std::move(*programs);
  for (const auto& path : {facts.programs, facts.home}) {
    if (auto checked = check_path(path); !checked) return fail(checked);
  }
  auto user = user_name(geteuid());
  if (!user) return fail(user);
  facts.user = std::move(*user);
  facts.is_roots = geteuid() == 0;
  facts.command_of_all = command_of_all(request, facts);
  facts.command = facts.command_of_all;
  if (!facts.part.empty()) facts.command += ' ' + facts.part;
  return facts;
}

Result<std::string> text_of(const MtaFacts& facts, const MtaRequest& request,
                            const Server& server) {
  switch (request.part) {
    case MtaPart::intake:
      return facts.way == MtaWay::alias ? alias_text(facts) : server.text(facts);
    case MtaPart::map:
      if (server.map) return map_text(facts, *server.map);
      return failure(Status::usage, "{} has no map of addresses", server.name);
    case MtaPart::outbound:
      if (server.name != "postfix")
        return failure(Status::usage, "--outbound is for postfix, not for {}", server.name);
      if (!facts.part.empty())
        return failure(Status::usage, "--outbound is for all lists, not for {}", facts.part);
      return postfix_outbound_text(facts);
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

std::string roots_home(std::string_view home) {
  return fmt::format(
      "{0} belongs to root, as whom no mail server runs a program or writes a Maildir: give it to "
      "a user of its own (adduser --system --group mlpipe; chown -R mlpipe: {0})",
      home);
}

Result<Status> print_mta(const Home& home, const MtaRequest& request, Out& out) {
  const auto server = std::ranges::find(servers(), request.server, &Server::name);
  if (server == servers().end()) {
    return failure(Status::usage,
                   "'{}' is no mail server that this version knows: postfix, exim, opensmtpd, "
                   "sendmail, qmail",
                   printable(request.server, 40));
  }
  const auto facts = facts_of(home, request, *server);
  if (!facts) return fail(facts);
  const auto text = text_of(*facts, request, *server);
  if (!text) return fail(text);
  if (facts->is_roots && request.part == MtaPart::intake && facts->way != MtaWay::lmtp) {
    say(roots_home(facts->home));
  }
  out.put(*text);
  return Status::done;
}

}  // namespace ml
