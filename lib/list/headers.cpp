#include "list/headers.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::array<std::string_view, 8> taken_away = {
    "Precedence",  "Return-Path",       "Delivered-To", "X-Original-To",
    "Envelope-To", "Return-Receipt-To", "Errors-To",    "Disposition-Notification-To"};

std::string list_id(const ListName& list) {
  return list.local + '.' + list.domain;
}

bool is_plain_url(std::string_view text) {
  return text.find(':') != std::string_view::npos && text.size() <= 900 &&
         std::ranges::all_of(text,
                             [](char c) { return c > ' ' && c < 0x7f && c != '<' && c != '>'; });
}

Result<> check_unsubscribe(std::string_view url) {
  const auto slot = url.find(token_slot);
  const bool good = url.starts_with("https://") && slot != std::string_view::npos &&
                    is_plain_url(url) && url.find("{{", slot + 2) == std::string_view::npos &&
                    url.find("{{") == slot;
  if (good) return {};
  return retry("unsubscribe = '{}': it must be like https://lists.example.org/u/{}, the slot once",
               printable(url, 80), token_slot);
}

// "Phrase <news.x.org>" -> "news.x.org"
std::string_view id_in_brackets(std::string_view value) {
  const auto open = value.rfind('<');
  const auto close = value.find('>', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || close == std::string_view::npos) return trim(value);
  return trim(value.substr(open + 1, close - open - 1));
}

// "(by vacation) auto-replied; owner-email=..." -> "auto-replied"
std::string_view keyword(std::string_view value) {
  value = trim(value);
  for (std::size_t depth = 0; !value.empty(); value.remove_prefix(1)) {
    if (value.front() == '(') {
      ++depth;
    } else if (depth > 0 && value.front() == ')') {
      --depth;
    } else if (depth == 0 && !is_space(value.front())) {
      break;
    }
  }
  return trim(value.substr(0, value.find_first_of("(; \t")));
}

}  // namespace

Result<std::string> list_fields(const ListName& list, const ListFields& fields) {
  if (!fields.archive.empty() && !is_plain_url(fields.archive)) {
    return retry("the archive '{}' must be a URL such as https://lists.example.org/news/",
                 printable(fields.archive, 80));
  }
  if (!fields.unsubscribe.empty()) {
    if (auto checked = check_unsubscribe(fields.unsubscribe); !checked) return fail(checked);
  }
  std::string text;
  const auto add = [&](std::string_view name, std::string_view value) {
    text.append(name).append(": ").append(value).push_back('\n');
  };
  const auto mail_to = [&](Role role) { return "<mailto:" + list.address(role) + '>'; };
  add("X-BeenThere", list.text());
  add("List-Id", '<' + list_id(list) + '>');
  add("List-Post", fields.posting == Posting::open ? mail_to(Role::post) : "NO");
  add("List-Help", "<mailto:" + list.address(Role::request) + "?subject=help>");
  add("List-Subscribe", mail_to(Role::subscribe));
  if (fields.unsubscribe.empty()) {
    add("List-Unsubscribe", mail_to(Role::unsubscribe));
  } else {
    add("List-Unsubscribe",
        fmt::format("<{}>,\n {}", fields.unsubscribe, mail_to(Role::unsubscribe)));
    add("List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
  }
  add("List-Owner", mail_to(Role::owner));
  if (!fields.archive.empty()) add("List-Archive", '<' + fields.archive + '>');
  add("Precedence", "list");
  return text;
}

bool is_taken_away(std::string_view field_name) {
  return begins_nocase(field_name, "List-") ||
         std::ranges::any_of(taken_away,
                             [&](std::string_view name) { return same_nocase(field_name, name); });
}

bool is_automatic_answer(std::string_view field_name, std::string_view value) {
  return same_nocase(field_name, "Auto-Submitted") && same_nocase(keyword(value), "auto-replied");
}

bool is_loop_mark(const ListName& list, std::string_view field_name, std::string_view value) {
  if (same_nocase(field_name, "X-BeenThere")) return same_nocase(trim(value), list.text());
  return same_nocase(field_name, "List-Id") && same_nocase(id_in_brackets(value), list_id(list));
}

}  // namespace ml
