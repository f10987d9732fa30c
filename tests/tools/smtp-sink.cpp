// smtp-sink: takes mail on loopback as cheaply as it can, counts it, looks hard at how the client
// speaks, and misbehaves when told to.
//
//   smtp-sink --port 0 --port-file port --log mail.log --fault 'rcpt~old=550 5.1.1 gone' &
//
// The log has a line an accepted recipient: sender, recipient, number of the message, parameters
// of its MAIL (or -). Recipients whose local part begins with `unknown` get 550 5.1.1, `full` 452
// 4.2.2, `later` 450 4.2.0. On SIGTERM or SIGINT it prints
//
//   messages 12 recipients 30 refused 2 connections 1 violations 0
//
// and, with TLS or AUTH, `tls 2 resumed 1 certificates 0 authenticated 2`; it leaves with 1 if the
// client ever broke the protocol (each case is a line on stderr).
//
// A fault is EVENT[~PREFIX][WHEN]=ACTION; of several that fit, the first counts.
//   EVENT   connect helo mail rcpt data body (first octet of a message) dot (its end) rset quit
//           starttls auth response (to a 334) tls (where the client's handshake is due)
//   PREFIX  of the local part: of the sender at mail, else of a recipient
//   WHEN    <N the first N times, >N all after them, @N only the Nth, %N every Nth; a letter behind
//           it counts for each connection (c) or transaction (t) instead of the run
//   ACTION  a reply ("451 4.3.0 later", lines separated by LF; 421 also closes), or drop (close
//           without a reply; at the dot: after taking the message), silence, garbage, long (a line
//           of a megabyte), endless (a reply of 100,000 lines)
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/diag.hpp"
#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/options.hpp"
#include "base/out.hpp"
#include "base/process.hpp"
#include "base/text.hpp"

using namespace ml;

namespace {

volatile std::sig_atomic_t stopped = 0;

enum class Event {
  connect,
  helo,
  mail,
  rcpt,
  data,
  body,
  dot,
  rset,
  quit,
  starttls,
  auth,
  response,
  tls
};
constexpr std::array<std::string_view, 13> event_names{
    "connect", "helo", "mail",     "rcpt", "data",     "body", "dot",
    "rset",    "quit", "starttls", "auth", "response", "tls"};

struct Fault {
  enum class When { always, first, after, only, every };
  enum class Scope { run, connection, transaction };
  Event event{};
  std::string prefix;
  When when = When::always;
  Scope scope = Scope::run;
  std::uint64_t number = 0;
  std::string action;
  std::uint64_t seen = 0;

  [[nodiscard]] bool strikes(std::uint64_t nth) const {
    switch (when) {
      case When::always: return true;
      case When::first: return nth <= number;
      case When::after: return nth > number;
      case When::only: return nth == number;
      case When::every: return nth % number == 0;
    }
    return false;
  }
};

std::optional<Fault> text_to_fault(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  Fault fault;
  fault.action = text.substr(equals + 1);
  std::string_view left = text.substr(0, equals);
  if (const auto sign = left.find_first_of("<>@%"); sign != std::string_view::npos) {
    using enum Fault::When;
    fault.when = std::array{first, after, only, every}[std::string_view("<>@%").find(left[sign])];
    std::string_view count = left.substr(sign + 1);
    if (count.ends_with('c')) fault.scope = Fault::Scope::connection;
    if (count.ends_with('t')) fault.scope = Fault::Scope::transaction;
    if (fault.scope != Fault::Scope::run) count.remove_suffix(1);
    const auto value = number(count);
    if (!value || (fault.when == every && *value == 0)) return std::nullopt;
    fault.number = *value;
    left = left.substr(0, sign);
  }
  if (const auto tilde = left.find('~'); tilde != std::string_view::npos) {
    fault.prefix = left.substr(tilde + 1);
    left = left.substr(0, tilde);
  }
  for (std::size_t i = 0; i < event_names.size(); ++i) {
    if (event_names[i] == left) {
      fault.event = static_cast<Event>(i);
      return fault;
    }
  }
  return std::nullopt;
}

struct Settings {
  bool lmtp = false;
  bool helo_only = false;
  bool always_354 = false;
  bool drip = false;
  bool quickack = false;
  bool multiline = false;
  bool pipelining = true;
  bool chunking = false;
  bool xverp = false;
  bool dsn = false;
  std::vector<std::string> without;
  std::uint64_t size_limit = 50 << 20;
  std::string directory;  // of whole messages, or empty
  std::vector<Fault> faults;
  SSL_CTX* tls = nullptr;  // of the whole run
  bool tls_at_once = false;
  std::string auth;  // user:password, or empty
  std::string mechanisms = "PLAIN LOGIN XOAUTH2";

