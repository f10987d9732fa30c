// Enhanced status codes, RFC 3463: "5.1.1" in what relays answer (RFC 2034), in delivery reports
// and in our own records of both. All of them are read here, so that none means two things.
//
//   std::string_view text = " 5.7.1: denied";
//   const EnhancedCode code = take_enhanced_code(text);      // {5, 7, 1}; text is ": denied"
#pragma once

#include <string>
#include <string_view>

namespace ml {

// kind 0: there is none.
struct EnhancedCode {
  int kind = 0;  // 2, 4 or 5
  int subject = 0;
  int detail = 0;

  bool operator==(const EnhancedCode&) const = default;
};

// Takes the code that `text` begins with off its front, with the blanks before it and one behind
// it. No letter, digit or ".digit" stands behind a code: where one does, none is there and nothing
// is taken.
[[nodiscard]] EnhancedCode take_enhanced_code(std::string_view& text);

// "5.1.1"; empty where there is none.
[[nodiscard]] std::string enhanced_code_to_text(const EnhancedCode& code);

}  // namespace ml
