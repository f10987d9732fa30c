// ml-list mta: what a mail server must be told so that mail reaches the lists.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/home.hpp"
#include "base/out.hpp"
#include "base/result.hpp"
#include "list/name.hpp"

namespace ml {

struct MtaList {
  ListName name;
  std::vector<std::string> owners;
};

// Alias lines of Postfix for these lists, with comments that say what else to set. `programs`: the
// directory of the filters. `home`: named in the lines unless it is the system's own. A directory
// whose name would need quotes there is 75.
[[nodiscard]] Result<std::string> postfix_aliases(const std::vector<MtaList>& lists,
                                                  std::string_view programs, std::string_view home);

// The same for a list, for a domain's lists, or, where `which` is empty, for all of the home's.
// Two lists of one local part are Status::no: an alias has no domain.
[[nodiscard]] Result<Status> print_mta_postfix(const Home& home, std::string_view which, Out& out);

// The directory of the running program: the filters stand beside ml-list.
[[nodiscard]] Result<std::string> program_directory();

}  // namespace ml