  [[nodiscard]] bool announces(std::string_view extension) const {
    if (helo_only) return false;
    if (extension == "CHUNKING" && !chunking) return false;
    if (extension == "XVERP" && !xverp) return false;
    if (extension == "DSN" && !dsn) return false;
    for (const std::string& missing : without) {
      if (same_nocase(missing, extension)) return false;
    }
    return true;
  }
};

struct Totals {
  std::uint64_t messages = 0;
  std::uint64_t recipients = 0;
  std::uint64_t refused = 0;
  std::uint64_t connections = 0;
  std::uint64_t violations = 0;
  std::uint64_t handshakes = 0;
  std::uint64_t resumed = 0;
  std::uint64_t certificates = 0;
  std::uint64_t authenticated = 0;
};

bool has_8bit(std::string_view text) {
  std::uint64_t all = 0;
  while (text.size() >= sizeof all) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof word);
    all |= word;
    text.remove_prefix(sizeof word);
  }
  for (const char c : text) all |= static_cast<unsigned char>(c);
  return (all & 0x8080808080808080U) != 0;
}

// One client. Octets in by take(), replies out by `out`.
class Session {
 public:
  Session(Settings& settings, Totals& totals, Out* log)
      : settings_(settings), totals_(totals), log_(log), seen_(settings.faults.size()) {
    ++totals_.connections;
    if (settings_.tls_at_once) {
      begin_tls();
    } else {
      greet();
    }
  }

  std::string out;
  [[nodiscard]] bool closing() const { return closing_; }
  // What is in `out` goes out in clear, what comes behind it is TLS.
  [[nodiscard]] bool wants_tls() const { return wants_tls_ && !closing_ && !silent_; }
  void secured() {
    wants_tls_ = false;
    secure_ = true;
    if (settings_.tls_at_once) greet();
  }

  // Uses up what it can of `in`; gives the number of octets used.
  std::size_t take(std::string_view in) {
    const std::size_t all = in.size();
    while (!in.empty() && !closing_) {
      std::size_t used = 0;
      if (silent_) return all;
      if (wants_tls_) {
        violation("octets behind STARTTLS");
        closing_ = true;
        break;
      }
      switch (state_) {
        case State::command:
        case State::response: used = take_command(in); break;
        case State::data: used = take_data(in); break;
        case State::chunk: used = take_chunk(in); break;
      }
      if (used == 0) break;
      in.remove_prefix(used);
    }
    return all - in.size();
  }

 private:
  enum class State { command, response, data, chunk };
  enum class Transaction { none, open, refused };  // by its MAIL

  void violation(std::string_view what, std::string_view where = {}) {
    ++totals_.violations;
    say(where.empty() ? std::string(what) : fmt::format("{}: {}", what, printable(where, 200)));
  }

  void greet() { reply(Event::connect, "220 sink.test ESMTP\r\n"); }

  void begin_tls() {
    wants_tls_ = true;
    greeted_ = false;
    forget();
    const std::string* action = settings_.faults.empty() ? nullptr : fault(Event::tls);
    if (action == nullptr) return;
    act(*action);
    if (*action == "garbage") silent_ = true;
  }

  // The action that strikes at this event, if any. `who`: the mailbox it is about.
  const std::string* fault(Event event, std::string_view who = {}) {
    const std::string* struck = nullptr;
    for (std::size_t i = 0; i < settings_.faults.size(); ++i) {
      Fault& fault = settings_.faults[i];
      if (fault.event != event || !who.starts_with(fault.prefix)) continue;
      const auto nth = fault.scope == Fault::Scope::run ? ++fault.seen : ++seen_[i];
      if (struck == nullptr && fault.strikes(nth)) struck = &fault.action;
    }
    return struck;
  }

  // False if the action was no positive reply; a drop comes after what it is asked was done.
  bool act(const std::string& action) {
    if (action == "drop") {
      closing_ = true;
      return true;
    }
    if (action == "silence") {
      silent_ = true;
    } else if (action == "garbage") {
      out.append(std::string_view("\0\xff\xfe*** not SMTP at all\r\n", 24));
    } else if (action == "long") {
      out.append("250 ").append(1 << 20, 'x').append("\r\n");
    } else if (action == "endless") {
      for (int i = 0; i < 100'000; ++i) out.append("250-and so on\r\n");
      out.append("250 so it was\r\n");
    } else {
      for (const auto line : split(action, '\n')) out.append(line).append("\r\n");
      if (action.starts_with("421")) closing_ = true;
      return action.starts_with('2') || action.starts_with('3');
    }
    return false;
  }

  bool reply(Event event, std::string_view usual, std::string_view who = {}) {
    if (!settings_.faults.empty()) {
      if (const std::string* action = fault(event, who)) return act(*action);
    }
    put(usual);
    return usual.front() < '4';
  }

  void put(std::string_view reply) {
    if (settings_.multiline && reply[3] == ' ') {
      out.append(reply.substr(0, 3))
          .append("-said\r\n")
          .append(reply.substr(0, 3))
          .append("-in\r\n");
    }
    out.append(reply);
  }

  void forget() {
    transaction_ = Transaction::none;
    sender_.clear();
    recipients_.clear();
    parameters_.clear();
    message_.clear();
    accepted_ = 0;
    eight_bit_ = body_seen_ = false;
    for (std::size_t i = 0; i < seen_.size(); ++i) {
      if (settings_.faults[i].scope == Fault::Scope::transaction) seen_[i] = 0;
    }
  }

  std::size_t take_command(std::string_view in) {
    const auto* const lf = static_cast<const char*>(std::memchr(in.data(), '\n', in.size()));
    if (lf == nullptr) {
      if (in.size() < 4096) return 0;
      violation("a command line without end", in.substr(0, 80));
      closing_ = true;
      return in.size();
    }
    const std::size_t used = static_cast<std::size_t>(lf - in.data()) + 1;
    std::string_view line = in.substr(0, used - 1);
    if (state_ == State::response) return response(trim(line)), used;
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    } else {
      violation("a command ends in a bare LF", line);
    }
    if (line.find('\r') != std::string_view::npos) violation("a bare CR in a command", line);
    if (line.find('\0') != std::string_view::npos) violation("NUL in a command", line);
    if (line.size() > 510 + 64) violation("a command line is too long", line);
    command(line, in.size() > used);
    return used;
  }

