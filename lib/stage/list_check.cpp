#include "stage/list_check.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/coprocess.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "list/settings.hpp"
#include "mail/address.hpp"
#include "queue/queue.hpp"
#include "stage/bounce_letter.hpp"
#include "stage/mta.hpp"
#include "stage/pipeline_check.hpp"
#include "stage/receive.hpp"
#include "stage/relay_check.hpp"
#include "stage/route.hpp"
#include "stage/runner.hpp"
#include "stage/send_given.hpp"
#include "store/keys.hpp"
#include "store/store.hpp"

namespace ml {
namespace {

constexpr const char* postconf = "/usr/sbin/postconf";
constexpr const char* postalias = "/usr/sbin/postalias";
constexpr const char* postmap = "/usr/sbin/postmap";

// MAIL_CONFIG names another instance's directory, to us as to postconf.
bool has_postfix() {
  const auto main_cf = environment_variable("MAIL_CONFIG").value_or("/etc/postfix") + "/main.cf";
  return access(postconf, X_OK) == 0 && access(postalias, X_OK) == 0 &&
         access(main_cf.c_str(), R_OK) == 0;
}

class Findings {
 public:
  explicit Findings(Out& out) : out_(out) {}

  void ok(std::string_view about, std::string_view what) { line("ok", about, what); }
  void unknown(std::string_view about, std::string_view what) { line("?", about, what); }
  void no(std::string_view about, std::string_view what) {
    line("no", about, what);
    any_no_ = true;
  }
  // `what` if the result is good, else what is wrong with it.
  template <class T>
  bool good(const Result<T>& result, std::string_view about, std::string_view what) {
    result ? ok(about, what) : no(about, result.error().text);
    return result.has_value();
  }

  [[nodiscard]] Status status() const { return any_no_ ? Status::no : Status::done; }

 private:
  void line(std::string_view verdict, std::string_view about, std::string_view what) {
    out_.put(fmt::format("{}\t{}\t{}\n", verdict, about, what));
  }

