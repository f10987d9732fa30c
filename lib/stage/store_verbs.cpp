#include "stage/store_verbs.hpp"

#include <optional>
#include <string>
#include <vector>

#include "stage/export.hpp"
#include "stage/import.hpp"
#include "stage/import_given.hpp"
#include "stage/subscribers.hpp"

namespace ml::store_verb {
namespace {

// Calls work(list, out) with the list that the operator named, opened.
template <class Work>
Result<Status> with_list(VerbLine& line, const std::string& name, Access access, const Work& work) {
  return line.run([&](const Home& home, Out& out) -> Result<Status> {
    auto list = open_list(home, name, access);
    return list ? work(*list, out) : fail(list);
  });
}

// The same with the store alone.
template <class Work>
Result<Status> with_store(VerbLine& line, Access access, const Work& work) {
  return line.run([&](const Home& home, Out& out) -> Result<Status> {
    auto store = Store::open(home, access);
    return store ? work(*store, out) : fail(store);
  });
}

// What import and add have in common.
Options& offer_rows(Options& options, RowsGiven& rows) {
  return options.text(rows.columns.column, "--column", "NAME", "the column of the addresses")
      .many(rows.columns.renames, "--rename", "OLD=NEW", "another name for a column")
      .text(rows.state, "--state", "STATE", "of rows that say none (active)")
      .flag(rows.revive, "--revive", "take back who was removed or suspended")
      .text(rows.bad, "--bad", "skip|stop", "pass over bad rows and name them (stop)");
}

}  // namespace

Result<Status> import_list(VerbLine& line) {
  std::string list;
  std::optional<std::string> file;
  bool replace = false;
  bool yes = false;
  RowsGiven rows;
  offer_rows(line.options("[OPTION...] LIST [FILE]",
                          "Adds and changes subscribers from text, CSV or TSV, all rows or none.",
                          "psql -qAtc 'select email from people' | ml-store import news@x.org "
                          "--replace"),
             rows)
      .flag(replace, "--replace", "remove those that the file does not name")
      .flag(yes, "--yes", "even if they are a tenth of the list")
      .operand(list, "LIST")
      .optional_operand(file, "FILE");
  return line.run([&](const Home& home, Out& out) -> Result<Status> {
    auto request = given_to_request(rows);
    if (!request) return fail(request);
    if (replace) request->rules.absent = yes ? Absent::leave : Absent::leave_if_few;
    auto open = open_list(home, list, Access::write);
    return open ? import_subscribers(*open, file.value_or("-"), *request, out) : fail(open);
  });
}

Result<Status> export_list(VerbLine& line) {
  std::string list;
  bool addresses = false;
  line.options("[OPTION...] LIST", "Writes a list as TSV, all that import needs.",
               "ml-store export news@x.org | cut -f2 | sort | uniq -c")
      .flag(addresses, "--addresses", "only the addresses, sorted, without the removed")
      .operand(list, "LIST");
  return with_list(line, list, Access::read, [&](OpenList& open, Out& out) {
    return export_subscribers(open, addresses ? Shape::addresses : Shape::table, out);
  });
}

Result<Status> add(VerbLine& line) {
  std::string list;
  std::vector<std::string> addresses;
  RowsGiven rows;
  offer_rows(line.options("[OPTION...] LIST ADDRESS... | LIST -",
                          "Adds subscribers, with - those on standard input.",
                          "comm -13 have want | ml-store add news@x.org -"),
             rows)
      .operand(list, "LIST")
      .operands(addresses, "ADDRESS");
  return line.run([&](const Home& home, Out&) -> Result<Status> {
    const auto request = given_to_request(rows);
    if (!request) return fail(request);
    auto open = open_list(home, list, Access::write);
    return open ? add_subscribers(*open, addresses, *request) : fail(open);
  });
}

Result<Status> remove(VerbLine& line) {
  std::string list;
  std::vector<std::string> addresses;
  std::optional<std::string> bad;
  line.options("[OPTION...] LIST ADDRESS... | LIST -",
               "Removes subscribers, with - those on standard input; they stay out.",
               "comm -23 have want | ml-store remove news@x.org -")
      .text(bad, "--bad", "skip|stop", "pass over bad rows and name them (stop)")
      .operand(list, "LIST")
      .operands(addresses, "ADDRESS");
  return line.run([&](const Home& home, Out&) -> Result<Status> {
    auto mode = text_to_bad_row(bad);
    if (!mode) return fail(mode);
    auto open = open_list(home, list, Access::write);
    return open ? remove_subscribers(*open, addresses, *mode) : fail(open);
  });
}

Result<Status> set(VerbLine& line) {
  std::string list;
  std::string address;
  std::vector<std::string> changes;
  bool revive = false;
  line.options("[--revive] LIST ADDRESS KEY=VALUE...",
               "Changes a subscriber's state and attributes; an empty value takes one away.",
               "ml-store set news@x.org ann@example.org state=nomail tags=")
      .flag(revive, "--revive", "take back who was removed or suspended")
      .operand(list, "LIST")
      .operand(address, "ADDRESS")
      .operands(changes, "KEY=VALUE");
  return with_list(line, list, Access::write, [&](OpenList& open, Out&) {
    return set_subscriber(open, address, changes, revive ? Revive::yes : Revive::no);
  });
}

Result<Status> show(VerbLine& line) {
  std::string first;
  std::optional<std::string> second;
  bool json = false;
  line.options("[--json] [LIST] ADDRESS", "Shows a subscriber of one list, or of all.",
               "ml-store show ann@example.org | grep ^list")
      .flag(json, "--json", "an object a line")
      .operand(first, "ADDRESS")
      .optional_operand(second, "ADDRESS");
  return line.run([&](const Home& home, Out& out) -> Result<Status> {
    if (second) {
      auto list = open_list(home, first, Access::read);
      return list ? show_subscriber(*list, *second, form_of(json), out) : fail(list);
    }
    auto store = Store::open(home, Access::read);
    return store ? show_address(*store, first, form_of(json), out) : fail(store);
  });
}

Result<Status> count(VerbLine& line) {
  std::string list;
  bool json = false;
  line.options("[--json] LIST", "Counts subscribers: those due a message, and all.",
               "ml-store count news@x.org | grep ^due | cut -f2")
      .flag(json, "--json", "an object in a line")
      .operand(list, "LIST");
  return with_list(line, list, Access::read, [&](OpenList& open, Out& out) {
    return count_subscribers(open, form_of(json), out);
  });
}

Result<Status> suppress(VerbLine& line) {
  std::string address;
  std::optional<std::string> reason;
  line.options("ADDRESS [REASON]", "No list mails this address any more.",
               "ml-store suppress ann@example.org 'complained to abuse@'")
      .operand(address, "ADDRESS")
      .optional_operand(reason, "REASON");
  return with_store(line, Access::write, [&](Store& store, Out&) {
    return suppress_address(store, address, reason.value_or(""));
  });
}

Result<Status> unsuppress(VerbLine& line) {
  std::string address;
  line.options("ADDRESS", "Lists mail this address again.", "ml-store unsuppress ann@example.org")
      .operand(address, "ADDRESS");
  return with_store(line, Access::write,
                    [&](Store& store, Out&) { return unsuppress_address(store, address); });
}

Result<Status> suppressed(VerbLine& line) {
  bool json = false;
  line.options("[--json]", "Shows whom no list mails: address, day, reason.",
               "ml-store suppressed | grep @example.com")
      .flag(json, "--json", "an object a line");
  return with_store(line, Access::read, [&](Store& store, Out& out) {
    return show_suppressed(store, form_of(json), out);
  });
}

Result<Status> check(VerbLine& line) {
  bool json = false;
  line.options("[--json]", "Looks at every record and every count; says what is wrong.",
               "ml-store check || ls -l /var/backups/mlpipe")
      .flag(json, "--json", "an object in a line");
  return with_store(line, Access::read,
                    [&](Store& store, Out& out) { return check_store(store, form_of(json), out); });
}

Result<Status> copy(VerbLine& line) {
  std::string directory;
  line.options("DIR", "Copies the store into a new or empty directory while it is in use.",
               "ml-store copy /var/backups/mlpipe/$(date +%F)")
      .operand(directory, "DIR");
  return with_store(line, Access::read, [&](Store& store, Out&) -> Result<Status> {
    if (auto copied = store.copy(directory); !copied) return fail(copied);
    return Status::done;
  });
}

}  // namespace ml::store_verb
