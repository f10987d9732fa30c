#include "stage/lists.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/diag.hpp"
#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "list/settings.hpp"
#include "mail/address.hpp"
#include "stage/route.hpp"
#include "store/keys.hpp"
#include "store/store.hpp"

namespace ml {
namespace {

std::string settings_text(const ListName& list, std::string_view owner) {
  return fmt::format(
      "# Settings of {0}; man mlpipe-settings explains each.\n"
      "# Without its # a line replaces the default, which is what it shows.\n"
      "\n"
      "owner = \"{1}\"\n"
      "\n"
      "# post = \"subscribers\"     # anyone, subscribers, nobody, or a file of addresses\n"
      "# else = \"reject\"          # hold, reject or drop the post of anybody else\n"
      "# max-size = \"50M\"         # the largest post\n"
      "# archive = \"https://{2}/{3}/\"\n",
      list.text(), owner, list.domain, list.local);
}

// A whole file under its name or none: draft, sync, link (which never replaces), sync.
Result<> write_settings(const Home& home, const ListName& list, std::string_view text) {
  const std::string path = settings_path(list);
  const std::string directory = path.substr(0, path.rfind('/'));
  if (auto made = home.make_directory(directory); !made) return made;
  std::string draft = directory + "/." + list.local + '.';
  append_base32(draft, random_number(), 12);
  auto file = open_beneath(home.fd(), draft, O_WRONLY | O_CREAT | O_EXCL);
  if (!file) return fail(file);
  Result<> done = write_all(*file, text, home.path(draft));
  // Root may take the file over; mlpipe then reads it through its group.
  if (done && fchmod(file->get(), 0640) != 0) {
    done = system_failure("cannot set the mode of " + home.path(draft), errno);
  }
  if (done) done = sync(*file, home.path(draft));
  const int home_fd = home.fd().get();
  if (done && linkat(home_fd, draft.c_str(), home_fd, path.c_str(), 0) != 0) {
    done = system_failure("cannot make " + home.path(path), errno);
  }
  unlinkat(home_fd, draft.c_str(), 0);
  if (done) done = sync_directory(home.path(directory));
  return done;
}

bool is_there(const Home& home, const std::string& path) {
  struct stat about{};
  return fstatat(home.fd().get(), path.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0;
}

// An owner who reads mail elsewhere: mail to the list's own addresses would come round again.
Result<std::string> checked_owner(const ListName& list, const std::string& text) {
  auto owner = text_to_address(text);
  if (!owner) return failure(Status::no, "the owner: {}", owner.error().text);
  const auto part = split_local_part(owner->local);
  if (owner->domain == list.domain && part && part->list == list.local) {
    return failure(Status::no, "{} cannot own {}: mail to the owner would come back to the list",
                   text, list.text());
  }
  return address_to_text(*owner);
}

// Nobody was named: the default is an address that a domain of lists mostly lacks. The list is
// made: what cannot be read here is told by who needs it.
void tell_of_stray_owners(const Home& home, const Store& store, const ListName& list) {
  const auto delimiter = delimiter_of(home);
  const auto settings = load_settings(home, &list);
  if (!delimiter || !settings) return;
  for (const std::string& owner :
       settings->many("owner").value_or(std::vector{"postmaster@" + list.domain})) {
    const auto stray = is_stray(store, owner, *delimiter);
    if (!stray || !*stray) continue;
    say(
        fmt::format("the owner of {} is {}, in a domain of lists: a mail server that hands over "
                    "the whole domain has nobody there; set owner in {}",
                    list.text(), owner, home.path(settings_path(list))));
  }
}

// What there is to say of one list.
struct Facts {
  std::string list;
  Counts counts;
  std::vector<std::string> owners;
  std::string post;
  std::string otherwise;
  std::string settings;
};

Result<Facts> facts_of(const Home& home, const Store& store, const ListName& list) {
  const auto number = store.list(list.text());
  if (!number) return fail(number);
  const auto counts = store.count(*number);
  if (!counts) return fail(counts);
  const auto settings = load_settings(home, &list);
  if (!settings) return fail(settings);
  return Facts{list.text(),
               *counts,
               settings->many("owner").value_or(std::vector{"postmaster@" + list.domain}),
               settings->text("post").value_or("subscribers"),
               settings->text("else").value_or("reject"),
               home.path(settings_path(list))};
}

std::string to_json(const Facts& facts) {
  std::string text = "{\"list\":";
  append_json(text, facts.list);
  text += fmt::format(",\"due\":{},\"all\":{},\"owner\":", facts.counts.due, facts.counts.all);
  append_json(text, facts.owners);
  for (const auto& [key, value] :
       {std::pair<std::string_view, const std::string&>{"post", facts.post},
        {"else", facts.otherwise},
        {"settings", facts.settings}}) {
    text.append(",\"").append(key).append("\":");
    append_json(text, value);
  }
  return text + '}';
}

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : " ") + item;
  return text;
}

}  // namespace

