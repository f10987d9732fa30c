#include "smtp/auth.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t largest_file = std::size_t{1} << 20;
constexpr std::size_t longest_secret = 8192;  // RFC 4954 4: a line has at most 12288 octets
constexpr std::size_t longest_command = 510;  // RFC 5321 4.5.3.1.4
constexpr std::string_view token_mark = "{XOAUTH2}";

bool announces(std::string_view announced, std::string_view mechanism) {
  return std::ranges::any_of(words(announced),
                             [&](std::string_view word) { return same_nocase(word, mechanism); });
}

// "host", "host:port", "[host]", "[host]:port"
bool take_place(std::string_view text, std::string& host, std::optional<std::uint16_t>& port) {
  std::string_view behind;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return false;
    host = text.substr(1, close - 1);
    behind = text.substr(close + 1);
  } else {
    const auto colon = text.find(':');
    host = text.substr(0, colon);
    if (colon != std::string_view::npos) behind = text.substr(colon);
  }
  if (host.empty()) return false;
  if (behind.empty()) return true;
  port = number<std::uint16_t>(behind.substr(1));
  return behind.front() == ':' && port && *port != 0;
}

}  // namespace

// ---- the file

Result<AuthFile> AuthFile::read(const std::string& path) {
  const auto text = read_secret_file(path, largest_file);
  if (!text) return fail(text);
  return parse(*text, path);
}

Result<AuthFile> AuthFile::parse(std::string_view text, std::string_view name) {
  AuthFile file;
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    const std::string_view trimmed = trim(line);
    if (trimmed.empty() || trimmed.front() == '#') continue;
    Line taken;
    if (is_blank(line.front()) || !take_line(taken, trimmed)) {
      return retry("{}: line {} is not of the form: relay, blanks, user:password", name, number);
    }
    file.lines_.push_back(std::move(taken));
  }
  return file;
}

bool AuthFile::take_line(Line& line, std::string_view text) {
  if (std::ranges::any_of(text, [](char c) { return is_control(c) && c != '\t'; })) return false;
  const auto blank = text.find_first_of(" \t");
  if (blank == std::string_view::npos) return false;
  std::string_view place = text.substr(0, blank);
  if (const auto at = place.rfind('@'); at != std::string_view::npos) {
    line.user = place.substr(0, at);
    if (line.user.empty()) return false;
    place.remove_prefix(at + 1);
  }
  if (!take_place(place, line.host, line.port)) return false;
  const std::string_view value = trim(text.substr(blank));
  const auto colon = value.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  line.credentials.user = value.substr(0, colon);
  std::string_view secret = value.substr(colon + 1);
  if (secret.starts_with(token_mark)) {
    line.credentials.kind = Credentials::Kind::token;
    secret.remove_prefix(token_mark.size());
  }
  line.credentials.secret = secret;
  return !secret.empty() && secret.size() <= longest_secret && value.find('\t') == value.npos;
}

const Credentials* AuthFile::find(std::string_view user, std::string_view host,
                                  std::uint16_t port) const {
  const Credentials* best = nullptr;
  for (const Line& line : lines_) {
    if (!same_nocase(line.host, host)) continue;
    const std::string_view theirs = line.user.empty() ? line.credentials.user : line.user;
    if (user.empty() ? !line.user.empty() : theirs != user) continue;
    if (line.port == port) return &line.credentials;
    if (!line.port && best == nullptr) best = &line.credentials;
  }
  return best;
}

// ---- the exchange

std::optional<AuthExchange> AuthExchange::begin(const Credentials& credentials,
                                                std::string_view announced) {
  const auto& [user, secret, kind] = credentials;
  if (kind == Credentials::Kind::token) {
    if (!announces(announced, "XOAUTH2")) return std::nullopt;
    AuthExchange exchange("XOAUTH2", secret);
    exchange.lines_.emplace_back();  // to the 334 that says what was wrong; 535 follows
    exchange.say_at_once(fmt::format("user={0}{1}auth=Bearer {2}{1}{1}", user, '\x01', secret));
    return exchange;
  }
  if (announces(announced, "PLAIN")) {
    AuthExchange exchange("PLAIN", secret);
    exchange.say_at_once(fmt::format("{0}{1}{0}{2}", '\0', user, secret));
    return exchange;
  }
  if (!announces(announced, "LOGIN")) return std::nullopt;
  AuthExchange exchange("LOGIN", secret);
  exchange.first_line_ = "AUTH LOGIN";
  exchange.encoded_ = base64(secret);
  exchange.lines_ = {exchange.encoded_, base64(user)};
  return exchange;
}

// With the command, or behind its 334 where that would be too long a command.
void AuthExchange::say_at_once(std::string_view response) {
  encoded_ = base64(response);
  first_line_ = fmt::format("AUTH {}", mechanism_);
  if (first_line_.size() + 1 + encoded_.size() <= longest_command) {
    first_line_ += ' ' + encoded_;
  } else {
    lines_.push_back(encoded_);
  }
}

std::optional<std::string> AuthExchange::next_line() {
  if (lines_.empty()) return std::nullopt;
  std::string line = std::move(lines_.back());
  lines_.pop_back();
  return line;
}

bool AuthExchange::gives_away(std::string_view text) const {
  return text.find(secret_) != text.npos || text.find(encoded_) != text.npos;
}

}  // namespace ml
