// Names in directories.
//
//   auto names = names_in(home.path("journal"), Missing::is_empty);
//   if (!names) return fail(names);
//   if (!exists(path)) return std::nullopt;
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace ml {

// What a directory that is not there is.
enum class Missing { is_error, is_empty };

// All but "." and "..", in the order of their octets. 75 where it cannot be read to its end: a part
// of a directory would pass for the whole of it.
[[nodiscard]] Result<std::vector<std::string>> names_in(const std::string& directory,
                                                        Missing missing = Missing::is_error);

// False too where it cannot be looked at.
[[nodiscard]] bool exists(const std::string& path);

}  // namespace ml
