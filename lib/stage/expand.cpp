#include "stage/expand.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "base/attributes.hpp"
#include "base/diag.hpp"
#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/home.hpp"
#include "base/text.hpp"
#include "list/name.hpp"
#include "list/settings.hpp"
#include "mail/address.hpp"
#include "mail/mailbox_set.hpp"
#include "mail/message.hpp"
#include "mail/slots.hpp"
#include "stage/bare_message.hpp"
#include "stage/own_copy.hpp"
#include "store/store.hpp"
#include "stream/filter.hpp"
#include "stream/rcpt_line.hpp"
#include "stream/reader.hpp"

namespace ml {
namespace {

constexpr std::size_t largest_message = std::size_t{100} << 20;

Failure nobody_named() {
  return retry(
      "nothing says who gets the message: name a LIST, give --to FILE, or put ml-receive before "
      "this");
}

// The home's store, opened when it is first wanted.
class Subscribers {
 public:
  explicit Subscribers(std::optional<std::string> home) : given_(std::move(home)) {}

  [[nodiscard]] Result<Store*> store() {
    if (!store_) {
      if (auto opened = open(); !opened) return fail(opened);
    }
    return &*store_;
  }
  // Nothing where there is no home or nothing in it yet: an ad-hoc send needs neither.
  [[nodiscard]] Result<Store*> store_if_there() {
    struct stat about{};
    const std::string home = home_directory(given_);
    if (home.empty()) return nullptr;
    const std::string path = home + "/store";
    if (stat(path.c_str(), &about) != 0 && (errno == ENOENT || errno == ENOTDIR)) return nullptr;
    return store();
  }
  [[nodiscard]] Result<ListName> name(std::string_view list) {
    if (auto opened = store(); !opened) return fail(opened);
    return find_list_name(*home_, list);
  }
  [[nodiscard]] Result<CopyWishes> wishes(const ListName& list) {
    if (auto opened = store(); !opened) return fail(opened);
    const auto settings = load_settings(*home_, &list);
    if (!settings) return fail(settings);
    return settings_to_wishes(*settings);
  }

 private:
  [[nodiscard]] Result<> open() {
    auto home = open_home(given_, Create::no);
    if (!home) return fail(home);
    home_ = std::move(*home);
    auto opened = Store::open(*home_, Access::read);
    if (!opened) return fail(opened);
    store_ = std::move(*opened);
    return {};
  }

  std::optional<std::string> given_;
  std::optional<Home> home_;
  std::optional<Store> store_;
};

// A file of people, read as often as there are sections.
class File {
 public:
  static Result<File> open(const std::string& path, const RowOptions& columns,
                           OnBadRow on_bad_row) {
    if (path == "-") return retry("'-' is the message; give the people as a file");
    auto rows = Rows::open(path, columns);
    if (!rows) return fail(rows);
    return File(std::move(*rows), on_bad_row);
  }

  // Reads a file that can seek to its end: a bad row is found before anything is written.
  [[nodiscard]] Result<> check() {
    auto seeks = rows_.rewind();
    if (!seeks) return fail(seeks);
    if (!*seeks) return {};
    BadRows bad;
    Row row;
    auto more = rows_.next(row);
    for (; more && *more; more = rows_.next(row)) {
      if (row.bad.empty()) continue;
      bad.add(rows_, row);
      if (on_bad_row_ == OnBadRow::skip) say(bad_row_to_text(rows_, row));
    }
    if (!more) return fail(more);
    if (bad.any() && on_bad_row_ == OnBadRow::refuse) return bad.failure();
    checked_ = true;
    return {};
  }

  [[nodiscard]] const std::vector<std::string>& address_keys() const {
    return rows_.address_keys();
  }

  // Calls with each good row.
  template <class Call>
  [[nodiscard]] Result<> each(Call&& call) {
    if (auto ready = from_the_start(); !ready) return ready;
    Row row;
    auto more = rows_.next(row);
    for (; more && *more; more = rows_.next(row)) {
      if (row.bad.empty()) {
        if (auto called = call(row); !called) return fail(called);
      } else if (on_bad_row_ == OnBadRow::refuse) {
        BadRows bad;
        bad.add(rows_, row);
        return bad.failure();
      } else if (!checked_) {
        say(bad_row_to_text(rows_, row));
      }
    }
    return more ? Result<>() : fail(more);
  }

