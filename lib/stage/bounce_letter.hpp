// The mail that ml-bounce writes: a probe to a subscriber, a notice to the owners of a list.
//
// Its words are a text that a list may have of its own, a file with an optional first line
// "Subject: ..." and these slots:
//
//   {{list}}         news@x.org            {{owner}}        news-owner@x.org
//   {{address}}      the subscriber's      {{subscribers}}  a line each, in a notice
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/home.hpp"
#include "base/result.hpp"
#include "list/name.hpp"

namespace ml {

extern const std::string_view default_probe_text;
extern const std::string_view default_notice_text;

struct LetterSlots {
  std::string address;
  std::string subscribers;  // lines
};

// The text of a setting: a file, without a leading / below the home; `otherwise` where it is empty.
[[nodiscard]] Result<std::string> letter_text(const Home& home, const std::string& file,
                                              std::string_view otherwise);

// The whole message, with LF line ends. Made again within the hour it is the same to the octet, so
// that what is written twice, because of a kill, is mailed once.
[[nodiscard]] std::string make_letter(std::string_view text, const ListName& list,
                                      std::string_view to, const LetterSlots& slots,
                                      std::chrono::system_clock::time_point now);

}  // namespace ml
