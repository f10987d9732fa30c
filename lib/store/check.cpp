// Store: looking at everything, in one snapshot.
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "store/inside.hpp"
#include "store/store.hpp"

namespace ml {
namespace {

class Check {
 public:
  explicit Check(const Snapshot& snapshot) : snapshot_(snapshot) {}

  [[nodiscard]] Result<std::vector<std::string>> run() {
    using Step = void (Check::*)(std::string_view, std::string_view);
    constexpr std::pair<Table, Step> steps[] = {{table::lists, &Check::list},
                                                {table::counts, &Check::counts},
                                                {table::subscribers, &Check::subscriber},
                                                {table::suppressed, &Check::suppression},
                                                {table::handles, &Check::handle},
                                                {table::marks, &Check::mark}};
    std::vector<DbRecord> records(slice_count);
    for (const auto& [table, step] : steps) {
      auto cursor = snapshot_.cursor(table);
      if (!cursor) return fail(cursor);
      auto standing = cursor->first();
      if (!standing) return fail(standing);
      while (*standing) {
        auto count = cursor->read_on(records, *standing);
        if (!count) return fail(count);
        for (const auto& [key, value] : std::span(records).first(*count)) (this->*step)(key, value);
        cursor->forget_pages();
      }
    }
    compare_counts();
    if (auto compared = compare_next_list(); !compared) return fail(compared);
    return std::move(findings_);
  }

 private:
  struct List {
    std::string name;
    std::optional<Counts> kept;
    Counts found;
  };

  template <class... Args>
  void find(fmt::format_string<Args...> form, Args&&... args) {
    findings_.push_back(fmt::format(form, std::forward<Args>(args)...));
  }

  void list(std::string_view key, std::string_view value) {
    if (value.size() != prefix_octets) return find("{}: no list number", printable(key));
    const auto [at, fresh] = lists_.try_emplace(big(value), List{std::string(key), {}, {}});
    if (!fresh) find("{}: has the same number as {}", printable(key), at->second.name);
  }

  void counts(std::string_view key, std::string_view value) {
    const auto at = lists_.find(big(key));
    if (key.size() != prefix_octets || value.size() != 16 || at == lists_.end()) {
      return find("counts of no list: '{}'", printable(key));
    }
    at->second.kept = Counts{big(value.substr(0, 8)), big(value.substr(8))};
  }

  // The list that a key begins with, or a finding.
  List* list_of(std::string_view key, std::string_view what) {
    const auto at = lists_.find(big(key.substr(0, prefix_octets)));
    if (key.size() > prefix_octets && at != lists_.end()) return &at->second;
    find("{} of no list: '{}'", what, printable(key, 320));
    return nullptr;
  }

  void subscriber(std::string_view key, std::string_view value) {
    List* list = list_of(key, "a subscriber");
    if (!list) return;
    key.remove_prefix(prefix_octets);
    const auto subscriber = value_to_subscriber(key, value);
    if (!subscriber) return find("{}: damaged record '{}'", list->name, printable(key, 320));
    count_in(list->found, subscriber->state);
    const std::string text = address_to_text(subscriber->address);
    const auto address = text_to_address(text);
    if (!address || *address != subscriber->address) {
      find("{}: not a mail address in our spelling: '{}'", list->name, printable(text, 320));
    }
    if (!are_good_attributes(subscriber->attributes)) {
      find("{}: damaged attributes of {}", list->name, printable(text, 320));
    }
  }

  void suppression(std::string_view key, std::string_view value) {
    if (!view_key(key) || !value_to_suppression(value)) {
      find("damaged suppression: '{}'", printable(key, 320));
    }
  }

  void handle(std::string_view key, std::string_view value) {
    if (key.size() != 13 || !text_to_address(value)) {
      find("damaged handle: '{}'", printable(key, 40));
    }
  }

  void mark(std::string_view key, std::string_view value) {
    const List* list = list_of(key, "a bounce mark");
    if (list && !is_bounce_record(key.substr(prefix_octets), value)) {
      find("{}: damaged bounce mark '{}'", list->name, printable(key.substr(prefix_octets), 320));
    }
  }

  void compare_counts() {
    for (const auto& [number, list] : lists_) {
      if (!list.kept) {
        find("{}: has no counts", list.name);
      } else if (*list.kept != list.found) {
        find("{}: counts {} due of {}, but has {} due of {}", list.name, list.kept->due,
             list.kept->all, list.found.due, list.found.all);
      }
    }
  }

  [[nodiscard]] Result<> compare_next_list() {
    auto next = snapshot_.get(table::meta, "next-list");
    if (!next) return fail(next);
    const std::uint64_t number = *next ? big(**next) : 1;
    if (!lists_.empty() && lists_.rbegin()->first >= number) {
      find("the next list's number, {}, is taken", number);
    }
    return {};
  }

  const Snapshot& snapshot_;
  std::map<std::uint64_t, List> lists_;
  std::vector<std::string> findings_;
};

}  // namespace

Result<std::vector<std::string>> Store::check() const {
  auto snapshot = inside_->env.read();
  if (!snapshot) return fail(snapshot);
  return Check(*snapshot).run();
}

}  // namespace ml
