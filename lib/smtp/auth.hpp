// Who we are to a relay that asks: credentials, and the AUTH exchange (RFC 4954) of a client.
//
//   auto file = AuthFile::read("/etc/mlpipe/auth");
//   const Credentials* ours = file->find("", "relay.x.org", 587);
//   auto exchange = AuthExchange::begin(*ours, "PLAIN LOGIN");     // what the relay announces
//   send(exchange->first_line());
//   while (its_reply() == 334) send(*exchange->next_line());
//
// A secret leaves this file in those lines alone: no error and no name has it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace ml {

struct Credentials {
  enum class Kind {
    password,  // for PLAIN (RFC 4616) or LOGIN
    token,     // an OAuth 2.0 access token, for XOAUTH2
  };
  std::string user;
  std::string secret;
  Kind kind = Kind::password;
};

// Lines as in Postfix's sasl_passwd: where, blanks, user:password. Where is host, host:port,
// [host] or [host]:port, with user@ in front where the relay's URI names its user. Empty lines and
// those that begin with # are passed over. `user:{XOAUTH2}token` is a token.
class AuthFile {
 public:
  // 75 also where others than owner and group can read it.
  [[nodiscard]] static Result<AuthFile> read(const std::string& path);
  // `name` is for the error, which names the line.
  [[nodiscard]] static Result<AuthFile> parse(std::string_view text, std::string_view name);

  // The first line with this port, else the first without one; where `user` is named, only theirs;
  // nullptr: there is none. It lives as long as this does.
  [[nodiscard]] const Credentials* find(std::string_view user, std::string_view host,
                                        std::uint16_t port) const;

 private:
  struct Line {
    std::string user;  // in front of the host
    std::string host;
    std::optional<std::uint16_t> port;
    Credentials credentials;
  };
  [[nodiscard]] static bool take_line(Line& line, std::string_view text);

  std::vector<Line> lines_;
};

class AuthExchange {
 public:
  // Takes the first of XOAUTH2, or PLAIN and LOGIN, that the relay announces; nothing: none.
  // `announced`: names separated by blanks.
  [[nodiscard]] static std::optional<AuthExchange> begin(const Credentials& credentials,
                                                         std::string_view announced);

  // Without their CRLF. The answer to a 334; nothing: we have no more to say.
  [[nodiscard]] const std::string& first_line() const { return first_line_; }
  [[nodiscard]] std::optional<std::string> next_line();

  // True if `text`, which came from the relay, repeats a secret.
  [[nodiscard]] bool gives_away(std::string_view text) const;
  [[nodiscard]] std::string_view mechanism() const { return mechanism_; }

 private:
  AuthExchange(std::string_view mechanism, std::string_view secret)
      : mechanism_(mechanism), secret_(secret) {}

  void say_at_once(std::string_view response);

  std::string_view mechanism_;
  std::string secret_;
  std::string encoded_;  // the line that has it
  std::string first_line_;
  std::vector<std::string> lines_;  // to follow, the next one last
};

}  // namespace ml
