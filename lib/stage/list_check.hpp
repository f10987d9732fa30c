// ml-list check: would mail flow? What can be seen from here, and honestly no more.
#pragma once

#include <optional>

#include "base/home.hpp"
#include "base/out.hpp"
#include "base/result.hpp"
#include "list/name.hpp"

namespace ml {

// A line a finding: `ok`, `no` (it must be mended) or `?` (it cannot be told from here), TAB, what
// it is about, TAB, what was found and what to do. Status::no if there is a `no`. One list, or all.
[[nodiscard]] Result<Status> check_lists(const Home& home, const std::optional<ListName>& list,
                                         Out& out);

}  // namespace ml