 private:
  File(Rows rows, OnBadRow on_bad_row) : rows_(std::move(rows)), on_bad_row_(on_bad_row) {}

  Result<> from_the_start() {
    if (!std::exchange(used_, true) && !checked_) return {};
    auto seeks = rows_.rewind();
    if (!seeks) return fail(seeks);
    if (!*seeks) {
      return retry("{} cannot be read again for the next section: put it into a file",
                   rows_.name());
    }
    return {};
  }

  Rows rows_;
  OnBadRow on_bad_row_;
  bool checked_ = false;
  bool used_ = false;
};

// Adds the recipients of one section after the other.
class Expansion {
 public:
  explicit Expansion(const ExpandOptions& options)
      : options_(options), subscribers_(options.home) {}

  // Everything that the command line names is there and good, or it fails.
  [[nodiscard]] Result<> open() {
    // First of all: for root, this is where it becomes the home's owner.
    if (auto store = subscribers_.store_if_there(); !store) return fail(store);
    for (const auto& list : options_.lists) {
      auto name = subscribers_.name(list);
      if (!name) return fail(name);
      auto opened = open_list(*name);
      if (!opened) return fail(opened);
      names_.push_back(std::move(*name));
      lists_.push_back(*opened);
    }
    auto choice = texts_to_choice(options_.choice);
    if (!choice) return fail(choice);
    choice_ = std::move(*choice);
    for (const auto& path : options_.exclude) {
      RowOptions columns = options_.columns;
      columns.columns = Columns::address_only;
      auto file = File::open(path, columns, options_.on_bad_row);
      if (!file) return fail(file);
      auto read = file->each([this](const Row& row) {
        excluded_.insert(row.address.local, row.address.domain);
        return Result<>();
      });
      if (!read) return fail(read);
    }
    for (const auto& path : options_.to) {
      auto file = File::open(path, options_.columns, options_.on_bad_row);
      if (!file) return fail(file);
      if (auto good = file->check(); !good) return fail(good);
      files_.push_back(std::move(*file));
    }
    return {};
  }

  [[nodiscard]] const std::vector<ListName>& lists() const { return names_; }

  // `list`: what the section's message names, if it does.
  void begin_section(std::string_view id, std::optional<std::string> list) {
    seen_.clear();
    present_ = 0;
    slots_.clear();
    own_ = {};
    list_ = std::move(list);
    choice_.begin_message(id);
  }
  [[nodiscard]] bool expands_lists() const { return !lists_.empty() || expands_own_list(); }
  // Who wrote the section's message and who is named in it.
  void name(OwnCopies own) { own_ = std::move(own); }
  // "2/4", or empty.
  [[nodiscard]] const std::string& part() const { return choice_.part(); }

  // The slots of the section's message: an address is given under the key that asks for it.
  void fill(std::vector<SlotKey> slots) { slots_ = std::move(slots); }