  // `more`: octets behind the command are already here.
  void command(std::string_view line, bool more) {
    if (more && !settings_.pipelining) violation("pipelining that was not announced", line);
    switch (line.empty() ? '\0' : to_lower(line[0])) {
      case 'm':
        if (begins_nocase(line, "MAIL FROM:<")) return mail(line);
        break;
      case 'r':
        if (begins_nocase(line, "RCPT TO:<")) return rcpt(line);
        if (same_nocase(line, "RSET")) {
          forget();
          reply(Event::rset, "250 2.0.0 Ok\r\n");
          return;
        }
        break;
      case 'd':
        if (same_nocase(line, "DATA")) return data(more);
        break;
      case 'b':
        if (begins_nocase(line, "BDAT ")) return bdat(line);
        break;
      case 'e':
      case 'l':
      case 'h':
        if (line.size() > 5 && line[4] == ' ') return helo(line, more);
        break;
      case 's':
        if (same_nocase(line, "STARTTLS")) return starttls();
        break;
      case 'a':
        if (begins_nocase(line, "AUTH ")) return auth(line);
        break;
      case 'n':
        if (begins_nocase(line, "NOOP")) return put("250 2.0.0 Ok\r\n");
        break;
      case 'q':
        if (same_nocase(line, "QUIT")) {
          if (more) violation("octets after QUIT");
          reply(Event::quit, "221 2.0.0 Bye\r\n");
          closing_ = true;
          return;
        }
        break;
      default: break;
    }
    violation("a command that is none", line);
    put("500 5.5.2 What?\r\n");
  }

  void helo(std::string_view line, bool more) {
    const std::string_view verb = line.substr(0, 4);
    if (more) violation("octets behind the greeting", line);
    forget();
    if (settings_.helo_only && !same_nocase(verb, "HELO")) return put("502 5.5.1 HELO, please\r\n");
    if (same_nocase(verb, "LHLO") != settings_.lmtp) {
      violation("a greeting of another protocol", line);
      return put("500 5.5.1 What?\r\n");
    }
    greeted_ = true;
    if (same_nocase(verb, "HELO")) {
      reply(Event::helo, "250 sink.test\r\n");
      return;
    }
    std::string answer = "250-sink.test\r\n";
    for (const std::string_view extension : {"PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING",
                                             "XVERP", "DSN", "ENHANCEDSTATUSCODES"}) {
      if (settings_.announces(extension)) answer += fmt::format("250-{}\r\n", extension);
    }
    if (settings_.tls != nullptr && !secure_ && settings_.announces("STARTTLS"))
      answer += "250-STARTTLS\r\n";
    if (!settings_.auth.empty() && settings_.announces("AUTH"))
      answer += fmt::format("250-AUTH {}\r\n", settings_.mechanisms);
    answer += settings_.announces("SIZE") ? fmt::format("250 SIZE {}\r\n", settings_.size_limit)
                                          : "250 HELP\r\n";
    reply(Event::helo, answer);
  }

  void starttls() {
    if (settings_.tls == nullptr || secure_ || !settings_.announces("STARTTLS")) {
      violation("STARTTLS that was not announced");
      return put("502 5.5.1 No TLS here\r\n");
    }
    if (reply(Event::starttls, "220 2.0.0 Go ahead\r\n")) begin_tls();
  }

  void auth(std::string_view line) {
    const auto parts = words(line);
    mechanism_ = parts[1];
    responses_.clear();
    if (settings_.auth.empty() || !settings_.announces("AUTH")) {
      violation("AUTH that was not announced");
      return put("502 5.5.1 No AUTH here\r\n");
    }
    if (settings_.tls != nullptr && !secure_) violation("a password in clear");
    state_ = State::response;
    if (!settings_.faults.empty()) {
      if (const std::string* action = fault(Event::auth)) {
        act(*action);
        if (!action->starts_with("334")) state_ = State::command;
        return;
      }
    }
    if (parts.size() == 3) return response(parts[2]);
    put("334 \r\n");
  }

