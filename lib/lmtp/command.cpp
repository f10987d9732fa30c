#include "lmtp/command.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace ml {
namespace {

struct Word {
  std::string_view text;
  CommandVerb verb;
};
constexpr std::array words_known{Word{"LHLO", CommandVerb::lhlo}, Word{"EHLO", CommandVerb::helo},
                                 Word{"HELO", CommandVerb::helo}, Word{"MAIL", CommandVerb::mail},
                                 Word{"RCPT", CommandVerb::rcpt}, Word{"DATA", CommandVerb::data},
                                 Word{"RSET", CommandVerb::rset}, Word{"NOOP", CommandVerb::noop},
                                 Word{"VRFY", CommandVerb::vrfy}, Word{"QUIT", CommandVerb::quit}};

std::string_view without_blanks(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// "FROM:" or "TO:" off the front; blanks behind it are tolerated, as everywhere.
bool take_keyword(std::string_view& text, std::string_view keyword) {
  if (!begins_nocase(text, keyword)) return false;
  text = without_blanks(text.substr(keyword.size()));
  return true;
}

// Where the path that begins `text` ends: behind its '>', which a quoted string may hold too.
std::optional<std::size_t> end_of_path(std::string_view text) {
  if (!text.starts_with('<')) return std::nullopt;
  bool quoted = false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '>' && !quoted) {
      return i + 1;
    }
  }
  return std::nullopt;
}

struct PathAndRest {
  std::string_view path;  // without its brackets and its source route
  std::string_view rest;  // parameters
};

Replied<PathAndRest> split_path(std::string_view argument, std::string_view command) {
  const auto end = end_of_path(argument);
  if (!end) return std::unexpected(fmt::format("501 5.5.4 say it so: {}<address>", command));
  PathAndRest split{argument.substr(1, *end - 2), argument.substr(*end)};
  if (!split.rest.empty() && !split.rest.starts_with(' ')) {
    return std::unexpected(std::string("501 5.5.4 a blank must stand before a parameter"));
  }
  split.rest = without_blanks(split.rest);
  if (split.path.starts_with('@')) {
    const auto colon = split.path.find(':');
    if (colon != std::string_view::npos) split.path.remove_prefix(colon + 1);
  }
  return split;
}

Replied<std::string> path_to_address(std::string_view path, NonAscii non_ascii,
                                     std::string_view code) {
  if (non_ascii == NonAscii::refused && !is_ascii(path)) {
    return std::unexpected(std::string("553 5.6.7 an address beyond ASCII needs SMTPUTF8"));
  }
  const auto address = text_to_address(path);
  if (!address) return std::unexpected(fmt::format("{} {}", code, address.error().text));
  return address_to_text(*address);
}

// One "KEYWORD=value" of MAIL into the terms.
std::optional<std::string> read_parameter(std::string_view parameter, const MailLimits& limits,
                                          MailTerms& terms) {
  const auto equals = parameter.find('=');
  const std::string_view keyword = parameter.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view() : parameter.substr(equals + 1);
  if (same_nocase(keyword, "SIZE")) {
    terms.size = number(value);
    if (!terms.size) return "501 5.5.4 SIZE must be a number";
    if (limits.max_size > 0 && *terms.size > limits.max_size) {
      return fmt::format("552 5.3.4 message too big, {} octets is the limit", limits.max_size);
    }
    return std::nullopt;
  }
  if (same_nocase(keyword, "BODY")) {
    if (same_nocase(value, "7BIT") || same_nocase(value, "8BITMIME")) return std::nullopt;
    return "501 5.5.4 BODY must be 7BIT or 8BITMIME";
  }
  if (same_nocase(parameter, "SMTPUTF8")) {
    terms.smtputf8 = true;
    return std::nullopt;
  }
  return fmt::format("555 5.5.4 unknown parameter {}", printable(keyword, 40));
}

}  // namespace

Command line_to_command(std::string_view line) {
  const std::string_view verb = line.substr(0, line.find(' '));
  const auto* const found = std::ranges::find_if(
      words_known, [&](const Word& word) { return same_nocase(word.text, verb); });
  if (found == words_known.end()) return {};
  Command command{found->verb, without_blanks(line.substr(verb.size()))};
  if (command.verb == CommandVerb::mail && !take_keyword(command.argument, "FROM:")) return {};
  if (command.verb == CommandVerb::rcpt && !take_keyword(command.argument, "TO:")) return {};
  return command;
}

Replied<MailTerms> read_mail(std::string_view argument, const MailLimits& limits) {
  const auto split = split_path(argument, "MAIL FROM:");
  if (!split) return std::unexpected(split.error());
  MailTerms terms;
  for (const std::string_view parameter : words(split->rest)) {
    if (auto refusal = read_parameter(parameter, limits, terms)) {
      return std::unexpected(std::move(*refusal));
    }
  }
  if (split->path.empty()) {
    terms.sender = "<>";
    return terms;
  }
  auto sender = path_to_address(split->path, terms.smtputf8 ? NonAscii::taken : NonAscii::refused,
                                "501 5.1.7");
  if (!sender) return std::unexpected(std::move(sender.error()));
  terms.sender = std::move(*sender);
  return terms;
}

Replied<std::string> read_rcpt(std::string_view argument, NonAscii non_ascii) {
  const auto split = split_path(argument, "RCPT TO:");
  if (!split) return std::unexpected(split.error());
  if (!split->rest.empty()) {
    return std::unexpected(
        fmt::format("555 5.5.4 unknown parameter {}", printable(split->rest, 40)));
  }
  return path_to_address(split->path, non_ascii, "501 5.1.3");
}

}  // namespace ml
