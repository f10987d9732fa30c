#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diag.hpp"
#include "base/fd.hpp"
#include "base/home.hpp"
#include "base/options.hpp"
#include "base/out.hpp"
#include "base/process.hpp"
#include "base/version.hpp"
#include "stage/export.hpp"
#include "stage/import.hpp"
#include "stage/subscribers.hpp"

using namespace ml;

namespace {

// The command line of one verb: what all of them have, and how they begin.
class Verb {
 public:
  Verb(const std::string& name, std::string synopsis, std::string purpose, std::string example)
      : options("ml-store " + name, std::move(synopsis), std::move(purpose), std::move(example),
                Status::usage) {}

  [[nodiscard]] Result<std::optional<Status>> read(int argc, char** argv) {
    options.text(home_, "--home", "DIR", "the home (ML_HOME, /var/lib/mlpipe)");
    return options.read(argc, argv);
  }
  [[nodiscard]] Result<OpenList> list(const std::string& name, Access access) const {
    auto home = open_home(home_, Create::no);
    return home ? open_list(*home, name, access) : fail(home);
  }
  [[nodiscard]] Result<Store> store(Access access) const {
    auto home = open_home(home_, Create::no);
    return home ? Store::open(*home, access) : fail(home);
  }

  Options options;

 private:
  std::optional<std::string> home_;
};

Failure bad_value(std::string_view option, std::string_view value, std::string_view wanted) {
  return failure(Status::usage, "{} takes {}, not '{}'", option, wanted, value);
}

Result<BadRow> text_to_bad_row(const std::optional<std::string>& text) {
  if (!text || *text == "stop") return BadRow::stop;
  if (*text == "skip") return BadRow::skip;
  return bad_value("--bad", *text, "stop or skip");
}

// What import and add have in common.
struct RowFlags {
  std::optional<std::string> bad;
  std::optional<std::string> state;
  bool revive = false;
  ImportRequest request;

