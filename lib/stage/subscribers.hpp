// ml-store: looking at subscribers and changing them one by one, for people.
//
// What is asked for and is not there is Status::no with a word about it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/out.hpp"
#include "base/result.hpp"
#include "stage/import.hpp"
#include "stage/lists.hpp"
#include "store/store.hpp"

namespace ml {

// `changes` are key=value. `state` is the subscriber's own, the others are attributes; an empty
// value takes the attribute away.
[[nodiscard]] Result<Status> set_subscriber(OpenList& list, std::string_view address,
                                            const std::vector<std::string>& changes, Revive revive);

// A `key TAB value` line for each thing known, or a JSON object in a line.
[[nodiscard]] Result<Status> show_subscriber(const OpenList& list, std::string_view address,
                                             Form form, Out& out);
// The same for every list that knows the address, a blank line between them.
[[nodiscard]] Result<Status> show_address(const Store& store, std::string_view address, Form form,
                                          Out& out);
[[nodiscard]] Result<Status> count_subscribers(const OpenList& list, Form form, Out& out);

[[nodiscard]] Result<Status> suppress_address(Store& store, std::string_view address,
                                              std::string_view reason);
[[nodiscard]] Result<Status> unsuppress_address(Store& store, std::string_view address);
// A line for each of them: the address, the day, the reason; or a JSON object in a line.
[[nodiscard]] Result<Status> show_suppressed(const Store& store, Form form, Out& out);

// A finding a line; Status::no if there is one.
[[nodiscard]] Result<Status> check_store(const Store& store, Form form, Out& out);

}  // namespace ml
