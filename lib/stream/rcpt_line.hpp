// Many rcpt lines at once, for those who write millions: no call and no bound check a field.
//
//   append_rcpt_lines(out.buffer(), due);    // of whatever has local, at_domain and attributes
//   out.settle();
#pragma once

#include <ranges>
#include <string>
#include <string_view>

#include "base/octets.hpp"

namespace ml {

// Each of `recipients` has local ("ann"), at_domain ("@example.org") and attributes
// ("name=Ann\ttags=a", or empty); its sender is the message's own.
template <class Recipients>
void append_rcpt_lines(std::string& to, const Recipients& recipients) {
  constexpr std::string_view begin = "rcpt\t";
  constexpr std::string_view sender = "\t-";
  std::size_t size = to.size();
  const std::size_t before = size;
  for (const auto& each : recipients) {
    size += begin.size() + each.local.size() + each.at_domain.size() + sender.size() +
            each.attributes.size() + 2;
  }
  to.resize_and_overwrite(size, [&](char* text, std::size_t) {
    char* at = text + before;
    const auto put = [&at](std::string_view part) {
      copy_octets(part, at);
      at += part.size();
    };
    for (const auto& each : recipients) {
      put(begin);
      put(each.local);
      put(each.at_domain);
      put(sender);
      if (!each.attributes.empty()) {
        *at++ = '\t';
        put(each.attributes);
      }
      *at++ = '\n';
    }
    return static_cast<std::size_t>(at - text);
  });
}

}  // namespace ml
