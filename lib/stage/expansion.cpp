#include "stage/expansion.hpp"

#include <algorithm>
#include <utility>

#include "base/attributes.hpp"
#include "base/text.hpp"
#include "list/settings.hpp"
#include "mail/address.hpp"
#include "stream/rcpt_line.hpp"

namespace ml {
namespace {

// `attributes`: as on a line, with a TAB in front of each.
void append_address(std::string& attributes, const std::vector<std::string>& keys,
                    std::string_view address) {
  for (const std::string& key : keys) {
    const auto given = Attributes(std::string_view(attributes).substr(!attributes.empty()));
    if (!given.raw(key)) append_attribute(attributes, key, address);
  }
}

// A line of one who gets the address as an attribute too.
void append_with_address(std::string& to, const std::vector<std::string>& keys, Due due) {
  std::string attributes;
  if (!due.attributes.empty()) attributes.append("\t").append(due.attributes);
  append_address(attributes, keys, std::string(due.local).append(due.at_domain));
  due.attributes = std::string_view(attributes).substr(!attributes.empty());
  append_rcpt_lines(to, std::span(&due, 1));
}

Failure not_for_subscribers(std::string_view role, const std::optional<std::string>& list) {
  return retry(
      "the message is for the {} of {}, not for its subscribers: say who gets it by --to FILE or a "
      "LIST, as in: ml-expand {}",
      printable(role, 40), printable(list.value_or("no list"), 320),
      printable(list.value_or("news@x.org"), 320));
}

}  // namespace

Failure nobody_named() {
  return retry(
      "nothing says who gets the message: name a LIST, give --to FILE, or put ml-receive before "
      "this");
}

Result<> Expansion::open() {
  // First of all: for root, this is where it becomes the home's owner.
  if (auto store = store_.if_there(); !store) return fail(store);
  if (auto opened = open_lists(); !opened) return opened;
  auto choice = texts_to_choice(options_.choice);
  if (!choice) return fail(choice);
  choice_ = std::move(*choice);
  if (auto read = read_excluded(); !read) return read;
  return open_files();
}

Result<> Expansion::open_lists() {
  for (const auto& list : options_.lists) {
    const auto home = store_.home();
    if (!home) return fail(home);
    auto name = find_list_name(**home, list);
    if (!name) return fail(name);
    auto opened = open_list(*name);
    if (!opened) return fail(opened);
    names_.push_back(std::move(*name));
    lists_.push_back(*opened);
  }
  return {};
}

Result<> Expansion::read_excluded() {
  RowOptions columns = options_.columns;
  columns.columns = Columns::address_only;
  for (const auto& path : options_.exclude) {
    auto file = PeopleFile::open(path, columns, options_.on_bad_row);
    if (!file) return fail(file);
    auto read = file->each([this](const Row& row) {
      excluded_.insert(row.address.local, row.address.domain);
      return Result<>();
    });
    if (!read) return fail(read);
  }
  return {};
}

Result<> Expansion::open_files() {
  for (const auto& path : options_.to) {
    auto file = PeopleFile::open(path, options_.columns, options_.on_bad_row);
    if (!file) return fail(file);
    if (auto good = file->check(); !good) return fail(good);
    files_.push_back(std::move(*file));
  }
  return {};
}

void Expansion::begin_section(std::string_view id, std::optional<std::string> list,
                              std::optional<std::string> role) {
  seen_.clear();
  present_ = 0;
  slots_.clear();
  own_ = {};
  list_ = std::move(list);
  role_ = std::move(role);
  choice_.begin_message(id);
}

bool Expansion::add_present(std::string_view address) {
  ++present_;
  key_.clear();
  if (const auto at = plain_at(address)) {
    append_key(key_, address.substr(0, *at), address.substr(*at + 1));
    seen_.insert(address.substr(0, *at), address.substr(*at + 1));
  } else if (const auto parsed = text_to_address(address)) {
    append_key(key_, parsed->local, parsed->domain);
    seen_.insert(parsed->local, parsed->domain);
  } else {
    key_ = address;  // no source can name it again
  }
  return choice_.in_shard(key_);
}

Result<> Expansion::add_recipients(Writer& out) {
  std::vector<List> lists = lists_;
  if (lists.empty() && files_.empty()) {
    if (!expands_own_list() && present_ > 0) return {};
    if (role_) return not_for_subscribers(*role_, list_);
    if (!list_) return nobody_named();
    const auto name = text_to_list_name(*list_);
    if (!name) return fail(name);
    const auto list = open_list(*name);
    if (!list) return fail(list);
    lists.push_back(*list);
  }
  for (std::size_t i = 0; i < lists.size(); ++i) {
    // A list has nobody twice: what comes last need not be remembered.
    const bool last = i + 1 == lists.size() && files_.empty();
    if (auto added = add_list(lists[i], last ? Remember::no : Remember::yes, out); !added) {
      return fail(added);
    }
  }
  for (PeopleFile& file : files_) {
    if (auto added = add_file(file, out); !added) return fail(added);
  }
  return {};
}

Result<Expansion::List> Expansion::open_list(const ListName& name) {
  auto store = store_.store();
  if (!store) return fail(store);
  auto number = (*store)->list(name.text());
  if (!number) return retry("cannot expand the list {}", number.error().text);
  const auto home = store_.home();
  if (!home) return fail(home);
  const auto settings = load_settings(**home, &name);
  if (!settings) return fail(settings);
  auto wishes = settings_to_wishes(*settings);
  if (!wishes) return fail(wishes);
  return List{*number, *wishes};
}

bool Expansion::is_new(std::string_view local, std::string_view domain, Remember remember) {
  if (excluded_.contains(local, domain)) return false;
  return remember == Remember::yes ? seen_.insert(local, domain) : !seen_.contains(local, domain);
}

bool Expansion::is_wanted(const Due& due, Remember remember) {
  return own_.wants(due.key, due.attributes) && choice_.takes_state(due.state) &&
         choice_.takes(due.key, due.attributes) &&
         is_new(due.local, due.at_domain.substr(1), remember);
}

std::vector<std::string> Expansion::wanted_of(const std::vector<std::string>& keys) const {
  std::vector<std::string> wanted;
  for (const std::string& key : keys) {
    if (std::ranges::find(slots_, key, &SlotKey::key) != slots_.end()) wanted.push_back(key);
  }
  return wanted;
}

Result<> Expansion::add_list(const List& list, Remember remember, Writer& out) {
  auto store = store_.store();
  if (!store) return fail(store);
  own_.begin_list(list.wishes);
  const bool look_at_all = remember == Remember::yes || seen_.size() > 0 || excluded_.size() > 0 ||
                           !choice_.is_everybody();
  const auto keys = wanted_of({"email"});
  const auto take = [&](std::span<const Due> due) {
    if (look_at_all || own_.concerns(due.back().key)) {
      wanted_.clear();
      for (const Due& each : due) {
        if (is_wanted(each, remember)) wanted_.push_back(each);
      }
      due = wanted_;
    }
    if (keys.empty()) return append_rcpt_lines(out.buffer(), due);
    for (const Due& each : due) append_with_address(out.buffer(), keys, each);
  };
  std::string after;
  for (bool more = true; more;) {
    auto read = (*store)->next_slice(list.number, after, take);
    out.settle();  // here the slice is over, and a pipe may block
    if (!read) return fail(read);
    if (out.failed()) return fail(out.flush());
    more = *read;
  }
  return {};
}

Result<> Expansion::add_file(PeopleFile& file, Writer& out) {
  auto store = store_.if_there();
  if (!store) return fail(store);
  const auto keys = wanted_of(file.address_keys());
  std::string line;
  return file.each([&](const Row& row) -> Result<> {
    if (!choice_.is_everybody()) {
      key_.clear();
      append_key(key_, row.address.local, row.address.domain);
      if (!choice_.takes(key_, row.attributes)) return {};
    }
    if (!is_new(row.address.local, row.address.domain, Remember::yes)) return {};
    if (*store != nullptr) {
      const auto suppressed = (*store)->suppressed(row.address);
      if (!suppressed) return fail(suppressed);
      if (*suppressed) return {};
    }
    line.clear();
    if (!row.attributes.empty()) line.append("\t").append(row.attributes);
    const std::string address = address_to_text(row.address);
    append_address(line, keys, address);
    out.rcpt(address, "-", line);
    return out.failed() ? out.flush() : Result<>();
  });
}

}  // namespace ml
