#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/diag.hpp"
#include "base/home.hpp"
#include "base/options.hpp"
#include "base/out.hpp"
#include "base/process.hpp"
#include "list/settings.hpp"
#include "stage/list_check.hpp"
#include "stage/lists.hpp"
#include "stage/mta.hpp"

using namespace ml;

namespace {

// One command's line: its options are added, then run() reads them and opens the home.
struct Line {
  Line(int argc, char** argv, std::string synopsis, std::string purpose, std::string example)
      : words(argv, static_cast<std::size_t>(argc)),
        options(std::string("ml-list ") + argv[0], std::move(synopsis), std::move(purpose),
                std::move(example), Status::usage) {
    options.text(home_name, "--home", "DIRECTORY", "the home of store, settings and queues");
  }

  template <class Work>
  Result<Status> run(Create create, const Work& work) {
    const auto read = options.read(static_cast<int>(words.size()), words.data());
    if (!read) return fail(read);
    if (*read) return **read;
    const auto home = open_home(home_name, create);
    if (!home) return fail(home);
    Out out(1, "standard output");
    const Result<Status> status = work(*home, out);
    if (auto flushed = out.flush(); !flushed && status) return fail(flushed);
    return status;
  }

  std::span<char*> words;
  std::optional<std::string> home_name;
  Options options;
};

// What calls `work(home, list, out)` with the list that the operator named.
template <class Work>
auto with_list(const std::string& name, const Work& work) {
  return [&name, work](const Home& home, Out& out) -> Result<Status> {
    const auto list = find_list_name(home, name);
    if (!list) return fail(list);
    return work(home, *list, out);
  };
}

Result<Status> create(int argc, char** argv) {
  std::string list;
  std::optional<std::string> owner;
  Line line(argc, argv, "[OPTION...] LIST", "Makes a list, and the home if there is none.",
            "ml-list create news@x.org --owner ann@example.org");
  line.options.text(owner, "--owner", "ADDRESS", "who is told of trouble (default postmaster@)");
  line.options.operand(list, "LIST");
  return line.run(Create::yes, with_list(list, [&](const Home& home, const ListName& name, Out&) {
                    return create_list(home, name, owner);
                  }));
}

Result<Status> show(int argc, char** argv) {
  std::optional<std::string> list;
  bool json = false;
  Line line(argc, argv, "[OPTION...] [LIST]", "Tells of one list, or in a line each of all.",
            "ml-list show | cut -f1");
  line.options.flag(json, "--json", "JSON instead of text");
  line.options.optional_operand(list, "LIST");
  return line.run(Create::no, [&](const Home& home, Out& out) -> Result<Status> {
    const Report report = json ? Report::json : Report::text;
    if (!list) return show_lists(home, report, out);
    const auto name = find_list_name(home, *list);
    if (!name) return fail(name);
    return show_list(home, *name, report, out);
  });
}

Result<Status> remove(int argc, char** argv) {
  std::string list;
  bool yes = false;
  Line line(argc, argv, "[OPTION...] LIST", "Removes a list with its subscribers and settings.",
            "ml-list remove news@x.org --yes");
  line.options.flag(yes, "--yes", "do it; without it only say what would be lost");
  line.options.operand(list, "LIST");
  return line.run(Create::no, with_list(list, [&](const Home& home, const ListName& name, Out&) {
                    return remove_list(home, name, yes ? Sure::yes : Sure::no);
                  }));
}

Result<Status> check(int argc, char** argv) {
  std::optional<std::string> list;
  Line line(argc, argv, "[OPTION...] [LIST]", "Looks for what would keep mail from flowing.",
            "ml-list check | grep -v ^ok");
  line.options.optional_operand(list, "LIST");
  return line.run(Create::no, [&](const Home& home, Out& out) -> Result<Status> {
    if (!list) return check_lists(home, std::nullopt, out);
    const auto name = find_list_name(home, *list);
    if (!name) return fail(name);
    return check_lists(home, *name, out);
  });
}

Result<Status> route(int argc, char** argv) {
  std::string address;
  Line line(argc, argv, "[OPTION...] ADDRESS", "Prints list, role and extension of an address.",
            "ml-list route news-owner@x.org");
  line.options.operand(address, "ADDRESS");
  return line.run(Create::no,
                  [&](const Home& home, Out& out) { return route_address(home, address, out); });
}

Result<Status> mta(int argc, char** argv) {
  std::string server;
  std::optional<std::string> which;
  Line line(argc, argv, "[OPTION...] postfix [LIST|DOMAIN]",
            "Prints what a mail server must be told.", "ml-list mta postfix news@x.org");
  line.options.operand(server, "postfix");
  line.options.optional_operand(which, "LIST|DOMAIN");
  return line.run(Create::no, [&](const Home& home, Out& out) -> Result<Status> {
    if (server == "postfix") return print_mta_postfix(home, which.value_or(""), out);
    return failure(Status::usage, "'{}' is no mail server that this version knows: postfix is",
                   server);
  });
}

struct Command {
  std::string_view name;
  Result<Status> (*run)(int argc, char** argv);
};
constexpr std::array commands = {Command{"create", create}, Command{"show", show},
                                 Command{"remove", remove}, Command{"check", check},
                                 Command{"route", route},   Command{"mta", mta}};

}  // namespace

int main(int argc, char** argv) {
  if (auto started = start("ml-list"); !started) return leave(fail(started));

  const std::string_view name = argc > 1 ? argv[1] : "";
  const auto* command = std::ranges::find(commands, name, &Command::name);
  if (command != commands.end()) return leave(command->run(argc - 1, argv + 1));

  std::string word;
  Options options("ml-list", "COMMAND [OPTION...] [OPERAND...]",
                  "Makes and minds lists. Each command has its own --help:\n"
                  "  create LIST         make a list, and the home if there is none\n"
                  "  show [LIST]         tell of one list or of all\n"
                  "  remove LIST         take a list away with its subscribers\n"
                  "  check [LIST]        look for what would keep mail from flowing\n"
                  "  route ADDRESS       list, role and extension of an address\n"
                  "  mta postfix [LIST]  what a mail server must be told",
                  "ml-list create news@x.org --owner ann@example.org && ml-list mta postfix",
                  Status::usage);
  options.operand(word, "COMMAND");
  auto read = options.read(argc, argv);
  if (!read) return leave(fail(read));
  if (*read) return leave(**read);
  return leave(failure(Status::usage, "'{}' is no command (see ml-list --help)", word));
}
