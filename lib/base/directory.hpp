// Directories: the names in them, new ones, and files there that have no name.
//
//   auto names = names_in(home.path("journal"), Missing::is_empty);
//   if (!names) return fail(names);
//   if (!exists(path)) return std::nullopt;
#pragma once

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace ml {

// What a directory that is not there is.
enum class Missing { is_error, is_empty };

// All but "." and "..", in the order of their octets. 75 where it cannot be read to its end: a part
// of a directory would pass for the whole of it.
[[nodiscard]] Result<std::vector<std::string>> names_in(const std::string& directory,
                                                        Missing missing = Missing::is_error);

// What `path` is in: "." where it has no slash, else all up to the last one.
[[nodiscard]] std::string directory_of(const std::string& path);

// False too where it cannot be looked at.
[[nodiscard]] bool exists(const std::string& path);

// One directory (0700), if it is not there.
[[nodiscard]] Result<> make_directory(const std::string& path);

// A file for reading and writing that nobody can meet, on the file system of `directory`: a kill
// leaves nothing of it.
[[nodiscard]] Result<Fd> make_unnamed_file(const std::string& directory);

}  // namespace ml
