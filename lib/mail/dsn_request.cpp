#include "mail/dsn_request.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_envid = 100;
constexpr std::size_t longest_orcpt = 400;  // as xtext, so that the line is not too long
constexpr std::size_t longest_kind = 40;

bool is_printable_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

Result<std::string> notify_parameter(std::string_view text) {
  constexpr std::array<std::string_view, 3> words{"SUCCESS", "FAILURE", "DELAY"};
  if (same_nocase(text, "never")) return std::string(" NOTIFY=NEVER");
  std::array<bool, words.size()> wanted{};
  for (const auto part : split(text, ',')) {
    const auto* const word = std::ranges::find_if(
        words, [&](std::string_view candidate) { return same_nocase(candidate, trim(part)); });
    if (word == words.end()) {
      return retry("notify={}: neither never nor some of success, failure, delay",
                   printable(text, 60));
    }
    wanted.at(static_cast<std::size_t>(word - words.begin())) = true;
  }
  std::string made;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (wanted.at(i)) made.append(made.empty() ? " NOTIFY=" : ",").append(words.at(i));
  }
  return made;
}

Result<std::string> orcpt_parameter(std::string_view text) {
  const auto semicolon = text.find(';');
  const std::string_view kind = text.substr(0, semicolon);
  const bool is_kind = semicolon != std::string_view::npos && !kind.empty() &&
                       kind.size() <= longest_kind &&
                       std::ranges::all_of(kind, [](char c) { return is_alnum(c) || c == '-'; });
  if (!is_kind || semicolon + 1 == text.size() || !is_printable_ascii(text)) {
    return retry("orcpt={}: a kind of address, a semicolon and the address are wanted",
                 printable(text, 60));
  }
  std::string made =
      " ORCPT=" + std::string(kind) + ';' + text_to_xtext(text.substr(semicolon + 1));
  if (made.size() > longest_orcpt) return retry("orcpt={}...: too long", printable(text, 60));
  return made;
}

}  // namespace

std::string text_to_xtext(std::string_view text) {
  std::string made;
  for (const char c : text) {
    if (c > ' ' && c <= '~' && c != '+' && c != '=') {
      made.push_back(c);
    } else {
      made += fmt::format("+{:02X}", static_cast<unsigned char>(c));
    }
  }
  return made;
}

Result<std::string> dsn_mail_parameters(const std::optional<std::string>& ret,
                                        const std::optional<std::string>& envid) {
  std::string made;
  if (ret) {
    const bool full = same_nocase(*ret, "full");
    if (!full && !same_nocase(*ret, "hdrs")) {
      return retry("ret={}: neither full nor hdrs", printable(*ret, 60));
    }
    made += full ? " RET=FULL" : " RET=HDRS";
  }
  if (!envid) return made;
  if (envid->empty() || envid->size() > longest_envid || !is_printable_ascii(*envid)) {
    return retry("envid={}: 1 to {} octets of printable ASCII are wanted", printable(*envid, 60),
                 longest_envid);
  }
  return made + " ENVID=" + text_to_xtext(*envid);
}

Result<std::string> dsn_rcpt_parameters(const std::optional<std::string>& notify,
                                        const std::optional<std::string>& orcpt) {
  std::string made;
  if (notify) {
    auto parameter = notify_parameter(*notify);
    if (!parameter) return parameter;
    made = std::move(*parameter);
  }
  if (!orcpt) return made;
  auto parameter = orcpt_parameter(*orcpt);
  if (!parameter) return parameter;
  return made + *parameter;
}

}  // namespace ml
