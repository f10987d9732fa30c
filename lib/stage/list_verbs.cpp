#include "stage/list_verbs.hpp"

#include <optional>
#include <string>

#include "list/settings.hpp"
#include "stage/list_check.hpp"
#include "stage/lists.hpp"
#include "stage/mta.hpp"

namespace ml::list_verb {

Result<Status> create(VerbLine& line) {
  std::string list;
  std::optional<std::string> owner;
  line.options("[OPTION...] LIST", "Makes a list, and the home if there is none.",
               "ml-list create news@x.org --owner ann@example.org")
      .text(owner, "--owner", "ADDRESS", "who is told of trouble (default postmaster@)")
      .operand(list, "LIST");
  const auto work = [&](const Home& home, Out&) -> Result<Status> {
    const auto name = find_list_name(home, list);
    return name ? create_list(home, *name, owner) : fail(name);
  };
  return line.run(work, Create::yes);
}

Result<Status> show(VerbLine& line) {
  std::optional<std::string> list;
  bool json = false;
  line.options("[OPTION...] [LIST]", "Tells of one list, or in a line each of all.",
               "ml-list show | cut -f1")
      .flag(json, "--json", "JSON instead of text")
      .optional_operand(list, "LIST");
  return line.run([&](const Home& home, Out& out) -> Result<Status> {
    const Form form = form_of(json);
    if (!list) return show_lists(home, form, out);
    const auto name = find_list_name(home, *list);
    return name ? show_list(home, *name, form, out) : fail(name);
  });
}

Result<Status> remove(VerbLine& line) {
  std::string list;
  bool yes = false;
  line.options("[OPTION...] LIST", "Removes a list with its subscribers and settings.",
               "ml-list remove news@x.org --yes")
      .flag(yes, "--yes", "do it; without it only say what would be lost")
      .operand(list, "LIST");
  return line.run([&](const Home& home, Out&) -> Result<Status> {
    const auto name = find_list_name(home, list);
    return name ? remove_list(home, *name, yes ? Sure::yes : Sure::no) : fail(name);
  });
}

Result<Status> check(VerbLine& line) {
  std::optional<std::string> list;
  line.options("[OPTION...] [LIST]", "Looks for what would keep mail from flowing.",
               "ml-list check | grep -v ^ok")
      .optional_operand(list, "LIST");
  return line.run([&](const Home& home, Out& out) -> Result<Status> {
    if (!list) return check_lists(home, std::nullopt, out);
    const auto name = find_list_name(home, *list);
    return name ? check_lists(home, *name, out) : fail(name);
  });
}

Result<Status> route(VerbLine& line) {
  std::string address;
  line.options("[OPTION...] ADDRESS", "Prints list, role and extension of an address.",
               "ml-list route news-owner@x.org")
      .operand(address, "ADDRESS");
  return line.run([&](const Home& home, Out& out) { return route_address(home, address, out); });
}

Result<Status> mta(VerbLine& line) {
  MtaRequest request;
  std::optional<std::string> which;
  bool map = false;
  bool outbound = false;
  line.options("[OPTION...] SERVER [LIST|DOMAIN]",
               "Prints what postfix, exim, opensmtpd, sendmail or qmail must be told.",
               "ml-list mta postfix | sh")
      .text(request.by, "--by", "WAY", "pipe (default), lmtp[:SOCKET], maildir[:DIRECTORY], alias")
      .flag(map, "--map", "only the map of the lists' addresses")
      .flag(outbound, "--outbound", "postfix: a second instance, without scans, for mail out")
      .operand(request.server, "SERVER")
      .optional_operand(which, "LIST|DOMAIN");
  return line.run([&](const Home& home, Out& out) -> Result<Status> {
    if (map && outbound) return failure(Status::usage, "--map is of mail in, --outbound is not");
    if (map) request.part = MtaPart::map;
    if (outbound) request.part = MtaPart::outbound;
    request.which = which.value_or("");
    return print_mta(home, request, out);
  });
}

}  // namespace ml::list_verb