  // One who is there already; false: of another shard.
  [[nodiscard]] bool add_present(std::string_view address) {
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

  [[nodiscard]] Result<> add_recipients(Writer& out) {
    std::vector<List> lists = lists_;
    if (lists.empty() && files_.empty()) {
      if (!list_) return present_ > 0 ? Result<>() : nobody_named();
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
    for (File& file : files_) {
      if (auto added = add_file(file, out); !added) return fail(added);
    }
    return {};
  }

 private:
  enum class Remember { no, yes };

  struct List {
    ListNumber number;
    CopyWishes wishes;
  };

  [[nodiscard]] Result<List> open_list(const ListName& name) {
    auto store = subscribers_.store();
    if (!store) return fail(store);
    auto number = (*store)->list(name.text());
    if (!number) return retry("cannot expand the list {}", number.error().text);
    auto wishes = subscribers_.wishes(name);
    if (!wishes) return fail(wishes);
    return List{*number, *wishes};
  }

  [[nodiscard]] bool expands_own_list() const { return lists_.empty() && files_.empty() && list_; }

  [[nodiscard]] bool is_new(std::string_view local, std::string_view domain, Remember remember) {
    if (excluded_.contains(local, domain)) return false;
    return remember == Remember::yes ? seen_.insert(local, domain) : !seen_.contains(local, domain);
  }

  [[nodiscard]] bool is_wanted(const Due& due, Remember remember) {
    return own_.wants(due.key, due.attributes) && choice_.takes_state(due.state) &&
           choice_.takes(due.key, due.attributes) &&
           is_new(due.local, due.at_domain.substr(1), remember);
  }

  // Those of the keys that the message asks for.
  [[nodiscard]] std::vector<std::string> wanted_of(const std::vector<std::string>& keys) const {
    std::vector<std::string> wanted;
    for (const std::string& key : keys) {
      if (std::ranges::find(slots_, key, &SlotKey::key) != slots_.end()) wanted.push_back(key);
    }
    return wanted;
  }

  // `attributes`: as on a line, with a TAB in front of each.
  static void append_address(std::string& attributes, const std::vector<std::string>& keys,
                             std::string_view address) {
    for (const std::string& key : keys) {
      const auto given = Attributes(std::string_view(attributes).substr(!attributes.empty()));
      if (!given.raw(key)) append_attribute(attributes, key, address);
    }
  }

  [[nodiscard]] Result<> add_list(const List& list, Remember remember, Writer& out) {
    auto store = subscribers_.store();
    if (!store) return fail(store);
    own_.begin_list(list.wishes);
    const bool look_at_all = remember == Remember::yes || seen_.size() > 0 ||
                             excluded_.size() > 0 || !choice_.is_everybody();
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

  // A line of one who gets the address as an attribute too.
  void append_with_address(std::string& to, const std::vector<std::string>& keys, Due due) {
    std::string attributes;
    if (!due.attributes.empty()) attributes.append("\t").append(due.attributes);
    append_address(attributes, keys, std::string(due.local).append(due.at_domain));
    due.attributes = std::string_view(attributes).substr(!attributes.empty());
    append_rcpt_lines(to, std::span(&due, 1));
  }

  [[nodiscard]] Result<> add_file(File& file, Writer& out) {
    auto store = subscribers_.store_if_there();
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

  const ExpandOptions& options_;
  Subscribers subscribers_;
  std::vector<ListName> names_;
  std::vector<List> lists_;
  std::vector<File> files_;
  Choice choice_;
  std::vector<SlotKey> slots_;  // of this section's message
  OwnCopies own_;
  std::optional<std::string> list_;  // that this section names
  MailboxSet excluded_;
  MailboxSet seen_;            // in this section
  std::uint64_t present_ = 0;  // recipients it came with
  std::vector<Due> wanted_;    // of a batch
  std::string key_;
};

// Marks the slots of a message, beside the one that ml-receive may have given it, and says so in
// its attributes; without slots nothing changes. Gives the keys that are ours to fill.
Result<std::vector<SlotKey>> merge(std::string& text, std::string& attributes) {
  const Attributes before(std::string_view(attributes).substr(attributes.empty() ? 0 : 1));
  const auto nonce_before = before.value(slots_attribute);
  if (nonce_before && before.raw(token_attribute) != token_by_list) return std::vector<SlotKey>();
  const std::string nonce = nonce_before.value_or(slot_nonce(text));
  auto marked = nonce_before ? mark_further_slots(text, nonce) : mark_slots(text, nonce);
  if (!marked) return fail(marked);
  if (marked->keys.empty()) return std::move(marked->keys);
  text = std::move(marked->message);
  const bool asks_token = std::erase_if(marked->keys, [](const SlotKey& slot) {
                            return slot.key == token_key;  // ml-verp's
                          }) > 0;
  if (nonce_before) {
    attributes = '\t' + with_attribute(before, token_attribute, token_by_merge);
    return std::move(marked->keys);
  }
  append_attribute(attributes, slots_attribute, nonce);
  if (asks_token) append_attribute(attributes, token_attribute, token_by_merge);
  return std::move(marked->keys);
}

Result<Status> expand_message(Expansion& expansion, const ExpandOptions& options, std::string first,
                              int input, Writer& out) {
  if (expansion.lists().empty() && options.to.empty()) return nobody_named();
  if (options.id && !is_id(*options.id)) {
    return retry("--id takes up to 64 of A-Z a-z 0-9 . _ -, no dot first, not '{}'",
                 printable(*options.id, 80));
  }
  auto rest = read_all(input, largest_message, "standard input");
  if (!rest) return fail(rest);
  std::optional<ListName> list;
  if (!expansion.lists().empty()) list = expansion.lists().front();
  auto message =
      octets_to_bare_message(std::move(first) + *rest, {options.sender, options.id, list});
  if (!message) return fail(message);
  expansion.begin_section(message->id, std::nullopt);
  if (expansion.expands_lists()) {
    expansion.name(OwnCopies(split_message(message->text).head, {}));
  }
  if (options.merge == Merge::yes) {
    auto slots = merge(message->text, message->attributes);
    if (!slots) return fail(slots);
    expansion.fill(std::move(*slots));
  }
  if (!expansion.part().empty()) append_attribute(message->attributes, "part", expansion.part());
  out.message(message->id, message->sender, message->text, message->attributes);
  if (auto added = expansion.add_recipients(out); !added) return fail(added);
  out.end(Status::done, "");
  return Status::done;
}

// What a stream's messages are given on their way.
struct Changes {
  std::optional<std::string> sender;
  Merge merge = Merge::no;
};

// The part that this shard makes of a section, on its message line.
Result<> add_part(const MessageRecord& message, std::string_view part, std::string& attributes) {
  if (part.empty()) return {};
  if (const auto before = message.attributes.value("part")) {
    return retry("--shard: the message {} is part {} of a send already", message.id,
                 printable(*before, 40));
  }
  append_attribute(attributes, "part", part);
  return {};
}

Result<> pass_message(const MessageRecord& message, std::string_view line, const Changes& changes,
                      Expansion& expansion, Writer& out) {
  std::string attributes;
  if (!message.attributes.empty()) attributes.append("\t").append(message.attributes.text());
  if (auto added = add_part(message, expansion.part(), attributes); !added) return added;
  const std::string_view sender = changes.sender ? *changes.sender : message.sender;
  if (changes.merge == Merge::yes) {
    auto text = decoded_message(message);
    if (!text) return fail(text);
    auto slots = merge(*text, attributes);
    if (!slots) return fail(slots);
    expansion.fill(std::move(*slots));
    out.message(message.id, sender, *text, attributes);
  } else if (changes.sender || !expansion.part().empty()) {
    std::string& to = out.buffer();
    to.append("message\t").append(message.id).append("\t").append(sender);
    to.append("\t").append(message.base64).append(attributes).push_back('\n');
    out.settle();
  } else {
    out.pass(line);
  }
  return {};
}

void begin_section(const MessageRecord& message, Expansion& expansion) {
  expansion.begin_section(message.id, message.attributes.value("list"));
  if (!expansion.expands_lists()) return;
  expansion.name(
      OwnCopies(base64_to_head(message.base64), message.attributes.value("author").value_or("")));
}

struct Expanding {
  Expansion& expansion;
  const Changes& changes;
  Writer& out;
  bool has_message = false;  // the section has

  Result<> message(Reader& in) {
    has_message = true;
    begin_section(in.message(), expansion);
    return pass_message(in.message(), in.line(), changes, expansion, out);
  }
  Result<> recipient(Reader& in) {
    if (expansion.add_present(in.rcpt().address)) out.pass(in.line());
    return {};
  }
  // A section that failed before this stage is not expanded: its message comes again.
  Result<> finish(Reader& in, Result<> so_far) {
    if (!std::exchange(has_message, false) || !so_far || in.end().status != 0) return so_far;
    return expansion.add_recipients(out);
  }
};

// What fails before a section could end is told to the stages behind in an end of our own.
Result<Status> refuse(const Error& error, Writer& out) {
  out.end(error.status, error.text);
  return Failure(error);
}

Result<Status> expand_input(const ExpandOptions& options, int input, Writer& out) {
  Expansion expansion(options);
  if (auto opened = expansion.open(); !opened) return refuse(opened.error(), out);
  auto first = first_octets(input);
  if (!first) return refuse(first.error(), out);
  if (!first->empty() && !begins_stream(*first) && !may_begin_stream(*first)) {
    auto expanded = expand_message(expansion, options, std::move(*first), input, out);
    return expanded ? expanded : refuse(expanded.error(), out);
  }
  if (options.id) {
    return refuse(retry("--id names a bare message; the sections of a stream have theirs").error(),
                  out);
  }
  Changes changes{std::nullopt, options.merge};
  if (options.sender) {
    auto sender = text_to_sender(*options.sender);
    if (!sender) return refuse(sender.error(), out);
    changes.sender = std::move(*sender);
  }
  Reader in(input, *first);
  Expanding expanding{expansion, changes, out};
  return filter(in, out, expanding);
}

}  // namespace

Result<Status> expand(const ExpandOptions& options, int input, Writer& out) {
  auto expanded = expand_input(options, input, out);
  if (auto flushed = out.flush(); !flushed) return fail(flushed);
  return expanded;
}

}  // namespace ml