  void offer(Options& options) {
    options.text(request.columns.column, "--column", "NAME", "the column of the addresses")
        .many(request.columns.renames, "--rename", "OLD=NEW", "another name for a column")
        .text(state, "--state", "STATE", "of rows that say none (active)")
        .flag(revive, "--revive", "take back who was removed or suspended")
        .text(bad, "--bad", "skip|stop", "pass over bad rows and name them (stop)");
  }
  [[nodiscard]] Result<> take() {
    request.rules.revive = revive ? Revive::yes : Revive::no;
    auto mode = text_to_bad_row(bad);
    if (!mode) return fail(mode);
    request.bad = *mode;
    if (!state) return {};
    request.state = text_to_state(*state);
    if (request.state) return {};
    return bad_value("--state", *state, "active, nomail, digest, bouncing, suspended or removed");
  }
};

Result<Status> import_verb(int argc, char** argv) {
  std::string list;
  std::optional<std::string> file;
  bool replace = false;
  bool yes = false;
  RowFlags rows;
  Verb verb("import", "[OPTION...] LIST [FILE]",
            "Adds and changes subscribers from text, CSV or TSV, all rows or none.",
            "psql -qAtc 'select email from people' | ml-store import news@x.org --replace");
  verb.options.operand(list, "LIST").optional_operand(file, "FILE");
  rows.offer(verb.options);
  verb.options.flag(replace, "--replace", "remove those that the file does not name")
      .flag(yes, "--yes", "even if they are a tenth of the list");
  auto read = verb.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  if (auto taken = rows.take(); !taken) return fail(taken);
  if (replace) rows.request.rules.absent = yes ? Absent::leave : Absent::leave_if_few;
  auto open = verb.list(list, Access::write);
  if (!open) return fail(open);
  Out out(1, "standard output");
  return import_subscribers(*open, file.value_or("-"), rows.request, out);
}

Result<Status> export_verb(int argc, char** argv) {
  std::string list;
  bool addresses = false;
  Verb verb("export", "[OPTION...] LIST", "Writes a list as TSV, all that import needs.",
            "ml-store export news@x.org | cut -f2 | sort | uniq -c");
  verb.options.operand(list, "LIST")
      .flag(addresses, "--addresses", "only the addresses, sorted, without the removed");
  auto read = verb.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  auto open = verb.list(list, Access::read);
  if (!open) return fail(open);
  Out out(1, "standard output");
  return export_subscribers(*open, addresses ? Shape::addresses : Shape::table, out);
}

Result<Status> add_verb(int argc, char** argv) {
  std::string list;
  std::vector<std::string> addresses;
  RowFlags rows;
  Verb verb("add", "[OPTION...] LIST ADDRESS... | LIST -",
            "Adds subscribers, with - those on standard input.",
            "comm -13 have want | ml-store add news@x.org -");
  verb.options.operand(list, "LIST").operands(addresses, "ADDRESS");
  rows.offer(verb.options);
  auto read = verb.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  if (auto taken = rows.take(); !taken) return fail(taken);
  auto open = verb.list(list, Access::write);
  if (!open) return fail(open);
  return add_subscribers(*open, addresses, rows.request);
}

Result<Status> remove_verb(int argc, char** argv) {
  std::string list;
  std::vector<std::string> addresses;
  std::optional<std::string> bad;
  Verb verb("remove", "[OPTION...] LIST ADDRESS... | LIST -",
            "Removes subscribers, with - those on standard input; they stay out.",
            "comm -23 have want | ml-store remove news@x.org -");
  verb.options.operand(list, "LIST")
      .operands(addresses, "ADDRESS")
      .text(bad, "--bad", "skip|stop", "pass over bad rows and name them (stop)");
  auto read = verb.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  auto mode = text_to_bad_row(bad);
  if (!mode) return fail(mode);
  auto open = verb.list(list, Access::write);
  if (!open) return fail(open);
  return remove_subscribers(*open, addresses, *mode);
}

Result<Status> set_verb(int argc, char** argv) {
  std::string list;
  std::string address;
  std::vector<std::string> changes;
  bool revive = false;
  Verb verb("set", "[--revive] LIST ADDRESS KEY=VALUE...",
            "Changes a subscriber's state and attributes; an empty value takes one away.",
            "ml-store set news@x.org ann@example.org state=nomail tags=");
  verb.options.operand(list, "LIST")
      .operand(address, "ADDRESS")
      .operands(changes, "KEY=VALUE")
      .flag(revive, "--revive", "take back who was removed or suspended");
  auto read = verb.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  auto open = verb.list(list, Access::write);
  if (!open) return fail(open);
  return set_subscriber(*open, address, changes, revive ? Revive::yes : Revive::no);
}

Result<Status> show_verb(int argc, char** argv) {
  std::string first;
  std::optional<std::string> second;
  bool json = false;
  Verb verb("show", "[--json] [LIST] ADDRESS", "Shows a subscriber of one list, or of all.",
            "ml-store show ann@example.org | grep ^list");
  verb.options.operand(first, "ADDRESS")
      .optional_operand(second, "ADDRESS")
      .flag(json, "--json", "an object a line");
  auto read = verb.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  const Report report = json ? Report::json : Report::text;
  Out out(1, "standard output");
  if (second) {
    auto open = verb.list(first, Access::read);
    return open ? show_subscriber(*open, *second, report, out) : fail(open);
  }
  auto store = verb.store(Access::read);
  return store ? show_address(*store, first, report, out) : fail(store);
}

Result<Status> count_verb(int argc, char** argv) {
  std::string list;
  bool json = false;
  Verb verb("count", "[--json] LIST", "Counts subscribers: those due a message, and all.",
            "ml-store count news@x.org | grep ^due | cut -f2");
  verb.options.operand(list, "LIST").flag(json, "--json", "an object in a line");
  auto read = verb.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  auto open = verb.list(list, Access::read);
  if (!open) return fail(open);
  Out out(1, "standard output");
  return count_subscribers(*open, json ? Report::json : Report::text, out);
}

Result<Status> suppress_verb(int argc, char** argv) {
  std::string address;
  std::optional<std::string> reason;
  Verb verb("suppress", "ADDRESS [REASON]", "No list mails this address any more.",
            "ml-store suppress ann@example.org 'complained to abuse@'");
  verb.options.operand(address, "ADDRESS").optional_operand(reason, "REASON");
  auto read = verb.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  auto store = verb.store(Access::write);
  return store ? suppress_address(*store, address, reason.value_or("")) : fail(store);
}

Result<Status> unsuppress_verb(int argc, char** argv) {
  std::string address;
  Verb verb("unsuppress", "ADDRESS", "Lists mail this address again.",
            "ml-store unsuppress ann@example.org");
  verb.options.operand(address, "ADDRESS");
  auto read = verb.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  auto store = verb.store(Access::write);
  return store ? unsuppress_address(*store, address) : fail(store);
}

Result<Status> check_verb(int argc, char** argv) {
  bool json = false;
  Verb verb("check", "[--json]", "Looks at every record and every count; says what is wrong.",
            "ml-store check || ls -l /var/backups/mlpipe");
  verb.options.flag(json, "--json", "an object in a line");
  auto read = verb.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  auto store = verb.store(Access::read);
  Out out(1, "standard output");
  return store ? check_store(*store, json ? Report::json : Report::text, out) : fail(store);
}

Result<Status> copy_verb(int argc, char** argv) {
  std::string directory;
  Verb verb("copy", "DIR", "Copies the store into a new or empty directory while it is in use.",
            "ml-store copy /var/backups/mlpipe/$(date +%F)");
  verb.options.operand(directory, "DIR");
  auto read = verb.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  auto store = verb.store(Access::read);
  if (!store) return fail(store);
  if (auto copied = store->copy(directory); !copied) return fail(copied);
  return Status::done;
}

struct Named {
  std::string_view name;
  Result<Status> (*run)(int argc, char** argv);
  std::string_view purpose;
};
constexpr std::array verbs = {
    Named{"import", import_verb,
          "LIST [FILE]                  add and change, from text, CSV, TSV"},
    Named{"export", export_verb, "LIST                         the list as TSV"},
    Named{"add", add_verb, "LIST ADDRESS... | LIST -     add subscribers"},
    Named{"remove", remove_verb, "LIST ADDRESS... | LIST -     remove subscribers"},
    Named{"set", set_verb, "LIST ADDRESS KEY=VALUE...    state, name, tags, attributes"},
    Named{"show", show_verb, "[LIST] ADDRESS               what is known of a subscriber"},
    Named{"count", count_verb, "LIST                         how many are due, how many there are"},
    Named{"suppress", suppress_verb, "ADDRESS [REASON]             no list mails this address"},
    Named{"unsuppress", unsuppress_verb, "ADDRESS                      lists mail it again"},
    Named{"check", check_verb, "                             look for damage"},
    Named{"copy", copy_verb, "DIR                          copy the store while it is in use"}};

Result<Status> help() {
  std::string text = "Usage: ml-store VERB [OPTION...] ...\nThe subscribers of the lists.\n\n";
  for (const Named& verb : verbs) text += fmt::format("  {:<10} {}\n", verb.name, verb.purpose);
  text +=
      "\n  --help     print this and leave; ml-store VERB --help tells a verb's options\n"
      "  --version  print the version and leave\n\nExample:\n"
      "  ml-store export news@x.org | grep @example.com | cut -f1 | ml-store remove news@x.org -\n"
      "\nThe manual: man ml-store\n";
  auto written = write_all(1, text, "standard output");
  return written ? Result<Status>(Status::done) : fail(written);
}

Result<Status> run(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--help") return help();
  if (name == "--version") {
    auto written = write_all(1, fmt::format("ml-store (mlpipe) {}\n", version), "standard output");
    return written ? Result<Status>(Status::done) : fail(written);
  }
  const auto* verb = std::ranges::find(verbs, name, &Named::name);
  if (verb != verbs.end()) return verb->run(argc - 1, argv + 1);
  if (name.empty()) return failure(Status::usage, "a verb is missing (see ml-store --help)");
  return failure(Status::usage, "'{}' is no verb (see ml-store --help)", name);
}

}  // namespace

int main(int argc, char** argv) {
  if (auto started = start("ml-store"); !started) return leave(fail(started));
  return leave(run(argc, argv));
}