  void response(std::string_view line) {
    responses_.push_back(base64_decoded(line).value_or("?"));
    if (!settings_.faults.empty()) {
      if (const std::string* action = fault(Event::response)) {
        act(*action);
        if (!action->starts_with("334")) state_ = State::command;
        return;
      }
    }
    if (mechanism_ == "LOGIN" && responses_.size() == 1) return put("334 UGFzc3dvcmQ6\r\n");
    const bool good = is_good_response();
    if (mechanism_ == "XOAUTH2" && !good && responses_.size() == 1)
      return put("334 eyJzdGF0dXMiOiI0MDEifQ==\r\n");
    state_ = State::command;
    if (!good) return put("535 5.7.8 Authentication failed\r\n");
    ++totals_.authenticated;
    authenticated_ = true;
    put("235 2.7.0 Welcome\r\n");
  }

  bool is_good_response() const {
    const auto colon = settings_.auth.find(':');
    const std::string user = settings_.auth.substr(0, colon);
    const std::string secret = settings_.auth.substr(colon + 1);
    const std::string& last = responses_.back();
    if (mechanism_ == "PLAIN") return last == fmt::format("{0}{1}{0}{2}", '\0', user, secret);
    if (mechanism_ == "LOGIN") return responses_[0] == user && last == secret;
    return last == fmt::format("user={0}{1}auth=Bearer {2}{1}{1}", user, '\x01', secret);
  }

  // "<mailbox> parameters" behind `line`'s first '<'.
  static std::pair<std::string_view, std::string_view> path(std::string_view line) {
    const std::string_view rest = line.substr(line.find('<') + 1);
    std::size_t at = 0;
    if (rest.starts_with('"')) {
      for (at = 1; at < rest.size() && rest[at] != '"'; ++at) {
        if (rest[at] == '\\') ++at;
      }
    }
    const auto end = rest.find('>', at);
    if (end == std::string_view::npos) return {rest, "broken"};
    std::string_view parameters = rest.substr(end + 1);
    if (parameters.starts_with(' ')) parameters.remove_prefix(1);
    return {rest.substr(0, end), parameters};
  }

  void mail(std::string_view line) {
    if (!greeted_) {
      violation("MAIL before a greeting");
      return put("503 5.5.1 EHLO first\r\n");
    }
    if (!settings_.auth.empty() && !authenticated_ && settings_.announces("AUTH")) {
      violation("MAIL without AUTH");
      return put("530 5.7.0 Authentication required\r\n");
    }
    if (transaction_ == Transaction::open) {
      violation("MAIL inside a transaction", line);
      return put("503 5.5.1 nested MAIL command\r\n");
    }
    forget();
    const auto [sender, parameters] = path(line);
    if (!are_known(parameters, line)) {
      transaction_ = Transaction::refused;
      return put("555 5.5.4 Unsupported option\r\n");
    }
    if (has_8bit(sender) && !smtputf8_) violation("8-bit sender without SMTPUTF8", line);
    sender_ = sender;
    parameters_ = parameters.empty() ? "-" : parameters;
    if (declared_size_ > settings_.size_limit) {
      transaction_ = Transaction::refused;
      return put("552 5.3.4 Message too big\r\n");
    }
    transaction_ =
        reply(Event::mail, "250 2.1.0 Ok\r\n", sender) ? Transaction::open : Transaction::refused;
  }

  bool are_known(std::string_view parameters, std::string_view line) {
    smtputf8_ = body_8bit_ = false;
    declared_size_ = 0;
    bool all = true;
    for (const std::string_view parameter : words(parameters)) {
      const std::string word = lower(parameter);
      const bool is_dsn = word.starts_with("ret=") || word.starts_with("envid=");
      if (word == "smtputf8" && settings_.announces("SMTPUTF8")) {
        smtputf8_ = true;
      } else if (word == "body=8bitmime" && settings_.announces("8BITMIME")) {
        body_8bit_ = true;
      } else if ((is_dsn && settings_.announces("DSN")) ||
                 (word == "xverp=+=" && settings_.announces("XVERP"))) {
        continue;  // it changes nothing here
      } else if (word.starts_with("size=") && settings_.announces("SIZE")) {
        declared_size_ = number(word.substr(5)).value_or(0);
      } else {
        violation("a parameter that was not announced", line);
        all = false;
      }
    }
    return all;
  }

  void rcpt(std::string_view line) {
    if (transaction_ == Transaction::none) violation("RCPT without MAIL", line);
    if (transaction_ != Transaction::open) return put("503 5.5.1 MAIL first\r\n");
    const auto [recipient, parameters] = path(line);
    if ((!parameters.empty() && !settings_.announces("DSN")) || recipient.size() > 254 ||
        recipient.empty()) {
      violation("a broken RCPT", line);
    }
    if (has_8bit(recipient) && !smtputf8_) violation("8-bit recipient without SMTPUTF8", line);
    if (!reply(Event::rcpt, usual_rcpt_reply(recipient), recipient)) {
      ++totals_.refused;
      return;
    }
    ++accepted_;
    recipients_.append(recipient);
    if (!parameters.empty()) recipients_.append("\t").append(parameters);
    recipients_.push_back('\n');
  }

