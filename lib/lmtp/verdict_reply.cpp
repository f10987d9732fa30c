#include "lmtp/verdict_reply.hpp"

#include <string_view>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_reply = 500;

// The code of the class `kind` that the text begins with: its length; 0: there is none.
std::size_t code_length(std::string_view text, char kind) {
  const std::string_view code = text.substr(0, text.find(' '));
  const auto parts = split(code, '.');
  const bool is_code = parts.size() == 3 && parts[0] == std::string_view(&kind, 1) &&
                       number<unsigned>(parts[1]) < 1000U && number<unsigned>(parts[2]) < 1000U &&
                       number<unsigned>(parts[1]) && number<unsigned>(parts[2]);
  return is_code ? code.size() : 0;
}

std::string_view reply_code(std::string_view enhanced) {
  if (enhanced == "5.3.4" || enhanced == "5.2.3") return "552";
  const bool is_of_the_recipient =
      enhanced.starts_with("5.1.") || enhanced.starts_with("5.2.") || enhanced.starts_with("5.7.");
  return is_of_the_recipient ? "550" : "554";
}

}  // namespace

std::string verdict_to_reply(const Error& verdict) {
  const std::string text = printable(verdict.text, longest_reply - 20);
  if (verdict.status != Status::rejected && verdict.status != Status::denied) {
    const std::size_t code = code_length(text, '4');
    if (code > 0) return fmt::format("451 {}", text);
    return fmt::format("451 4.3.0 {}", text.empty() ? "try again later" : text);
  }
  const std::size_t code = code_length(text, '5');
  if (code == 0) return fmt::format("554 5.6.0 {}", text);
  return fmt::format("{} {}", reply_code(std::string_view(text).substr(0, code)), text);
}

}  // namespace ml
