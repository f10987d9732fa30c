#include "stage/reasons.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t most_reasons = 100;
constexpr std::size_t longest_text = 160;

}  // namespace

void Reasons::add(const Reply& reply) {
  const std::pair key(reply.code, enhanced_code_to_text(reply.enhanced));
  const auto found = reasons_.find(key);
  if (found != reasons_.end()) {
    ++found->second.count;
  } else if (reasons_.size() < most_reasons) {
    reasons_.emplace(key, Reason{printable(reply.said, longest_text), 1});
  }
}

std::string Reasons::text(std::uint64_t all) const {
  if (reasons_.empty()) return {};
  const Reason& most = std::ranges::max_element(reasons_, {}, [](const auto& one) {
                         return one.second.count;
                       })->second;
  if (most.count >= all) return fmt::format(" ({})", most.text);
  return fmt::format(" ({} of them: {})", most.count, most.text);
}

}  // namespace ml
