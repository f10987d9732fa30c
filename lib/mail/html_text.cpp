#include "mail/html_text.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::array<std::string_view, 14> line_tags{"br",    "p",  "div", "tr", "li", "ul",  "ol",
                                                     "table", "h1", "h2",  "h3", "h4", "pre", "hr"};

constexpr std::array<std::pair<std::string_view, char>, 8> entities{{{"&lt;", '<'},
                                                                     {"&gt;", '>'},
                                                                     {"&amp;", '&'},
                                                                     {"&quot;", '"'},
                                                                     {"&nbsp;", ' '},
                                                                     {"&#64;", '@'},
                                                                     {"&#43;", '+'},
                                                                     {"&#39;", '\''}}};

// What to go past when `html` begins with a tag or a comment; all of it where that never ends.
std::size_t tag_length(std::string_view html) {
  if (html.starts_with("<!--")) {
    const auto end = html.find("-->", 4);
    return end == std::string_view::npos ? html.size() : end + 3;
  }
  const auto end = html.find('>');
  return end == std::string_view::npos ? html.size() : end + 1;
}

std::string tag_name(std::string_view tag) {
  tag.remove_prefix(tag.starts_with("</") ? 2 : 1);
  const auto end = std::ranges::find_if_not(tag.substr(0, 16), is_alnum);
  return lower({tag.begin(), end});
}

// Style and script are not text: up to the tag that ends them.
std::size_t hidden_length(std::string_view html, std::string_view name) {
  if (name != "style" && name != "script") return 0;
  for (std::size_t at = 0; (at = html.find("</", at)) != std::string_view::npos; ++at) {
    if (begins_nocase(html.substr(at + 2), name)) return at;
  }
  return html.size();
}

}  // namespace

std::string html_to_text(std::string_view html) {
  std::string text;
  text.reserve(html.size());
  while (!html.empty()) {
    const char c = html.front();
    if (c == '<' && html.size() > 1 && (is_alpha(html[1]) || html[1] == '/' || html[1] == '!')) {
      const std::size_t length = tag_length(html);
      const std::string name = tag_name(html.substr(0, length));
      const bool opens = html[1] != '/';
      if (std::ranges::find(line_tags, name) != line_tags.end()) text.push_back('\n');
      if (name == "td" || name == "th") text.push_back(' ');
      html.remove_prefix(length);
      if (opens) html.remove_prefix(hidden_length(html, name));
      continue;
    }
    const auto entity =
        c == '&' ? std::ranges::find_if(
                       entities, [&](const auto& each) { return begins_nocase(html, each.first); })
                 : entities.end();
    if (entity != entities.end()) {
      text.push_back(entity->second);
      html.remove_prefix(entity->first.size());
      continue;
    }
    text.push_back(c == '\n' ? ' ' : c);
    html.remove_prefix(1);
  }
  return text;
}

}  // namespace ml