Result<Status> create_list(const Home& home, const ListName& list,
                           const std::optional<std::string>& owner) {
  const auto address = checked_owner(list, owner.value_or("postmaster@" + list.domain));
  if (!address) return fail(address);
  // Before the store is made: a home with a store and without keys is a broken one.
  if (auto made = make_keys(home); !made) return fail(made);
  auto store = Store::open(home, Access::make);
  if (!store) return fail(store);
  const auto there = store->has_list(list.text());
  if (!there) return fail(there);
  if (*there)
    return failure(Status::no, "{} is there already (see: ml-list show {})", list.text(),
                   list.text());

  const std::string path = settings_path(list);
  if (!is_there(home, path)) {
    if (auto written = write_settings(home, list, settings_text(list, *address)); !written) {
      return fail(written);
    }
  } else if (owner) {
    return failure(Status::no, "{} is there already: set the owner in it, or take it away",
                   home.path(path));
  }
  if (auto made = store->make_list(list.text()); !made) return fail(made);
  if (!owner) tell_of_stray_owners(home, *store, list);
  return Status::done;
}

Result<Status> show_lists(const Home& home, Form form, Out& out) {
  const auto store = Store::open(home, Access::read);
  if (!store) return fail(store);
  const auto names = store->lists();
  if (!names) return fail(names);
  std::string json = "[";
  for (const std::string& name : *names) {
    const auto list = text_to_list_name(name);
    if (!list) return fail(list);
    const auto facts = facts_of(home, *store, *list);
    if (!facts) return fail(facts);
    if (form == Form::json) {
      json += (json.size() > 1 ? ",\n" : "") + to_json(*facts);
    } else {
      out.put(fmt::format("{}\t{}\t{}\t{}\n", facts->list, facts->counts.due, facts->counts.all,
                          joined(facts->owners)));
    }
  }
  if (form == Form::json) out.put(json + "]\n");
  return Status::done;
}

Result<Status> show_list(const Home& home, const ListName& list, Form form, Out& out) {
  const auto store = Store::open(home, Access::read);
  if (!store) return fail(store);
  const auto facts = facts_of(home, *store, list);
  if (!facts) return fail(facts);
  if (form == Form::json) {
    out.put(to_json(*facts) + '\n');
    return Status::done;
  }
  out.put(fmt::format("list\t{}\ndue\t{}\nall\t{}\nowner\t{}\npost\t{}\nelse\t{}\nsettings\t{}\n",
                      facts->list, facts->counts.due, facts->counts.all, joined(facts->owners),
                      facts->post, facts->otherwise, facts->settings));
  return Status::done;
}

Result<Status> remove_list(const Home& home, const ListName& list, Sure sure) {
  auto store = Store::open(home, Access::write);
  if (!store) return fail(store);
  const auto number = store->list(list.text());
  if (!number) return fail(number);
  const auto counts = store->count(*number);
  if (!counts) return fail(counts);
  if (sure == Sure::no) {
    return failure(Status::no, "{} has {} subscribers, who would be lost: say --yes to remove it",
                   list.text(), counts->all);
  }
  if (auto removed = store->remove_list(list.text()); !removed) return fail(removed);
  const std::string path = settings_path(list);
  if (unlinkat(home.fd().get(), path.c_str(), 0) != 0) {
    if (errno == ENOENT) return Status::done;
    return system_failure(
        "the list is gone, but not its settings: cannot remove " + home.path(path), errno);
  }
  if (auto synced = sync_directory(home.path(path.substr(0, path.rfind('/')))); !synced) {
    return fail(synced);
  }
  return Status::done;
}

Result<Status> route_address(const Home& home, std::string_view address, Out& out) {
  const auto delimiter = delimiter_of(home);
  if (!delimiter) return fail(delimiter);
  const auto store = Store::open(home, Access::read);
  if (!store) return fail(store);
  const auto route = text_to_route(*store, address, *delimiter);
  if (!route) return fail(route);
  if (!*route || !(*route)->list) {
    return failure(Status::no, "{} belongs to no list here", printable(address, 320));
  }
  out.put(fmt::format("{}\t{}\t{}\n", (*route)->list->text(), role_to_text((*route)->role),
                      (*route)->extension));
  return Status::done;
}

}  // namespace ml
