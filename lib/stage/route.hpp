// Where an address of ours leads: which list, in which role, with which extension.
//
//   auto route = text_to_route(store, "news-owner@x.org", '+');
//   if (!*route) ...                              // no list of ours
//   (*route)->list->text() == "news@x.org"; (*route)->role == Role::owner
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/home.hpp"
#include "base/result.hpp"
#include "list/name.hpp"
#include "list/settings.hpp"
#include "store/store.hpp"

namespace ml {

struct Route {
  // Nothing, with Role::bounces: a bounce address whose list's handle (verp.hpp) is unknown.
  std::optional<ListName> list;
  Role role = Role::post;
  std::string extension;  // case kept; often empty
};

// Nothing where no list is there that the address could belong to, or where it is no address. What
// follows `-bounces+` or the `bounces+` of long names is not looked at, but for the handle in the
// latter: a forged bounce address routes as a signed one.
[[nodiscard]] Result<std::optional<Route>> text_to_route(const Store& store,
                                                         std::string_view address, char delimiter);

// True if it stands in a domain of lists and is the address of none of them: a mail server that
// hands such a domain over whole has nobody for it. Not for what is no address.
[[nodiscard]] Result<bool> is_stray(const Store& store, std::string_view address, char delimiter);

// Who owns the list by its settings, postmaster@ its domain unless they say; never an address of
// the list itself, from which mail would come round again or go to the subscribers. 75 where nobody
// is left, or one is no address.
[[nodiscard]] Result<std::vector<std::string>> owners_of(const Store& store,
                                                         const Settings& settings,
                                                         const ListName& list, char delimiter);

// The site setting `delimiter`: '+', or '-', where the longest name that is a list wins.
[[nodiscard]] Result<char> delimiter_of(const Home& home);
[[nodiscard]] Result<char> delimiter_of(const Settings& site);

}  // namespace ml
