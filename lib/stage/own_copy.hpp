// Who of a list's subscribers wrote a message, or has it from its author directly, and may want no
// second copy from the list.
//
// What each wants: the subscriber's own attribute (own-copy=no, direct-copy=no), else the list's
// setting of that name, else a copy. A header can be forged: so a list that says nothing sends to
// everybody.
//
//   OwnCopies own(head, author);
//   own.begin_list(wishes);
//   for (each subscriber, in key order) if (own.wants(due.key, due.attributes)) ...
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "list/settings.hpp"

namespace ml {

enum class Copy { no, yes };

// Of a list, for those who do not say it themselves.
struct CopyWishes {
  Copy own = Copy::yes;     // to the author of a post
  Copy direct = Copy::yes;  // to those in its To and Cc
};
[[nodiscard]] Result<CopyWishes> settings_to_wishes(const Settings& settings);

class OwnCopies {
 public:
  OwnCopies() = default;
  // `head`: of the message. `author`: its envelope sender, or empty.
  OwnCopies(std::string_view head, std::string_view author);

  // Before the first subscriber of a list.
  void begin_list(const CopyWishes& wishes) {
    wishes_ = wishes;
    next_ = 0;
  }
  // False: nobody up to `key` wrote the message or is named in it, as for nearly all.
  [[nodiscard]] bool concerns(std::string_view key) const {
    return next_ < people_.size() && people_[next_].key <= key;
  }
  // Keys (address_key) must rise from call to call.
  [[nodiscard]] bool wants(std::string_view key, std::string_view attributes) {
    while (next_ < people_.size() && people_[next_].key < key) ++next_;
    return next_ == people_.size() || people_[next_].key != key || wants_one(attributes);
  }

 private:
  struct Person {
    std::string key;
    bool wrote = false;
    bool named = false;
  };
  enum class As { author, addressee };
  void add(std::string key, As as);
  [[nodiscard]] bool wants_one(std::string_view attributes) const;

  std::vector<Person> people_;  // by key
  std::size_t next_ = 0;
  CopyWishes wishes_;
};

// The header of a message that stands in base64, as much of it as 1 MiB; empty if it is no base64.
[[nodiscard]] std::string base64_to_head(std::string_view base64);

}  // namespace ml
