#include "smtp/greeting.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace ml {
namespace {

// No command was sent ahead, and no mail was sent.
constexpr Circumstances before_mail{.lockstep = true};

}  // namespace

Extensions lines_to_extensions(std::string_view lines) {
  Extensions found;
  const auto all = split(lines, '\n');
  for (std::size_t i = 1; i < all.size(); ++i) {
    const auto parts = words(all[i]);
    if (parts.empty()) continue;
    if (same_nocase(parts[0], "STARTTLS")) found.starttls = true;
    if (same_nocase(parts[0], "PIPELINING")) found.pipelining = true;
    if (same_nocase(parts[0], "CHUNKING")) found.chunking = true;
    if (same_nocase(parts[0], "8BITMIME")) found.eight_bit = true;
    if (same_nocase(parts[0], "SMTPUTF8")) found.smtputf8 = true;
    if (same_nocase(parts[0], "DSN")) found.dsn = true;
    if (same_nocase(parts[0], "XVERP")) found.xverp = true;
    if (same_nocase(parts[0], "AUTH")) found.mechanisms = all[i].substr(4);
    if (same_nocase(parts[0], "SIZE")) {
      found.size = true;
      found.size_limit = parts.size() > 1 ? number(parts[1]).value_or(0) : 0;
    }
  }
  return found;
}

std::string Greeting::hear(const Reply& reply, std::string_view lines) {
  switch (state_) {
    case State::greeting: return on_greeting(reply);
    case State::hello:
    case State::helo: return on_hello(reply, lines);
    case State::starttls: return on_starttls(reply);
    case State::auth: return on_auth(reply);
    case State::securing:
    case State::over: break;
  }
  return {};
}

Step Greeting::awaited() const {
  switch (state_) {
    case State::greeting: return Step::greeting;
    case State::hello:
    case State::helo: return Step::hello;
    case State::starttls: return Step::starttls;
    case State::auth: return Step::auth;
    case State::securing:
    case State::over: break;
  }
  return Step::nothing;
}

// ---- who we are

std::string Greeting::on_greeting(const Reply& reply) {
  if (!is_content(reply)) return {};
  is_exim_ = reply.text().find(" Exim ") != std::string::npos;
  return say_hello();
}

std::string Greeting::on_hello(const Reply& reply, std::string_view lines) {
  if (state_ == State::hello && reply.permanent() && manner_.protocol == Protocol::smtp) {
    state_ = State::helo;
    return fmt::format("HELO {}\r\n", manner_.hello);
  }
  if (!is_content(reply)) return {};
  if (state_ == State::hello) extensions_ = lines_to_extensions(lines);
  return begin_tls();
}

// Else it is over.
bool Greeting::is_content(const Reply& reply) {
  switch (classify(awaited(), reply, before_mail)) {
    case Meaning::positive: return true;
    case Meaning::busy: end(Parting::busy, reply); break;
    case Meaning::relay_refuses: end(Parting::relay_refuses, reply); break;
    default: end_fault(fmt::format("'{}' is no greeting", reply_to_text(reply))); break;
  }
  return false;
}

std::string Greeting::say_hello() {
  state_ = State::hello;
  return fmt::format("{} {}\r\n", manner_.protocol == Protocol::lmtp ? "LHLO" : "EHLO",
                     manner_.hello);
}

// ---- TLS

std::string Greeting::begin_tls() {
  if (manner_.channel == Channel::tls || manner_.starttls == StartTls::never) return begin_auth();
  if (extensions_.starttls) {
    state_ = State::starttls;
    return "STARTTLS\r\n";
  }
  if (manner_.starttls == StartTls::may) return begin_auth();
  not_secured("it announces no STARTTLS");
  return {};
}

std::string Greeting::on_starttls(const Reply& reply) {
  if (reply.code == 220) {
    state_ = State::securing;
    return {};
  }
  const Meaning meaning = classify(Step::starttls, reply, before_mail);
  if (reply.positive() || meaning == Meaning::fault) {
    return end_fault(fmt::format("'{}' is no answer to STARTTLS", reply_to_text(reply)));
  }
  if (reply.code == 421 || manner_.starttls == StartTls::must) {
    return end(meaning == Meaning::busy ? Parting::busy : Parting::relay_refuses, reply);
  }
  return begin_auth();
}

std::string Greeting::secured() {
  manner_.channel = Channel::tls;
  if (state_ != State::securing) return {};
  extensions_ = {};
  return say_hello();
}

void Greeting::not_secured(std::string_view why) {
  end(Parting::no_tls, local_reply(454, {4, 7, 5}, why));
}

// ---- AUTH

std::string Greeting::begin_auth() {
  if (manner_.credentials == nullptr) {
    state_ = State::over;
    return {};
  }
  const auto cannot = [&](std::string_view why) {
    return end(Parting::relay_refuses, local_reply(454, {4, 7, 0}, why));
  };
  if (manner_.channel == Channel::open) return cannot("no password is sent without TLS");
  auth_ = AuthExchange::begin(*manner_.credentials, extensions_.mechanisms);
  if (!auth_) {
    const bool token = manner_.credentials->kind == Credentials::Kind::token;
    return cannot(fmt::format("it announces no AUTH {} as the auth file wants it",
                              token ? "XOAUTH2" : "PLAIN or LOGIN"));
  }
  state_ = State::auth;
  return auth_->first_line() + "\r\n";
}

std::string Greeting::on_auth(const Reply& reply) {
  if (reply.code == 334) {
    const auto line = auth_->next_line();
    if (!line) return end_fault("334 to the last line of AUTH");
    return *line + "\r\n";
  }
  if (reply.positive()) {
    auth_.reset();
    state_ = State::over;
    return {};
  }
  const std::string_view said =
      auth_->gives_away(reply.text()) ? "(it repeats the secret)" : reply.text();
  Reply told = local_reply(
      reply.code, reply.enhanced,
      fmt::format("AUTH {} as {}: {}", auth_->mechanism(), manner_.credentials->user, said));
  told.ours = false;
  switch (classify(Step::auth, reply, before_mail)) {
    case Meaning::busy: return end(Parting::busy, told);
    case Meaning::relay_refuses: return end(Parting::relay_refuses, told);
    default: return end_fault(fmt::format("misunderstood: {}", reply_to_text(told)));
  }
}

// ---- no mail

std::string Greeting::end(Parting parting, const Reply& reply) {
  state_ = State::over;
  parting_ = parting;
  last_words_ = reply;
  return {};
}

std::string Greeting::end_fault(std::string_view why) {
  return end(Parting::fault, local_reply(451, {4, 5, 0}, why));
}

}  // namespace ml