  static std::string_view usual_rcpt_reply(std::string_view recipient) {
    if (recipient.starts_with("unknown")) return "550 5.1.1 User unknown\r\n";
    if (recipient.starts_with("full")) return "452 4.2.2 Mailbox full\r\n";
    if (recipient.starts_with("later")) return "450 4.2.0 Try later\r\n";
    return "250 2.1.5 Ok\r\n";
  }

  void data(bool more) {
    if (transaction_ == Transaction::none) violation("DATA without MAIL");
    if (more) violation("octets behind DATA that did not wait for 354");
    bool goes_on = settings_.always_354;
    if (!goes_on && (transaction_ != Transaction::open || accepted_ == 0)) {
      return put(transaction_ == Transaction::open ? "554 5.5.1 No valid recipients\r\n"
                                                   : "503 5.5.1 MAIL first\r\n");
    }
    goes_on = reply(Event::data, "354 Go ahead\r\n");
    if (!goes_on) return;
    state_ = State::data;
    line_start_ = true;
  }

  void bdat(std::string_view line) {
    const auto parts = words(line);
    const auto size = parts.size() > 1 ? number(parts[1]) : std::nullopt;
    last_chunk_ = parts.size() == 3 && same_nocase(parts[2], "LAST");
    if (!size || !settings_.chunking) {
      violation("a BDAT that cannot be", line);
      closing_ = true;
      return;
    }
    chunk_ = *size;
    state_ = State::chunk;
    if (chunk_ == 0) end_chunk();
  }

  std::size_t take_chunk(std::string_view in) {
    const std::size_t used = std::min<std::size_t>(in.size(), chunk_);
    if (!first_octet()) return used;
    keep(in.substr(0, used));
    chunk_ -= used;
    if (chunk_ == 0) end_chunk();
    return used;
  }

  void end_chunk() {
    state_ = State::command;
    if (transaction_ != Transaction::open || accepted_ == 0) {
      put("503 5.5.1 No transaction\r\n");
    } else if (last_chunk_) {
      dot();
    } else {
      put("250 2.0.0 Ok\r\n");
    }
  }

  // A line ends in CRLF and nothing else; a CR at the end of `in` waits for its LF.
  std::size_t take_data(std::string_view in) {
    if (!first_octet()) return in.size();
    const std::size_t all = in.size();
    while (!in.empty()) {
      if (line_start_ && in[0] == '.') {
        if (std::string_view(".\r\n").starts_with(in.substr(0, 3))) {
          if (in.size() < 3) break;
          state_ = State::command;
          dot();
          return all - in.size() + 3;
        }
        in.remove_prefix(1);
        line_start_ = false;
        continue;
      }
      const auto* const lf = static_cast<const char*>(std::memchr(in.data(), '\n', in.size()));
      std::size_t used = lf == nullptr ? in.size() : static_cast<std::size_t>(lf - in.data()) + 1;
      if (lf == nullptr && in.back() == '\r') --used;
      if (used == 0) break;
      const std::string_view text = in.substr(0, used);
      look_at(text, lf != nullptr);
      line_start_ = text.ends_with("\r\n");
      keep(text);
      in.remove_prefix(used);
    }
    return all - in.size();
  }

  void look_at(std::string_view text, bool whole) {
    if (whole && !text.ends_with("\r\n")) violation("a bare LF in a message", text);
    const std::string_view inner =
        text.substr(0, text.size() - (whole ? std::min<std::size_t>(text.size(), 2) : 0));
    if (std::memchr(inner.data(), '\r', inner.size()) != nullptr)
      violation("a bare CR in a message", text);
    if (std::memchr(inner.data(), '\0', inner.size()) != nullptr) violation("NUL in a message");
  }

  bool first_octet() {
    if (body_seen_ || settings_.faults.empty()) return true;
    body_seen_ = true;
    const std::string* action = fault(Event::body);
    if (action != nullptr) act(*action);
    return action == nullptr;
  }

  void keep(std::string_view text) {
    if (!eight_bit_ && has_8bit(text)) eight_bit_ = true;
    if (!settings_.directory.empty()) message_.append(text);
  }

  void dot() {
    if (eight_bit_ && !body_8bit_) violation("an 8-bit message without BODY=8BITMIME");
    if (accepted_ == 0) {
      put("554 5.5.1 No valid recipients\r\n");
    } else if (settings_.lmtp) {
      bool anybody = false;
      for_each_recipient([&](std::string_view recipient) {
        if (closing_ || silent_) return;
        if (!reply(Event::dot, "250 2.1.5 Ok\r\n", recipient)) return;
        delivered(recipient, anybody);
        anybody = true;
      });
    } else {
      smtp_dot();
    }
    forget();
  }

  void smtp_dot() {
    std::string_view marked;  // a recipient that a fault names
    for_each_recipient([&](std::string_view recipient) {
      for (const Fault& fault : settings_.faults) {
        if (fault.event == Event::dot && !fault.prefix.empty() &&
            recipient.starts_with(fault.prefix)) {
          marked = recipient;
        }
      }
    });
    if (!reply(Event::dot, "250 2.0.0 Ok: taken\r\n", marked)) return;
    bool first = true;
    for_each_recipient([&](std::string_view recipient) {
      delivered(recipient, !first);
      first = false;
    });
  }

