// ml-list: the lists of a home, for people.
//
// create() in the order that a kill may cut anywhere; the same command again completes it:
//
//   | step | makes durable                                   | killed after it: there is          |
//   | ---- | ----------------------------------------------- | ---------------------------------- |
//   | 1    | the home, by open_home                          | an empty home                      |
//   | 2    | keys/, unless there; then an empty store        | a home without lists               |
//   | 3    | lists/DOMAIN/LOCAL.toml, whole, unless there    | settings that nobody reads yet     |
//   | 4    | the list in the store, one transaction          | the list                           |
//
// remove() goes the other way: the store first, then the settings.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/home.hpp"
#include "base/json.hpp"
#include "base/out.hpp"
#include "base/result.hpp"
#include "list/name.hpp"

namespace ml {

// `owner`: postmaster@ the list's domain if not given; a line on standard error warns where nobody
// would get its mail. A list that is there already is Status::no.
[[nodiscard]] Result<Status> create_list(const Home& home, const ListName& list,
                                         const std::optional<std::string>& owner);

// Without a list every list, a line each: address, due, all, owner, TAB between them.
[[nodiscard]] Result<Status> show_lists(const Home& home, Form form, Out& out);
// One list, a `key TAB value` line for each thing that is known of it.
[[nodiscard]] Result<Status> show_list(const Home& home, const ListName& list, Form form, Out& out);

enum class Sure { no, yes };

// Without Sure::yes it only says what would be lost: Status::no.
[[nodiscard]] Result<Status> remove_list(const Home& home, const ListName& list, Sure sure);

// `list TAB role TAB extension` of an address; Status::no if it belongs to no list. Where the
// delimiter (site setting `delimiter`) is a hyphen, the longest name that is a list wins.
[[nodiscard]] Result<Status> route_address(const Home& home, std::string_view address, Out& out);

}  // namespace ml
