#include "mail/mentions.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_mention = 320;

bool is_local(char c) {
  return is_alnum(c) || static_cast<unsigned char>(c) >= 0x80 ||
         std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != std::string_view::npos;
}

bool is_domain(char c) {
  return is_alnum(c) || c == '-' || c == '.' || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

// The quoted string that ends before `at`, from its opening quote.
std::size_t quoted_begin(std::string_view text, std::size_t at) {
  for (std::size_t i = at - 1; i > 0 && at - i < longest_mention; --i) {
    if (text[i - 1] == '\n') break;
    if (text[i - 1] == '"' && (i == 1 || text[i - 2] != '\\')) return i - 1;
  }
  return at;
}

std::size_t local_begin(std::string_view text, std::size_t at, std::size_t limit) {
  if (at > limit && text[at - 1] == '"') return quoted_begin(text, at);
  std::size_t begin = at;
  while (begin > limit && at - begin < longest_mention && is_local(text[begin - 1])) --begin;
  // X.400 writes "dda:SMTP=ann@c.org".
  for (const std::string_view label : {"smtp=", "rfc822=", "rfc-822="}) {
    if (begins_nocase(text.substr(begin, at - begin), label)) begin += label.size();
  }
  // What a text puts around an address could be part of one, and hardly ever is.
  constexpr std::string_view dressing = "'*=-.`|~!?^{}/";
  while (begin < at && dressing.find(text[begin]) != std::string_view::npos) ++begin;
  return begin;
}

std::size_t domain_end(std::string_view text, std::size_t at) {
  if (text.substr(at).starts_with('[')) {
    const auto end = text.find_first_of("]\n", at);
    return end != std::string_view::npos && text[end] == ']' ? end + 1 : at;
  }
  std::size_t end = at;
  while (end < text.size() && end - at < longest_mention && is_domain(text[end])) ++end;
  while (end > at && !is_alnum(text[end - 1]) && static_cast<unsigned char>(text[end - 1]) < 0x80) {
    --end;
  }
  return end;
}

}  // namespace

std::vector<Mention> mentions_in(std::string_view text) {
  std::vector<Mention> found;
  std::size_t behind = 0;  // no two share octets
  for (std::size_t at = 0; (at = text.find('@', at)) != std::string_view::npos; ++at) {
    Mention mention;
    mention.begin = local_begin(text, at, behind);
    mention.end = domain_end(text, at + 1);
    mention.bracketed = mention.begin > 0 && text[mention.begin - 1] == '<' &&
                        mention.end < text.size() && text[mention.end] == '>';
    if (mention.begin >= at || mention.end <= at + 1) continue;
    mention.address = text.substr(mention.begin, mention.end - mention.begin);
    const bool dotted = text.substr(at, mention.end - at).find('.') != std::string_view::npos;
    if (!dotted && !mention.bracketed) continue;
    behind = mention.end;
    found.push_back(mention);
  }
  return found;
}

}  // namespace ml