  void delivered(std::string_view recipient, bool same_message) {
    if (!same_message) store();
    ++totals_.recipients;
    if (log_ == nullptr) return;
    const auto tab = std::min(recipient.find('\t'), recipient.size());
    log_->put(fmt::format("{}\t{}\t{}\t{}{}\n", sender_.empty() ? "<>" : sender_,
                          recipient.substr(0, tab), totals_.messages, parameters_,
                          recipient.substr(tab)));
  }

  void store() {
    ++totals_.messages;
    if (settings_.directory.empty()) return;
    const auto path = fmt::format("{}/{}.eml", settings_.directory, totals_.messages);
    auto file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file || !write_all(*file, message_, path)) violation("cannot write", path);
  }

  template <class Call>
  void for_each_recipient(Call&& call) const {
    for (std::string_view rest = recipients_; !rest.empty();) {
      const auto lf = rest.find('\n');
      call(rest.substr(0, lf));
      rest.remove_prefix(lf + 1);
    }
  }

  Settings& settings_;
  Totals& totals_;
  Out* log_;
  std::vector<std::uint64_t> seen_;  // by fault, for this connection or transaction
  State state_ = State::command;
  Transaction transaction_ = Transaction::none;
  bool greeted_ = false;
  bool wants_tls_ = false;
  bool secure_ = false;
  bool authenticated_ = false;
  bool closing_ = false;
  bool silent_ = false;
  bool smtputf8_ = false;
  bool body_8bit_ = false;
  bool eight_bit_ = false;
  bool body_seen_ = false;
  bool line_start_ = true;
  bool last_chunk_ = false;
  std::uint64_t declared_size_ = 0;
  std::uint64_t chunk_ = 0;
  std::uint64_t accepted_ = 0;
  std::string sender_;
  std::string recipients_;  // accepted ones, each with an LF
  std::string parameters_;
  std::string message_;
  std::string mechanism_;
  std::vector<std::string> responses_;
};

struct FreeSsl {
  void operator()(SSL* tls) const { SSL_free(tls); }
};

// A connected socket and its session; keeps what neither side has taken yet.
class Connection {
 public:
  Connection(Fd socket, Settings& settings, Totals& totals, Out* log)
      : socket_(std::move(socket)),
        session_(settings, totals, log),
        settings_(settings),
        totals_(totals),
        drip_(settings.drip) {}
  ~Connection() {
    if (tls_ && SSL_is_init_finished(tls_.get()) == 1 && said_goodbye_) SSL_shutdown(tls_.get());
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // False when it is over.
  bool readable(std::span<char> room) {
    if (session_.wants_tls()) return shake_hands() && writable();
    do {
      const ssize_t got = tls_ ? read_tls(room) : read(socket_.get(), room.data(), room.size());
      if (got < 0) return errno == EAGAIN || errno == EINTR;
      if (got == 0) return false;
      if (settings_.quickack) acknowledge();
      if (!take({room.data(), static_cast<std::size_t>(got)})) return false;
    } while (tls_ && SSL_has_pending(tls_.get()) == 1);
    return true;
  }

  bool take(std::string_view in) {
    if (!kept_.empty()) {
      kept_.append(in);
      in = kept_;
    }
    const std::size_t used = session_.take(in);
    if (in.data() == kept_.data()) {
      kept_.erase(0, used);
    } else {
      kept_.assign(in.substr(used));
    }
    return writable();
  }

  bool writable() {
    std::string& out = session_.out;
    std::size_t sent = 0;
    while (sent < out.size()) {
      const std::size_t piece = drip_ ? 1 : out.size() - sent;
      const ssize_t done = tls_ ? write_tls({out.data() + sent, piece})
                                : send(socket_.get(), out.data() + sent, piece, MSG_NOSIGNAL);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0 && errno != EAGAIN) return false;
      if (done < 0) break;
      sent += static_cast<std::size_t>(done);
    }
    out.erase(0, sent);
    said_goodbye_ = sent > 0 && session_.closing();
    return !session_.closing() || !out.empty();
  }

  [[nodiscard]] bool waits_to_write() const { return !session_.out.empty(); }
  [[nodiscard]] int fd() const { return socket_.get(); }
  bool watched_for_writing = false;

