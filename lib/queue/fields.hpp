// Small files of a format line and "key value" lines, as a journal's head.
//
//   auto fields = read_fields(path);
//   if (!fields) return fail(fields);
//   if (!*fields) return retry("{} is damaged", path);
//   (*fields)->value("begun");           // empty where it is not there
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ml {

inline constexpr std::string_view journal_format = "mlpipe journal 1";

struct HeadFields {
  std::map<std::string, std::string, std::less<>> all;
  [[nodiscard]] std::string_view value(std::string_view key) const {
    const auto found = all.find(key);
    return found == all.end() ? std::string_view() : std::string_view(found->second);
  }
};

// Nothing: it is not whole, or of another format. 75: it cannot be read.
[[nodiscard]] Result<std::optional<HeadFields>> read_fields(const std::string& path);

}  // namespace ml