  Out& out_;
  bool any_no_ = false;
};

// What a command says, without the LF at its end; nothing if it fails.
std::optional<std::string> answer(const std::vector<std::string>& command) {
  auto child = Coprocess::start(command);
  if (!child) return std::nullopt;
  std::string text;
  const auto ending = child->finish([&](std::string_view octets) { text += octets; });
  if (!ending || ending->signal != 0 || ending->status != 0) return std::nullopt;
  return std::string(trim(text));
}

void check_home(const Home& home, Findings& findings) {
  struct stat about{};
  if (fstat(home.fd().get(), &about) != 0) return;
  const std::string what = fmt::format("{} of uid {}, mode {:04o}", home.directory(), about.st_uid,
                                       about.st_mode & 07777);
  if (about.st_uid == 0) findings.no("home", roots_home(home.directory()));
  if ((about.st_mode & 077) != 0) {
    return findings.no("home",
                       what + fmt::format(": others may look in; chmod 0700 {}", home.directory()));
  }
  if (about.st_uid != 0) findings.ok("home", what);
}

void check_file_size(Findings& findings) {
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0) return;
  if (limit.rlim_cur == RLIM_INFINITY) return findings.ok("file size", "no limit here");
  findings.no("file size", fmt::format("limited to {} octets here (ulimit -f)", limit.rlim_cur));
}

void check_programs(Findings& findings) {
  const auto directory = program_directory();
  if (!findings.good(directory, "programs", directory.value_or(""))) return;
  for (const char* name :
       {"ml-receive", "ml-expand", "ml-verp", "ml-send", "ml-bounce", "ml-run", "ml-queue"}) {
    const std::string path = *directory + '/' + name;
    if (access(path.c_str(), X_OK) != 0) findings.no("programs", path + " is not there");
  }
  if (*directory == "/usr/bin" || *directory == "/bin") return;
  findings.ok(
      "PATH",
      fmt::format("a mail server's has no {}: call the filters by their whole paths", *directory));
}

// Whose runner was killed waits for the next entry.
bool has_waiting(const Home& home, const std::string& name) {
  const auto queue = Queue::open(home, name, Create::no);
  if (!queue) return false;
  const auto waits = queue->has_waiting();
  return waits && *waits;
}

// Who would run what ml-run stores; a lock file of a runner is only looked at.
void check_runners(const Home& home, Findings& findings) {
  for (const char* const queue : {"post", "outbound", "bounces"}) {
    const std::string about = fmt::format("queue {}", queue);
    const Runner runner = runner_of(home, queue);
    if (runner == Runner::startable && has_waiting(home, queue)) {
      findings.no(about, fmt::format("entries wait and nobody runs it until the next one comes: "
                                     "ml-queue run {0} --until-empty -- ml-run --from {0}",
                                     queue));
      continue;
    }
    switch (runner) {
      case Runner::held: findings.ok(about, "a runner has it"); break;
      case Runner::unit: findings.ok(about, "a unit of systemd runs it"); break;
      case Runner::startable: findings.ok(about, "its first entry starts a runner"); break;
      case Runner::nobody:
        findings.no(about, "nobody would run it: ml-queue and ml-run are not beside this program");
        break;
    }
  }
}

// How the mail of a list comes in. Aliases leave the rest of their domain to the mail server.
enum class WayIn { domain, alias, unknown };

// How Postfix hands on the mail of the lists that were looked at.
struct Routes {
  bool any_domain = false;
  bool any_alias = false;
  bool any_unknown = false;
  [[nodiscard]] bool only_domains() const { return any_domain && !any_alias && !any_unknown; }
};

void check_delimiter(const std::string& delimiter, const Routes& routes, Findings& findings) {
  if (delimiter.find('+') != std::string::npos) {
    return findings.ok("postfix", "recipient_delimiter = " + delimiter);
  }
  const std::string what =
      "through aliases bounces will not come back: postconf -e recipient_delimiter=+";
  routes.any_alias ? findings.no("postfix", what) : findings.unknown("postfix", what);
}

// Both limit what local(8) does with aliases; whole domains need neither.
void check_postfix(const Home& home, const Routes& routes, Findings& findings) {
  if (!has_postfix()) {
    return findings.unknown("postfix",
                            "it is not set up here, and of other servers nothing is known");
  }
  const auto delimiter = answer({postconf, "-h", "recipient_delimiter"});
  if (!delimiter) return findings.unknown("postfix", "postconf does not answer");
  if (routes.only_domains()) {
    return findings.ok("postfix", "it has whole domains, which no limit of aliases concerns");
  }
  check_delimiter(*delimiter, routes, findings);
  const auto limit = number(answer({postconf, "-h", "mailbox_size_limit"}).value_or(""));
  struct stat store{};
  const bool stored = stat(home.path("store/data.mdb").c_str(), &store) == 0;
  if (!limit) return findings.unknown("postfix", "its mailbox_size_limit is no number");
  if (*limit == 0) return findings.ok("postfix", "mailbox_size_limit = 0");
  const auto size = stored ? static_cast<std::uint64_t>(store.st_size) : 0;
  const std::string what =
      fmt::format("mailbox_size_limit = {}, the store has {} octets", *limit, size);
  if (size < *limit / 4) return findings.ok("postfix", what);
  findings.no("postfix", what + ": postconf -e mailbox_size_limit=0");
}

// The owner of the map's database, as whom Postfix runs its commands.
void check_map_owner(const std::string& map, const std::string& about, Findings& findings) {
  const std::string file = map.substr(map.find(':') + 1);
  for (const char* suffix : {".db", ".lmdb", ".cdb"}) {
    struct stat status{};
    if (stat((file + suffix).c_str(), &status) != 0) continue;
    if (status.st_uid == geteuid()) return;
    return findings.no(about,
                       fmt::format("{}{} belongs to uid {}, as whom Postfix runs the pipe (root: "
                                   "as nobody); it must be ours, uid {}",
                                   file, suffix, status.st_uid, geteuid()));
  }
}

// Does one of the maps hand `alias` to a command that runs `program` for the list? False: none has
// it.
bool check_alias(const std::vector<std::string>& maps, const std::string& alias,
                 const std::string& program, const ListName& list, Findings& findings) {
  const std::string about = "alias " + alias;
  for (const std::string& map : maps) {
    const auto target = answer({postalias, "-q", alias, map});
    if (!target || target->empty()) continue;
    const bool is_ours = target->find(program + ' ' + list.text()) != std::string::npos ||
                         target->find("ml-run") != std::string::npos;
    if (!is_ours) {
      findings.no(about, fmt::format("{} sends it to {}", map, printable(*target, 200)));
    } else {
      findings.ok(about, "in " + map);
      check_map_owner(map, about, findings);
    }
    return true;
  }
  findings.unknown(about,
                   "no alias map of Postfix has it: if its mail comes in another way, good; "
                   "else see: ml-list mta postfix");
  return false;
}

// The tables, `type:name`, that a parameter of Postfix names.
std::vector<std::string> tables_of(const char* parameter) {
  const std::string text = answer({postconf, "-xh", parameter}).value_or("");
  std::vector<std::string> tables;
  for (const std::string_view word : words(text)) {
    const std::string_view table = word.substr(0, word.find_last_not_of(',') + 1);
    if (table.find(':') != std::string_view::npos) tables.emplace_back(table);
  }
  return tables;
}

// What the first table that knows `key` says.
std::string looked_up(const char* parameter, const std::string& key) {
  for (const std::string& table : tables_of(parameter)) {
    const auto found = answer({postmap, "-q", key, table});
    if (found && !found->empty()) return *found;
  }
  return {};
}

// Has the whole domain an entry, and the map of addresses this list? False: it has no entry.
bool check_domain(const ListName& list, Findings& findings) {
  const std::string transport = looked_up("transport_maps", list.domain);
  if (!transport.starts_with("mlpipe")) return false;
  findings.ok(list.text() + " route", fmt::format("{} goes to {}", list.domain, transport));
  if (looked_up("virtual_mailbox_maps", list.text()).empty()) {
    findings.no(list.text() + " route",
                "the map of addresses lacks it, so its mail is refused: ml-list mta postfix --map");
  }
  return true;
}

WayIn check_route(const ListName& list, Routes& routes, Findings& findings) {
  if (!has_postfix()) return WayIn::unknown;
  if (check_domain(list, findings)) {
    routes.any_domain = true;
    return WayIn::domain;
  }
  const std::vector<std::string> maps = tables_of("alias_maps");
  const bool posts = check_alias(maps, list.local, "ml-receive", list, findings);
  const bool bounces = check_alias(maps, list.local + "-bounces", "ml-bounce", list, findings);
  (posts || bounces ? routes.any_alias : routes.any_unknown) = true;
  return posts || bounces ? WayIn::alias : WayIn::unknown;
}

// The words of ml-bounce's letters, which it would miss only when it has one to write.
void check_letters(const Home& home, const ListName& list, const Settings& settings,
                   Findings& findings) {
  for (const char* const key : {"bounce-probe-text", "bounce-notice-text"}) {
    const auto file = settings.text(key);
    if (!file) continue;
    findings.good(letter_text(home, *file, {}), fmt::format("{} {}", list.text(), key), *file);
  }
}

void check_pipelines(const ListName& list, const Settings& settings, Findings& findings) {
  const auto programs = program_directory();
  if (!programs) return;
  for (const std::string& fault : pipeline_faults(settings, *programs)) {
    findings.no(list.text() + " pipeline", fault);
  }
}

// Does any list send by what the site says, or by the default? One whose settings cannot be read
// may.
bool any_sends_by_site(const Home& home, const std::vector<ListName>& lists) {
  return lists.empty() || std::ranges::any_of(lists, [&](const ListName& list) {
           const auto settings = load_settings(home, &list);
           return !settings || sends_by_relays_of_site(*settings);
         });
}

// Of the site: no list has relays of its own, but for what its pipelines say to ml-send.
void check_relays(const Home& home, const std::vector<ListName>& lists, Findings& findings) {
  const auto site = load_settings(home, nullptr);
  if (!site) return;  // told already
  auto relays = site->many("via");
  if (!relays && !any_sends_by_site(home, lists)) return;
  if (!relays) relays = {default_relay};
  for (const std::string& uri : *relays) {
    const auto fault = relay_fault(uri);
    fault ? findings.no("relay " + uri, *fault)
          : findings.ok("relay " + uri, "nothing to be seen against it from here");
  }
}

void check_owner(const Home& home, const Store& store, const ListName& list, WayIn way,
                 Findings& findings) {
  const auto read = load_settings(home, &list);
  const auto delimiter = delimiter_of(home);
  if (!read || !delimiter) return;  // told already
  const Settings& settings = *read;
  const std::string about = list.text() + " owner";
  const auto owners = settings.many("owner").value_or(std::vector{"postmaster@" + list.domain});
  if (owners.empty()) return findings.no(about, "nobody: set owner in " + settings_path(list));
  for (const std::string& owner : owners) {
    const auto address = text_to_address(owner);
    if (!address) {
      findings.no(about, address.error().text);
      continue;
    }
    const auto part = split_local_part(address->local);
    const auto stray = is_stray(store, owner, *delimiter);
    if (address->domain == list.domain && part && part->list == list.local) {
      findings.no(about, owner + " is the list's own: mail to it would come round again");
    } else if (!stray) {
      findings.no(about, stray.error().text);
    } else if (*stray && way == WayIn::unknown) {
      findings.unknown(about, owner + " is in a domain of lists and no list's: has it an alias?");
    } else if (*stray && way == WayIn::domain) {
      findings.no(about,
                  fmt::format("{} is in a domain of lists and no list's: a mail server that "
                              "hands over the whole domain has nobody there; set owner in {}",
                              owner, home.path(settings_path(list))));
    } else {
      findings.ok(about, owner);
    }
  }
}

void check_list(const Home& home, const Store& store, const ListName& list, Findings& findings) {
  const auto number = store.list(list.text());
  if (!number) return findings.no(list.text(), number.error().text);
  const auto counts = store.count(*number);
  if (!counts) return findings.no(list.text(), counts.error().text);
  findings.ok(list.text(), fmt::format("{} subscribers, {} due", counts->all, counts->due));

  const auto settings = load_settings(home, &list);
  if (!findings.good(settings, list.text() + " settings", home.path(settings_path(list)))) return;
  for (const std::string& unknown : settings->unknown()) {
    findings.no(list.text() + " settings", unknown + ": nothing reads this key there");
  }
  ReceiveOptions options;
  options.list = list.text();
  findings.good(receive_rules(home, options), list.text() + " posts", "ml-receive has its rules");
  check_letters(home, list, *settings, findings);
  check_pipelines(list, *settings, findings);
}

// The one, or all.
Result<std::vector<ListName>> lists_to_check(const Store& store,
                                             const std::optional<ListName>& one) {
  if (one) {
    if (const auto there = store.list(one->text()); !there) return fail(there);
    return std::vector{*one};
  }
  const auto names = store.lists();
  if (!names) return fail(names);
  std::vector<ListName> lists;
  for (const std::string& name : *names) {
    auto list = text_to_list_name(name);
    if (!list) return fail(list);
    lists.push_back(std::move(*list));
  }
  return lists;
}

}  // namespace

Result<Status> check_lists(const Home& home, const std::optional<ListName>& list, Out& out) {
  Findings findings(out);
  check_home(home, findings);
  check_file_size(findings);
  check_programs(findings);
  check_runners(home, findings);
  findings.good(load_settings(home, nullptr), "site settings", home.path("lists.toml"));
  findings.good(load_keys(home), "keys", home.path("keys"));
  const auto store = Store::open(home, Access::read);
  if (!findings.good(store, "store",
                     home.path("store") + " (to read every record: ml-store check)")) {
    return findings.status();
  }
  const auto lists = lists_to_check(*store, list);
  if (!lists) return fail(lists);
  check_relays(home, *lists, findings);
  Routes routes;
  for (const ListName& one : *lists) {
    check_list(home, *store, one, findings);
    check_owner(home, *store, one, check_route(one, routes, findings), findings);
  }
  check_postfix(home, routes, findings);
  return findings.status();
}

}  // namespace ml