 private:
  // At once: who sends in small pieces with Nagle's delay need not wait for it.
  void acknowledge() const {
    const int one = 1;
    setsockopt(socket_.get(), IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
  }

  bool shake_hands() {
    if (!tls_) {
      tls_.reset(SSL_new(settings_.tls));
      SSL_set_fd(tls_.get(), socket_.get());
    }
    ERR_clear_error();
    const int result = SSL_accept(tls_.get());
    if (result != 1) return SSL_get_error(tls_.get(), result) == SSL_ERROR_WANT_READ;
    ++totals_.handshakes;
    if (SSL_session_reused(tls_.get()) == 1) ++totals_.resumed;
    if (SSL_get0_peer_certificate(tls_.get()) != nullptr) ++totals_.certificates;
    session_.secured();
    return true;
  }

  // As read(2) and write(2) do.
  ssize_t read_tls(std::span<char> room) {
    ERR_clear_error();
    const int got = SSL_read(tls_.get(), room.data(), static_cast<int>(room.size()));
    return got > 0 ? got : result_of(got);
  }
  ssize_t write_tls(std::string_view octets) {
    ERR_clear_error();
    const int done = SSL_write(tls_.get(), octets.data(), static_cast<int>(octets.size()));
    return done > 0 ? done : result_of(done);
  }
  ssize_t result_of(int result) {
    const int error = SSL_get_error(tls_.get(), result);
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
  }

  Fd socket_;
  Session session_;
  Settings& settings_;
  Totals& totals_;
  std::unique_ptr<SSL, FreeSsl> tls_;
  bool said_goodbye_ = false;
  bool drip_;
  std::string kept_;
};

class Server {
 public:
  Server(Fd listener, Settings& settings, Totals& totals, Out* log)
      : listener_(std::move(listener)),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        settings_(settings),
        totals_(totals),
        log_(log),
        room_(std::size_t{256} << 10) {
    watch(listener_.get(), EPOLLIN, EPOLL_CTL_ADD);
  }

  void run() {
    std::array<epoll_event, 64> events{};
    while (stopped == 0) {
      const int count =
          epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.fd == listener_.get()) {
          accept_one();
        } else {
          serve(event);
        }
      }
      if (log_ != nullptr) static_cast<void>(log_->flush());
    }
  }

 private:
  void watch(int fd, std::uint32_t events, int how) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    epoll_ctl(epoll_.get(), how, fd, &event);
  }

  void accept_one() {
    Fd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.open()) return;
    const int one = 1;
    setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const int fd = socket.get();
    auto connection = std::make_unique<Connection>(std::move(socket), settings_, totals_, log_);
    watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    Connection& one_more = *(connections_[fd] = std::move(connection));
    settle(one_more, one_more.writable());
  }

  void serve(const epoll_event& event) {
    Connection& connection = *connections_.at(event.data.fd);
    const bool alive =
        (event.events & EPOLLOUT) != 0 ? connection.writable() : connection.readable(room_);
    settle(connection, alive);
  }

  void settle(Connection& connection, bool alive) {
    if (!alive) {
      connections_.erase(connection.fd());
    } else if (connection.waits_to_write() != connection.watched_for_writing) {
      connection.watched_for_writing = !connection.watched_for_writing;
      watch(connection.fd(), connection.watched_for_writing ? EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    }
  }

  Fd listener_;
  Fd epoll_;
  Settings& settings_;
  Totals& totals_;
  Out* log_;
  std::vector<char> room_;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
};

Result<Fd> listen_on_port(std::uint16_t port, std::uint16_t& chosen) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int one = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  if (bind(socket.get(), name, size) != 0 || listen(socket.get(), 1024) != 0 ||
      getsockname(socket.get(), name, &size) != 0) {
    return system_failure(fmt::format("cannot listen on 127.0.0.1:{}", port), errno);
  }
  chosen = ntohs(address.sin_port);
  return socket;
}

Result<Fd> listen_on_path(const std::string& path) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return retry("{}: the path is too long", path);
  std::memcpy(address.sun_path, path.data(), path.size());
  unlink(path.c_str());
  if (bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(socket.get(), 1024) != 0) {
    return system_failure("cannot listen on " + path, errno);
  }
  return socket;
}

// With `clients`, a certificate that this authority has signed is asked for and must come.
Result<SSL_CTX*> server_context(const std::string& certificate,
                                const std::optional<std::string>& clients) {
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  constexpr std::array<unsigned char, 4> name{'s', 'i', 'n', 'k'};
  SSL_CTX_set_session_id_context(context, name.data(), name.size());
  const char* const file = certificate.c_str();
  if (SSL_CTX_use_certificate_chain_file(context, file) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) != 1) {
    return retry("{}: no certificate with its key", certificate);
  }
  if (!clients) return context;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  if (SSL_CTX_load_verify_file(context, clients->c_str()) != 1) {
    return retry("{}: no certificate of an authority", *clients);
  }
  return context;
}

// The port appears in the file in one step, so that whoever waits for it reads it whole.
Result<> announce(std::uint16_t port, const std::optional<std::string>& file) {
  const std::string text = fmt::format("{}\n", port);
  if (!file) return write_all(1, text, "standard output");
  auto written = open_file(*file + ".new", O_WRONLY | O_CREAT | O_TRUNC);
  if (!written) return fail(written);
  if (auto put = write_all(*written, text, *file); !put) return fail(put);
  if (std::rename((*file + ".new").c_str(), file->c_str()) != 0) {
    return system_failure("cannot rename to " + *file, errno);
  }
  return {};
}

void stop_on(int signal) {
  struct sigaction action{};
  action.sa_handler = [](int) { stopped = 1; };
  sigaction(signal, &action, nullptr);
}

