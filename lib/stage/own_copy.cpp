#include "stage/own_copy.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/attributes.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"
#include "mail/header.hpp"
#include "mail/mailboxes.hpp"
#include "mail/message.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_head = std::size_t{1} << 20;

Result<Copy> wish(const Settings& settings, std::string_view key) {
  const auto text = settings.text(key);
  if (!text || *text == "yes") return Copy::yes;
  if (*text == "no") return Copy::no;
  return retry("the setting {} is \"yes\" or \"no\", not '{}'", key, printable(*text, 40));
}

bool is_yes(Attributes attributes, std::string_view key, Copy otherwise) {
  const auto own = attributes.raw(key);
  return own ? *own != "no" : otherwise == Copy::yes;
}

}  // namespace

Result<CopyWishes> settings_to_wishes(const Settings& settings) {
  const auto own = wish(settings, "own-copy");
  if (!own) return fail(own);
  const auto direct = wish(settings, "direct-copy");
  if (!direct) return fail(direct);
  return CopyWishes{*own, *direct};
}

OwnCopies::OwnCopies(std::string_view head, std::string_view author) {
  for (const Field& field : Fields(head)) {
    const bool wrote = same_nocase(field.name, "From");
    if (!wrote && !same_nocase(field.name, "To") && !same_nocase(field.name, "Cc")) continue;
    const As as = wrote ? As::author : As::addressee;
    for (const Address& address : mailboxes(field.value)) add(address_key(address), as);
  }
  if (const auto address = text_to_address(author)) add(address_key(*address), As::author);
  std::ranges::stable_sort(people_, {}, &Person::key);
  std::size_t kept = 0;  // one of each
  for (Person& person : people_) {
    if (kept > 0 && people_[kept - 1].key == person.key) {
      people_[kept - 1].wrote |= person.wrote;
      people_[kept - 1].named |= person.named;
    } else {
      std::swap(people_[kept++], person);
    }
  }
  people_.resize(kept);
}

void OwnCopies::add(std::string key, As as) {
  people_.push_back({std::move(key), as == As::author, as == As::addressee});
}

bool OwnCopies::wants_one(std::string_view attributes) const {
  const Person& person = people_[next_];
  const Attributes its(attributes);
  return (!person.wrote || is_yes(its, "own-copy", wishes_.own)) &&
         (!person.named || is_yes(its, "direct-copy", wishes_.direct));
}

std::string base64_to_head(std::string_view base64) {
  constexpr std::size_t enough = longest_head / 3 * 4;
  auto text = base64_decoded(base64.substr(0, enough));
  if (!text) return {};
  text->resize(split_message(*text).head.size());
  return std::move(*text);
}

}  // namespace ml
