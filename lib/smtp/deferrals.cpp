#include "smtp/deferrals.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t most_domains = 64;

}  // namespace

void Deferrals::of_recipient(std::string_view domain) {
  ++recipients_;
  if (domains_.size() == most_domains) return;
  const auto is_it = [&](const std::string& known) { return same_nocase(known, domain); };
  if (std::ranges::none_of(domains_, is_it)) domains_.push_back(lower(domain));
}

void Deferrals::end() {
  messages_ = recipients_ = 0;
  next_look_ = longest_run;
  domains_.clear();
}

}  // namespace ml