Result<Status> run(int argc, char** argv) {
  if (auto started = start("smtp-sink"); !started) return fail(started);
  Settings settings;
  std::optional<std::uint64_t> port;
  std::optional<std::uint64_t> size;
  std::optional<std::string> socket;
  std::optional<std::string> port_file;
  std::optional<std::string> log_file;
  std::optional<std::string> directory;
  std::optional<std::string> certificate;
  std::optional<std::string> clients;
  std::optional<std::string> newest_tls;
  std::optional<std::string> auth;
  std::optional<std::string> mechanisms;
  std::vector<std::string> faults;
  Options options("smtp-sink", "[OPTION...]", "Takes mail on loopback, for tests.",
                  "smtp-sink --port 0 --port-file port --fault 'dot%7=451 4.3.0 later' &");
  options.number(port, "--port", "N", "on 127.0.0.1; 0 (default): one that is free")
      .text(socket, "--socket", "PATH", "a Unix socket instead")
      .text(port_file, "--port-file", "FILE", "the port goes there, not to stdout")
      .text(log_file, "--log", "FILE", "a line an accepted recipient")
      .text(directory, "--messages", "DIR", "keep each message as DIR/N.eml, without its dots")
      .many(faults, "--fault", "FAULT", "EVENT[~PREFIX][<>@%N[ct]]=ACTION (see the source)")
      .many(settings.without, "--without", "EXT", "do not announce this extension")
      .size(size, "--size", "BYTES", "the largest message to announce (50M)")
      .text(certificate, "--tls-cert", "FILE", "announce STARTTLS; certificate and key (PEM)")
      .flag(settings.tls_at_once, "--smtps", "TLS from the first octet")
      .text(clients, "--tls-clients", "FILE", "want a certificate that this one has signed")
      .text(newest_tls, "--tls-newest", "VERSION", "1.1 or 1.2")
      .text(auth, "--auth", "USER:PASSWORD", "announce AUTH, and take no mail without it")
      .text(mechanisms, "--mechanisms", "NAMES", "of AUTH (PLAIN LOGIN XOAUTH2)")
      .flag(settings.chunking, "--chunking", "announce CHUNKING and take BDAT")
      .flag(settings.xverp, "--xverp", "announce XVERP")
      .flag(settings.dsn, "--dsn", "announce DSN; the log has parameters of RCPT behind all else")
      .flag(settings.lmtp, "--lmtp", "speak LMTP")
      .flag(settings.helo_only, "--helo-only", "know no EHLO")
      .flag(settings.always_354, "--always-354", "answer DATA with 354 whatever came before")
      .flag(settings.multiline, "--multiline", "make every reply three lines")
      .flag(settings.quickack, "--quickack", "acknowledge each read at once (TCP_QUICKACK)")
      .flag(settings.drip, "--drip", "write one octet at a time");
  auto read = options.read(argc, argv);
  if (!read) return fail(read);
  if (*read) return **read;
  for (const std::string& text : faults) {
    auto fault = text_to_fault(text);
    if (!fault) return retry("'{}' is no fault", text);
    settings.faults.push_back(std::move(*fault));
  }
  settings.pipelining = settings.announces("PIPELINING");
  settings.directory = directory.value_or("");
  if (size) settings.size_limit = *size;
  settings.auth = auth.value_or("");
  if (mechanisms) settings.mechanisms = *mechanisms;
  if (certificate) {
    auto context = server_context(*certificate, clients);
    if (!context) return fail(context);
    settings.tls = *context;
    if (newest_tls) {
      SSL_CTX_set_security_level(settings.tls, 0);
      SSL_CTX_set_min_proto_version(settings.tls, TLS1_VERSION);
      SSL_CTX_set_max_proto_version(settings.tls,
                                    *newest_tls == "1.1" ? TLS1_1_VERSION : TLS1_2_VERSION);
    }
  }

  std::uint16_t chosen = 0;
  auto listener = socket ? listen_on_path(*socket)
                         : listen_on_port(static_cast<std::uint16_t>(port.value_or(0)), chosen);
  if (!listener) return fail(listener);
  Fd log_fd;
  std::optional<Out> log;
  if (log_file) {
    auto opened = open_file(*log_file, O_WRONLY | O_CREAT | O_APPEND);
    if (!opened) return fail(opened);
    log_fd = std::move(*opened);
    log.emplace(log_fd.get(), *log_file);
  }
  stop_on(SIGTERM);
  stop_on(SIGINT);
  if (auto told = announce(chosen, port_file); !told) return fail(told);

  Totals totals;
  Server server(std::move(*listener), settings, totals, log ? &*log : nullptr);
  server.run();
  std::string counts = fmt::format(
      "messages {} recipients {} refused {} connections {} violations {}\n", totals.messages,
      totals.recipients, totals.refused, totals.connections, totals.violations);
  if (certificate || auth) {
    counts += fmt::format("tls {} resumed {} certificates {} authenticated {}\n", totals.handshakes,
                          totals.resumed, totals.certificates, totals.authenticated);
  }
  if (auto put = write_all(1, counts, "standard output"); !put) return fail(put);
  return totals.violations == 0 ? Status::done : Status::no;
}

}  // namespace

int main(int argc, char** argv) {
  return leave(run(argc, argv));
}
