// What an LMTP client says outside of a message: command lines (RFC 5321 4.1, RFC 2033) and the
// parameters of MAIL and RCPT (RFC 1870 SIZE, RFC 6152 BODY, RFC 6531 SMTPUTF8).
//
// Pure, and total: every line is a command or has a reply that refuses it.
//
//   const Command line = line_to_command("MAIL FROM:<ann@x.org> SIZE=120");
//   if (line.verb == CommandVerb::mail) {
//     const auto terms = read_mail(line.argument, {.max_size = 1000});
//     if (!terms) say(terms.error());             // "501 5.1.7 ..."
//   }
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace ml {

// A value, or the reply that refuses: one line without its CRLF.
template <class T>
using Replied = std::expected<T, std::string>;

enum class CommandVerb {
  lhlo,
  helo,
  mail,
  rcpt,
  data,
  rset,
  noop,
  vrfy,
  quit,
  unknown
};  // helo: or EHLO

struct Command {
  CommandVerb verb = CommandVerb::unknown;
  std::string_view
      argument;  // what stands behind the verb and its blanks, without blanks at its end
};

// `line`: without its line end. Verbs compare without case; MAIL takes "FROM:" and RCPT "TO:" off.
[[nodiscard]] Command line_to_command(std::string_view line);

struct MailTerms {
  std::string sender;  // "<>": the null sender
  std::optional<std::uint64_t> size;
  bool smtputf8 = false;
};

struct MailLimits {
  std::uint64_t max_size = 0;  // a larger SIZE is refused; 0: any is taken
};

// The argument of MAIL: `<path>` and parameters. A source route is passed over (RFC 5321 C).
[[nodiscard]] Replied<MailTerms> read_mail(std::string_view argument, const MailLimits& limits);

enum class NonAscii { refused, taken };  // taken: MAIL said SMTPUTF8

// The argument of RCPT: the recipient, in our spelling. It has no parameters.
[[nodiscard]] Replied<std::string> read_rcpt(std::string_view argument, NonAscii non_ascii);

}  // namespace ml
